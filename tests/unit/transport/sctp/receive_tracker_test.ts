import assert from "node:assert/strict";
import { MAX_TSN_AHEAD, ReceiveTracker } from "../../../../lib/transport/sctp/receive_tracker.ts";
import { MAX_PACKET_BYTES, PacketWriter } from "../../../../lib/transport/sctp/sctp_packet.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** What the tracker's SACK says: cumulative number, gaps as offsets, duplicates. */
function sackOf(tracker: ReceiveTracker) {
  const writer = new PacketWriter();
  writer.begin(new Uint8Array(MAX_PACKET_BYTES), 5000, 1);
  tracker.writeSack(writer, 77);
  const { view } = writer;
  assert.equal(view.getUint16(14), writer.length - 12, "the length");
  assert.equal(view.getUint32(20), 77, "the window");
  const gapCount = view.getUint16(24);
  const gaps = Array.from(
    { length: gapCount },
    (_, i) => [view.getUint16(28 + 4 * i), view.getUint16(30 + 4 * i)],
  );
  const duplicates = Array.from(
    { length: view.getUint16(26) },
    (_, i) => view.getUint32(28 + 4 * (gapCount + i)),
  );
  return { cumulative: view.getUint32(16), gaps, duplicates, length: writer.length };
}

/** Takes a number as the receiving side does. */
function add(tracker: ReceiveTracker, tsn: number): string {
  const standing = tracker.standing(tsn);
  if (standing === "next") {
    tracker.addNext(tsn);
    while (tracker.advance()) continue;
  } else if (standing === "ahead") tracker.addAhead(tsn);
  return standing;
}

Deno.test("ReceiveTracker says what a set of all numbers says, across the end of 32 bits", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed);
    const initial = (0xffff_ff00 + random.below(512)) >>> 0;
    const tracker = new ReceiveTracker(initial);
    const come = new Set<number>();
    let cumulative = -1;
    for (let i = 0; i < 1_500; i++) {
      const offset = Math.max(0, cumulative + 1 + random.below(random.chance(0.1) ? 200 : 12) - 3);
      if (offset > cumulative && random.chance(0.02)) {
        // The sender gives up some.
        tracker.skipTo((initial + offset) | 0);
        for (let skipped = 0; skipped <= offset; skipped++) come.add(skipped);
        while (tracker.advance()) continue;
      } else {
        const expected = come.has(offset)
          ? "duplicate"
          : offset === cumulative + 1
          ? "next"
          : "ahead";
        assert.equal(add(tracker, (initial + offset) | 0), expected, `seed ${seed}, step ${i}`);
        come.add(offset);
      }
      while (come.has(cumulative + 1)) cumulative++;
      if (i % 50 !== 0) continue;
      const gaps: number[][] = [];
      for (const at of [...come].filter((n) => n > cumulative).sort((a, b) => a - b)) {
        const last = gaps.at(-1);
        if (last !== undefined && last[1] === at - cumulative - 1) last[1]++;
        else gaps.push([at - cumulative, at - cumulative]);
      }
      const sack = sackOf(tracker);
      assert.equal(sack.cumulative, (initial + cumulative) >>> 0, `seed ${seed}, step ${i}`);
      assert.deepEqual(sack.gaps, gaps, `seed ${seed}, step ${i}`);
    }
  }
});

Deno.test("ReceiveTracker refuses what is too far ahead, and takes what is just not", () => {
  const tracker = new ReceiveTracker(1);
  assert.equal(tracker.standing(MAX_TSN_AHEAD), "too_far");
  assert.equal(add(tracker, MAX_TSN_AHEAD - 1), "ahead");
  assert.deepEqual(sackOf(tracker).gaps, [[MAX_TSN_AHEAD - 1, MAX_TSN_AHEAD - 1]]);
});

Deno.test("ReceiveTracker.writeSack() keeps within a packet, and tells duplicates once", () => {
  const tracker = new ReceiveTracker(1);
  for (let tsn = 3; tsn < 4_000; tsn += 2) add(tracker, tsn);
  tracker.addDuplicate(3);
  const full = sackOf(tracker);
  assert.ok(full.length <= MAX_PACKET_BYTES && full.gaps.length > 250, `${full.gaps.length} gaps`);
  const few = new ReceiveTracker(1);
  add(few, 1);
  few.addDuplicate(1);
  few.addDuplicate(1);
  assert.deepEqual(sackOf(few).duplicates, [1, 1]);
  assert.deepEqual(sackOf(few).duplicates, []);
});
