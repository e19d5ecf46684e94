import assert from "node:assert/strict";
import fc from "fast-check";
import type { DownTrackId } from "../../../../lib/base/ids.ts";
import {
  MAX_ENTRIES,
  NOT_ACCEPTED_TIMEOUT_MS,
  NOT_FOUND_TIMEOUT_MS,
  type SourceState,
  SubscriptionTable,
} from "../../../../lib/room/subscription/subscription_table.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const NO_LIMITS = { audio: 0, video: 0 };
const video: SourceState = { exists: true, kind: "video", allowed: true };
const missing: SourceState = { exists: false };
const table = (limits = NO_LIMITS, adaptiveStream = false) =>
  new SubscriptionTable(adaptiveStream, limits);
const down = (id: string) => id as DownTrackId;
const types = (actions: readonly { type: string }[]) => actions.map(({ type }) => type);

Deno.test("SubscriptionTable.reconcile() subscribes once, and unsubscribes once the wish is gone", () => {
  const t = table();
  t.desire("A", true, 0);
  assert.deepEqual(types(t.reconcile(0, () => video, true)), ["permission", "subscribe"]);
  t.subscribed("A", down("D"), "video", 0);
  assert.deepEqual(t.reconcile(0, () => video, true), []);
  t.desire("A", false, 0);
  assert.deepEqual(t.reconcile(0, () => video, true), [
    { type: "unsubscribe", trackSid: "A", downTrack: "D" },
  ]);
  t.closed("A", 0);
  assert.deepEqual(t.reconcile(0, () => video, true), []);
});

Deno.test("SubscriptionTable.reconcile() subscribes again when a down-track was closed by others", () => {
  const t = table();
  t.desire("A", true, 0);
  t.reconcile(0, () => video, true);
  t.subscribed("A", down("D"), "video", 0);
  t.accepted("A");
  t.closed("A", 10);
  assert.deepEqual(types(t.reconcile(10, () => video, true)), ["subscribe"]);
  assert.equal(t.isAccepted("A"), false);
});

Deno.test("SubscriptionTable.reconcile() gives a missing track up after its time, counted from the last sight", () => {
  const t = table();
  t.desire("A", true, 0);
  assert.deepEqual(t.reconcile(NOT_FOUND_TIMEOUT_MS - 1, () => missing, true), []);
  t.reconcile(NOT_FOUND_TIMEOUT_MS - 1, () => ({ ...video, allowed: false }), true);
  assert.deepEqual(t.reconcile(NOT_FOUND_TIMEOUT_MS + 1, () => missing, true), []);
  const late = 2 * NOT_FOUND_TIMEOUT_MS;
  assert.deepEqual(types(t.reconcile(late, () => missing, true)), ["not_found"]);
  assert.equal(t.isDesired("A"), false);
});

Deno.test("SubscriptionTable.desire() gives a renewed wish its full time again", () => {
  const t = table();
  t.desire("A", true, 0);
  t.desire("A", false, 10);
  t.desire("A", true, NOT_FOUND_TIMEOUT_MS - 1);
  assert.deepEqual(t.reconcile(NOT_FOUND_TIMEOUT_MS + 1, () => missing, true), []);
  assert.equal(t.isDesired("A"), true);
});

Deno.test("SubscriptionTable.reconcile() reports a down-track that is never answered", () => {
  const t = table();
  t.desire("A", true, 0);
  t.reconcile(0, () => video, true);
  t.subscribed("A", down("D"), "video", 0);
  assert.deepEqual(t.reconcile(NOT_ACCEPTED_TIMEOUT_MS - 1, () => video, true), []);
  assert.deepEqual(types(t.reconcile(NOT_ACCEPTED_TIMEOUT_MS, () => video, true)), [
    "not_accepted",
  ]);
});

Deno.test("SubscriptionTable.reconcile() reports each change of permission once", () => {
  const t = table();
  t.desire("A", true, 0);
  const refused = { ...video, allowed: false };
  assert.deepEqual(t.reconcile(0, () => refused, true), [
    { type: "permission", trackSid: "A", allowed: false },
  ]);
  assert.deepEqual(t.reconcile(1, () => refused, true), []);
  assert.deepEqual(types(t.reconcile(2, () => video, true)), ["permission", "subscribe"]);
});

Deno.test("SubscriptionTable.settings() keeps what came early and clears disabled on bind with adaptive stream", () => {
  const t = table(NO_LIMITS, true);
  t.setSettings("A", { ...t.settings("A"), disabled: true, quality: 1 }, 0);
  t.desire("A", true, 0);
  t.subscribed("A", down("D"), "video", 0);
  assert.equal(t.settings("A").disabled, true);
  t.accepted("A");
  assert.deepEqual([t.settings("A").disabled, t.settings("A").quality], [false, 1]);
});

Deno.test("SubscriptionTable.reconcile() forgets ended subscriptions at once, and unused settings later", () => {
  const t = table();
  const settings = { disabled: true, quality: 0, width: 0, height: 0, fps: 0, priority: 0 };
  t.setSettings("B", settings, 0);
  t.desire("A", true, 0);
  t.reconcile(0, () => video, true);
  t.subscribed("A", down("D"), "video", 0);
  t.desire("A", false, 0);
  t.closed("A", 0);
  assert.equal(t.size, 1);
  assert.deepEqual([...t.unsettled], ["B"]);
  t.reconcile(NOT_FOUND_TIMEOUT_MS - 1, () => video, true);
  assert.equal(t.settings("B").disabled, true);
  t.reconcile(NOT_FOUND_TIMEOUT_MS, () => video, true);
  assert.equal(t.size, 0);
  assert.deepEqual([...t.unsettled], []);
});

