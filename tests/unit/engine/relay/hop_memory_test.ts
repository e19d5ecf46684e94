/** How much memory a hop takes: as what crosses needs it, and not for longer. */
import assert from "node:assert/strict";
import { FRAME, frameWord } from "../../../../lib/engine/relay/hop_datagram.ts";
import { HopHistory, KEPT_MS } from "../../../../lib/engine/relay/hop_history.ts";
import { HopInbox } from "../../../../lib/engine/relay/hop_inbox.ts";
import { HopStreamSender } from "../../../../lib/engine/relay/hop_stream_sender.ts";
import { RELAY } from "../../../../lib/engine/relay/relay_records.ts";
import { HopWorld } from "../../../support/media/hop_world.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const MAX_WORDS = 1 << 17;

/** Writes a frame of `size` words that says its number. */
function write(history: HopHistory, size: number, now: number): void {
  history.sent();
  const at = history.reserve(size, now);
  const { next } = history;
  history.words[at] = frameWord(FRAME.media, 0, size);
  history.words.fill(next, at + 1, at + size);
  history.add(size, now);
}

function assertKept(history: HopHistory, seq: number, size: number, now: number): void {
  const at = history.find(seq, now);
  assert.ok(at >= 0, `frame ${seq} of ${history.next} at ${now}`);
  const words = [...history.words.subarray(at + 1, at + size)];
  assert.ok(words.every((word) => word === seq), `another frame in the place of ${seq}`);
}

Deno.test("A history holds the last second at any rate that its memory allows", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new SeededRandom(seed);
    const history = new HopHistory(MAX_WORDS);
    const written: { readonly size: number; readonly at: number }[] = [];
    let now = 0;
    for (let phase = 0; phase < 8; phase++) {
      // A second of it takes at most half of the memory, as its end may be wasted.
      const perSecond = random.below(7) === 0 ? 0 : 2 ** (8 + random.below(8));
      for (const until = now + 5_000 + random.below(15_000); now < until; now++) {
        const wanted = perSecond / 1000;
        const size = 20 + random.below(300);
        if (random.chance(wanted / 170)) {
          write(history, size, now);
          written.push({ size, at: now });
        }
        history.sent();
        history.rest(now);
        if (now % 97 !== 0) continue;
        const second = written.findLastIndex(({ at }) => now - at > KEPT_MS) + 1;
        for (let seq = second; seq < written.length; seq++) {
          assertKept(history, seq, written[seq]!.size, now);
        }
        if (second > 0) assert.equal(history.find(second - 1, now), -1, "older than a second");
      }
    }
    assert.equal(history.next, written.length);
  }
});

Deno.test("A history grows with what crosses and gives back what it does not need", () => {
  const history = new HopHistory(MAX_WORDS);
  assert.equal(history.size, 0);
  let now = 0;
  const run = (ms: number, perMs: number) => {
    for (const until = now + ms; now < until; now++) {
      if (perMs >= 1 || now % Math.round(1 / perMs) === 0) {
        for (let i = 0; i < Math.max(1, perMs); i++) write(history, 100, now);
      }
      history.sent();
      history.rest(now);
    }
    return history.size;
  };
  const voice = run(30_000, 1 / 20);
  assert.ok(voice <= 48 * 1024, `${voice} bytes for one voice`);
  const video = run(5_000, 1);
  assert.ok(video >= 4 * 100_000, `${video} bytes hold a second of 100,000 words`);
  assert.ok(video <= 4 * MAX_WORDS + 200_000);
  const again = run(60_000, 1 / 20);
  assert.ok(again <= 80 * 1024, `${again} bytes for one voice after video`);
});

Deno.test("An inbox gives records out as they went in, and is small when it is empty", () => {
  const most = 1 << 14;
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const inbox = new HopInbox(most);
    const small = inbox.memory;
    const waiting: { readonly kind: number; readonly words: number[] }[] = [];
    let refused = 0;
    const readOne = () => {
      const expected = waiting.shift();
      assert.equal(inbox.next(), expected !== undefined);
      if (expected === undefined) return;
      assert.equal(inbox.kind, expected.kind);
      const read = inbox.words.subarray(inbox.at, inbox.at + inbox.length);
      assert.deepEqual([...read], expected.words);
    };
    for (let step = 0; step < 3_000; step++) {
      const choice = random.below(10);
      if (choice < 5) {
        const words = Array.from({ length: random.below(400) }, () => random.uint32() | 0);
        const kind = 1 + random.below(127);
        const at = inbox.reserve(kind, words.length);
        const used = waiting.reduce((sum, { words }) => sum + words.length + 1, 0);
        if (at < 0) {
          refused++;
          assert.ok(used + 2 * 450 > most / 2, "refused with room left");
          inbox.release();
          continue;
        }
        inbox.words.set(words, at);
        inbox.commit();
        waiting.push({ kind, words });
      } else if (choice < 8) readOne();
      else if (choice === 8) inbox.release();
      else inbox.rest();
    }
    assert.ok(refused > 0 && inbox.memory <= 4 * most);
    while (waiting.length > 0) readOne();
    inbox.release();
    inbox.rest();
    assert.equal(inbox.memory, small);
  }
});

Deno.test("A stream's memory follows what waits in it", () => {
  const stream = new HopStreamSender(true, 1 << 16);
  const empty = stream.memory;
  const record = new Int32Array(1_000).fill(7);
  let taken = 0;
  while (stream.push(RELAY.data, record, 0, record.length, 0)) taken++;
  assert.ok(taken >= 60, `${taken} records of 1,000 words`);
  assert.ok(stream.memory >= 4 * 60_000 && stream.memory <= 4 * (1 << 16) + 22 * 4_096);
  stream.rest();
  assert.ok(stream.memory > 4 * 60_000, "what waits is kept");
  stream.reset();
  stream.rest();
  assert.equal(stream.memory, empty);
});

Deno.test("hop: one that carries nothing costs little, and video only as long as it crosses", () => {
  const world = new HopWorld({ seed: 21, network: { loss: 0.02 } });
  world.connect();
  world.run(30_000);
  const idle = world.near.link.stats.memory;
  assert.ok(80 * idle < 4e6, `${idle} bytes each, of which a mesh of 20 nodes has 80`);
  // 2 Mbit/s: a packet each 5 ms.
  world.run(10_000, (i) => i % 5 === 0 && world.near.packet(i));
  const busy = world.near.link.stats.memory;
  assert.ok(busy >= 250_000 && busy < 1.2e6, `${busy} bytes for 250,000 a second`);
  world.run(40_000);
  for (const end of [world.near, world.far]) {
    assert.ok(end.link.stats.memory <= 64 * 1024, `${end.link.stats.memory} bytes after it`);
  }
  assert.equal(world.far.of(RELAY.packet).length, 2_000);
});
