import assert from "node:assert/strict";
import { SendKind } from "../../../../lib/transport/datagrams/datagrams.ts";
import { NO_STREAM, StreamQueue } from "../../../../lib/transport/tcp/stream_queue.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const LIMITS = { softQueueBytes: 256 * 1024, hardQueueBytes: 1024 * 1024, stuckMs: 10_000 };
const [ANN, BEN] = [0x8000_0001, 7];

/** A queue whose units say what they are in their first byte. */
function queue() {
  const all = new StreamQueue();
  let dropped = 0;
  const into = new Uint8Array(2 * 1024 * 1024);
  return {
    all,
    get dropped() {
      return dropped;
    },
    put(first: number, length: number, kind: SendKind, now: number, stream = NO_STREAM) {
      const refusal = all.refuses(length, 0, kind, LIMITS, now, (packets) => dropped += packets);
      if (refusal !== undefined) return refusal;
      const at = all.claim(length, kind, stream, now);
      all.bytes.fill(first, at, at + length);
      return undefined;
    },
    /** The first bytes of whole units of `length` bytes. */
    take(length: number, most = into.length): number[] {
      const end = all.take(into, most);
      assert.equal(end % length, 0);
      const units: number[] = [];
      for (let at = 0; at < end; at += length) {
        const unit = into.subarray(at, at + length);
        assert.ok(unit.every((byte) => byte === unit[0]), "a unit is whole");
        units.push(unit[0]!);
      }
      return units;
    },
  };
}

Deno.test("StreamQueue lets audio go before video and data, which keep their order", () => {
  const { put, take, all } = queue();
  put(1, 100, SendKind.video, 0, ANN);
  put(2, 100, SendKind.data, 0);
  put(3, 100, SendKind.other, 5);
  put(4, 100, SendKind.video, 5, BEN);
  put(5, 100, SendKind.other, 6);
  assert.equal(all.size, 500);
  assert.equal(all.since, 0);
  assert.deepEqual(take(100, 350), [3, 5, 1]);
  assert.deepEqual(take(100), [2, 4]);
  assert.deepEqual([all.size, all.since], [0, Infinity]);
});

Deno.test("StreamQueue gives much at once while nothing waits long, and little to a slow reader", () => {
  const { put, all } = queue();
  for (let i = 0; i < 40; i++) put(i, 1_000, SendKind.video, 100, ANN);
  assert.equal(all.chunkBytes(120), 16 * 1024);
  assert.equal(all.chunkBytes(121), 4 * 1024);
  all.clear();
  put(1, 9_000, SendKind.data, 0);
  assert.equal(all.chunkBytes(1_000), 9_000, "a unit is never cut");
});

Deno.test("StreamQueue leaves out video that waited longer than a second until all is written", () => {
  const world = queue();
  const { put, take, all } = world;
  put(1, 100, SendKind.video, 0, ANN);
  put(2, 100, SendKind.video, 900, BEN);
  put(3, 100, SendKind.data, 900);
  put(4, 100, SendKind.other, 900);
  assert.equal(put(5, 100, SendKind.video, 1_000, ANN), undefined);
  assert.equal(put(6, 100, SendKind.other, 1_001), undefined);
  assert.equal(world.dropped, 0, "audio asks for nothing");
  assert.equal(put(7, 100, SendKind.video, 1_001, ANN), "tcp_rtp_for_slow_reader");
  assert.deepEqual([world.dropped, all.droppedBytes], [3, 400]);
  assert.deepEqual(take(100), [4, 6, 3]);
  assert.equal(put(8, 100, SendKind.video, 1_002, ANN), "tcp_rtp_for_slow_reader");
  assert.equal(all.isReopened(), true);
  assert.equal(all.isReopened(), false);
  assert.equal(put(9, 100, SendKind.video, 1_003, ANN), undefined);
  assert.deepEqual(take(100), [9]);
});

Deno.test("StreamQueue gives video more time where it was left out a moment ago", () => {
  const { put, all } = queue();
  const allowed: number[] = [];
  let now = 0;
  for (let round = 0; round < 6; round++) {
    if (round === 5) now += 60_000;
    const since = now;
    put(1, 10, SendKind.video, now, ANN);
    while (put(2, 10, SendKind.video, ++now, ANN) === undefined);
    allowed.push(now - since - 1);
    all.isReopened();
  }
  assert.deepEqual(allowed, [1_000, 2_000, 4_000, 8_000, 8_000, 1_000]);
});

Deno.test("StreamQueue.outdate() takes out one video's packets if they are old", () => {
  const { put, take, all } = queue();
  put(1, 100, SendKind.video, 0, ANN);
  put(2, 100, SendKind.video, 0, BEN);
  put(3, 100, SendKind.data, 0);
  put(4, 100, SendKind.video, 150, ANN);
  assert.equal(all.outdate(ANN, 150), 0, "who is not slow loses nothing");
  assert.equal(all.outdate(99, 1_000), 0);
  assert.equal(all.outdate(ANN, 151), 2);
  assert.deepEqual([all.size, all.droppedBytes], [200, 200]);
  put(5, 100, SendKind.video, 151, ANN);
  assert.deepEqual(take(100), [2, 3, 5]);
});

Deno.test("StreamQueue refuses video above the soft bound, and everything above the hard one", () => {
  const { put, all } = queue();
  let count = 0;
  while (put(1, 1_000, SendKind.video, 0, ANN) === undefined) count++;
  assert.equal(count, Math.floor(LIMITS.softQueueBytes / 1_000));
  assert.equal(all.droppedBytes, 1_000);
  while (put(2, 1_000, SendKind.data, 0) === undefined) count++;
  assert.equal(count, Math.floor(LIMITS.hardQueueBytes / 1_000));
  assert.equal(put(3, 1_000, SendKind.other, 0), "tcp_reader_too_slow");
});

Deno.test("StreamQueue keeps units whole and in order, whatever is put, taken and left out", () => {
  const random = new SeededRandom(5);
  const upTo = (most: number) => random.uint32() % most;
  const all = new StreamQueue();
  const into = new Uint8Array(64 * 1024);
  /** What should be there, by lane: [number, length, stream]. */
  const lanes: [number, number, number][][] = [[], []];
  let number = 0;
  for (let step = 0; step < 20_000; step++) {
    const choice = upTo(10);
    if (choice < 6) {
      const length = 4 + upTo(1_500);
      const kind = [SendKind.other, SendKind.video, SendKind.data][upTo(3)]!;
      const stream = kind === SendKind.video ? 1 + upTo(2) : 0;
      if (all.size > 300_000) continue;
      const at = all.claim(length, kind, stream, 0);
      new DataView(all.bytes.buffer).setUint32(at, ++number);
      lanes[kind === SendKind.other ? 0 : 1]!.push([number, length, stream]);
    } else if (choice < 9) {
      const end = all.take(into, 1_504 + upTo(20_000));
      for (let at = 0; at < end;) {
        const lane = lanes[0]!.length > 0 ? lanes[0]! : lanes[1]!;
        const [expected, length] = lane.shift()!;
        assert.equal(new DataView(into.buffer).getUint32(at), expected);
        at += length;
      }
    } else if (upTo(10) === 0) {
      const stream = 1 + upTo(2);
      const before = lanes[1]!.length;
      lanes[1] = lanes[1]!.filter(([, , of]) => of !== stream);
      assert.equal(all.outdate(stream, 1_000), before - lanes[1].length);
    }
    assert.equal(all.size, lanes.flat().reduce((sum, [, length]) => sum + length, 0));
  }
});
