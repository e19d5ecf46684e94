/** The replay page's decisions: what a journal says, who is seen, and how players keep together. */
import assert from "node:assert/strict";
import { clockWords, isMuted, latest, readJournal } from "../../../web/replay/journal.js";
import { type Layout, planReplay, seenAt } from "../../../web/replay/plan.js";
import { correction, ReplayClock } from "../../../web/replay/sync.js";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const line = (offset_ms: number, type: string, more: object = {}) =>
  JSON.stringify({ at: "2026-11-29T18:00:00.000Z", offset_ms, type, ...more });
const track = (identity: string, kind: string, source: string, track_id: string) => ({
  identity,
  track_id,
  track_kind: kind,
  track_source: source,
});

const JOURNAL = readJournal([
  line(0, "began", { room_name: "standup", egress_id: "EG_1", version: 1 }),
  line(0, "joined", { identity: "ann", name: "Ann" }),
  line(100, "published", track("ann", "video", "camera", "TR_1")),
  line(100, "published", { ...track("ann", "audio", "microphone", "TR_2"), muted: true }),
  line(500, "file", { ...track("ann", "video", "camera", "TR_1"), format: "webm" }),
  line(1_000, "joined", { identity: "bob", name: "Bob" }),
  line(1_500, "published", track("bob", "video", "screen_share", "TR_3")),
  line(1_600, "file", { ...track("bob", "video", "screen_share", "TR_3"), format: "webm" }),
  line(2_000, "speakers", { identities: ["ann"] }),
  line(2_500, "unmuted", { identity: "ann", track_id: "TR_2" }),
  line(3_000, "chat", { identity: "bob", name: "Bob", id: "1", text: "hi" }),
  line(3_100, "chat_edited", { identity: "bob", id: "1", text: "hello" }),
  line(3_200, "chat_deleted", { identity: "ann", id: "1" }),
  line(4_000, "left", { identity: "ann" }),
  line(5_000, "joined", { identity: "ann", name: "Ann" }),
  // The same track again, under another sid, in the same file.
  line(5_100, "published", { ...track("ann", "video", "camera", "TR_9"), muted: true }),
  line(9_000, "ended", { status: "EGRESS_COMPLETE", chat_dropped: 3 }),
  `{"at":"2026-11-29T18:00:00.000Z","offset_ms":9100,"type":"ch`,
].join("\n"));

const seen = (at: number, pinned?: string) =>
  seenAt(JOURNAL, at, pinned, ({ offset }) => offset <= at);
const keys = (at: number) =>
  seen(at).map(({ key, file }) => `${key}${file === undefined ? "" : "*"}`);

Deno.test("readJournal() knows who is there, what is shown, and what was written, at each time", () => {
  assert.equal(JOURNAL.roomName, "standup");
  assert.deepEqual([JOURNAL.duration, JOURNAL.isWhole, JOURNAL.dropped], [9_000, true, 3]);
  assert.deepEqual(keys(50), ["person:ann"]);
  assert.deepEqual(keys(600), ["person:ann*"]);
  assert.deepEqual(keys(1_700), ["person:ann*", "screen:bob*", "person:bob"]);
  assert.deepEqual(keys(4_500), ["screen:bob*", "person:bob"], "ann has left");
  assert.deepEqual(keys(5_500), ["person:ann", "screen:bob*", "person:bob"], "camera off");
  const microphone = "ann/microphone/audio";
  assert.ok(isMuted(JOURNAL, microphone, 2_400) && !isMuted(JOURNAL, microphone, 2_600));
  const [said, ...others] = JOURNAL.chat;
  assert.deepEqual([said!.text, said!.isEdited, others], ["hello", true, []]);
  assert.equal(latest(JOURNAL.speakers, 1_999), undefined);
  const hours = 3_723_000;
  assert.deepEqual([0, 65_000, hours].map(clockWords), ["0:00", "1:05", "1:02:03"]);
});

Deno.test("planReplay() shows the layout that was chosen", () => {
  const plan = (at: number, layout: Layout, pinned?: string) =>
    planReplay(seen(at, pinned), layout, JOURNAL, at).main;
  assert.deepEqual(plan(2_200, "grid"), []);
  assert.deepEqual(plan(2_200, "speaker"), ["person:ann"]);
  assert.deepEqual(plan(2_200, "screen"), ["screen:bob"]);
  assert.deepEqual(plan(2_200, "grid", "person:bob"), ["person:bob"]);
  assert.deepEqual(plan(700, "screen"), [], "alone");
  assert.deepEqual(plan(4_500, "speaker"), ["person:bob"], "who spoke is gone");
  const { main, strip } = planReplay(seen(2_200), "screen", JOURNAL, 2_200);
  assert.deepEqual([...main, ...strip].sort(), seen(2_200).map(({ key }) => key).sort());
});

Deno.test("readJournal() bears whatever stands in a file", () => {
  const random = new SeededRandom(4);
  const text = [line(0, "joined", { identity: "ann" }), line(5, "speakers", { identities: ["a"] })]
    .join("\n");
  for (let i = 0; i < 5_000; i++) {
    const letters = [...text];
    for (let n = random.uint32() % 6; n >= 0; n--) {
      letters[random.uint32() % letters.length] = String.fromCharCode(32 + random.uint32() % 95);
    }
    const journal = readJournal(letters.join(""));
    assert.ok(journal.duration >= 0);
  }
  for (const entry of ["null", "1", '{"type":"speakers"}', '{"type":"speakers","identities":7}']) {
    readJournal(entry);
  }
});

Deno.test("players that run unevenly stay within the eye's and ear's measure", () => {
  const random = new SeededRandom(9);
  const clock = new ReplayClock();
  const drifts = [1.002, 0.998, 1.0005];
  const players = drifts.map((drift, i) => ({ drift, at: i * 0.2, rate: 1 }));
  let now = 0;
  const step = (steps: number) => {
    for (let i = 0; i < steps; i++) {
      const ms = 60 + random.uint32() % 80;
      now += ms;
      for (const player of players) {
        if (clock.runs) player.at += ms / 1_000 * player.rate * player.drift;
        const wanted = clock.at(now) / 1_000;
        const { leap, rate } = correction(player.at, wanted, clock.rate, "audio");
        if (leap) player.at = wanted;
        player.rate = rate;
      }
    }
    return Math.max(...players.map(({ at }) => Math.abs(at - clock.at(now) / 1_000)));
  };
  clock.run(true, now);
  step(60);
  assert.ok(step(600) < 0.03);
  clock.setRate(2, now);
  step(60);
  assert.ok(step(600) < 0.06);
  clock.goTo(600_000, now);
  assert.ok(step(1) < 0.2, "a leap, not a crawl");
  clock.run(false, now);
  const stood = clock.at(now);
  step(10);
  assert.equal(clock.at(now), stood);
});