Deno.test("SubscriptionTable takes no more tracks that nobody knows than it can bear, until old ones expire", () => {
  const t = table();
  const settings = { disabled: true, quality: 0, width: 0, height: 0, fps: 0, priority: 0 };
  for (let i = 0; i < MAX_ENTRIES; i++) assert.equal(t.setSettings(`A${i}`, settings, 0), true);
  assert.equal(t.setSettings("B", settings, 0), false);
  assert.equal(t.setSettings("A0", settings, 0), true, "one that is known may change");
  t.desire("B", true, 0);
  assert.equal(t.isDesired("B"), false);
  assert.equal(t.size, MAX_ENTRIES);
  t.reconcile(NOT_FOUND_TIMEOUT_MS, () => missing, true);
  assert.equal(t.setSettings("B", settings, NOT_FOUND_TIMEOUT_MS), true);
});

Deno.test("SubscriptionTable never exceeds a limit, doubles a down-track, or keeps an unwanted one", () => {
  const sids = ["A", "B", "C", "D"];
  const command = fc.record({
    sid: fc.constantFrom(...sids),
    what: fc.constantFrom("want", "drop", "publish", "unpublish", "allow", "refuse", "close"),
    maySubscribe: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const t = table({ audio: 0, video: 2 });
      const sources = new Map<string, SourceState>();
      const live = new Map<string, string>();
      let next = 0;
      for (const [now, { sid, what, maySubscribe }] of commands.entries()) {
        if (what === "want" || what === "drop") t.desire(sid, what === "want", now);
        if (what === "publish" || what === "allow") sources.set(sid, video);
        if (what === "refuse" && sources.has(sid)) sources.set(sid, { ...video, allowed: false });
        if (what === "close" && live.delete(sid)) t.closed(sid, now);
        if (what === "unpublish") {
          sources.delete(sid);
          assert.equal(t.sourceRemoved(sid), live.get(sid));
          live.delete(sid);
        }
        const source = (of: string): SourceState => sources.get(of) ?? missing;
        for (const action of t.reconcile(now, source, maySubscribe)) {
          if (action.type === "unsubscribe") {
            assert.equal(live.get(action.trackSid), action.downTrack);
            live.delete(action.trackSid);
            t.closed(action.trackSid, now);
          }
          if (action.type === "subscribe") {
            assert.ok(!live.has(action.trackSid), "a second down-track");
            live.set(action.trackSid, `D${++next}`);
            t.subscribed(action.trackSid, down(`D${next}`), "video", now);
          }
        }
        assert.ok(live.size <= 2, "over the limit");
        for (const liveSid of live.keys()) {
          const state = source(liveSid);
          assert.ok(state.exists && state.allowed && t.isDesired(liveSid) && maySubscribe);
        }
      }
    }),
    { seed: 20260101, numRuns: 300 },
  );
});

Deno.test("SubscriptionTable.reconcile() asks the room only about what changed", () => {
  const t = table();
  const asked: string[] = [];
  const source = (sid: string): SourceState => {
    asked.push(sid);
    return video;
  };
  for (let i = 0; i < 500; i++) {
    t.desire(`T${i}`, true, 0);
    t.reconcile(0, source, true, [`T${i}`]);
    t.subscribed(`T${i}`, down(`D${i}`), "video", 0);
    t.accepted(`T${i}`);
  }
  asked.length = 0;
  t.desire("T500", true, 1);
  const actions = t.reconcile(1, source, true, ["T500"]);
  assert.deepEqual(actions.map(({ type }) => type), ["permission", "subscribe"]);
  assert.deepEqual([...new Set(asked)], ["T500"]);
});

Deno.test("SubscriptionTable.reconcile() of what changed comes to what a look at everything comes to", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed);
    const limits = random.below(2) === 0 ? { audio: 0, video: 0 } : { audio: 2, video: 3 };
    const tables = [new SubscriptionTable(false, limits), new SubscriptionTable(false, limits)];
    const sources = new Map<string, SourceState>();
    const sids = Array.from({ length: 12 }, (_, i) => `T${i}`);
    for (const [i, sid] of sids.entries()) {
      sources.set(sid, { exists: true, kind: i % 2 === 0 ? "audio" : "video", allowed: true });
    }
    let lastId = 0;
    for (let step = 0; step < 200; step++) {
      const sid = sids[random.below(sids.length)]!;
      const source = sources.get(sid)!;
      const draw = random.below(4);
      if (draw === 0 && source.exists) sources.set(sid, { ...source, allowed: !source.allowed });
      const id = ++lastId;
      const open = tables.map((t, whole) => {
        if (draw === 1) t.desire(sid, false, step);
        else if (draw > 1) t.desire(sid, true, step);
        const changed = whole === 1 ? undefined : [sid];
        // Ending one may make room for another, so it takes two rounds at most.
        for (let round = 0; round < 2; round++) {
          for (const action of t.reconcile(step, (of) => sources.get(of)!, true, changed)) {
            const kind = sources.get(action.trackSid);
            if (action.type === "unsubscribe") t.closed(action.trackSid, step);
            if (action.type !== "subscribe" || kind?.exists !== true) continue;
            t.subscribed(action.trackSid, down(`D${id}${action.trackSid}`), kind.kind, step);
            t.accepted(action.trackSid);
          }
        }
        return t.subscribedTracks();
      });
      const count = (of: string[], kind: string) =>
        of.filter((track) => {
          const state = sources.get(track);
          return state?.exists === true && state.kind === kind;
        }).length;
      // Under a limit either may have taken another of those that wait, never more or fewer.
      for (const kind of ["audio", "video"]) {
        assert.equal(count(open[0]!, kind), count(open[1]!, kind), `seed ${seed} step ${step}`);
      }
      if (limits.audio === 0) assert.deepEqual(open[0]!.sort(), open[1]!.sort());
    }
  }
});
