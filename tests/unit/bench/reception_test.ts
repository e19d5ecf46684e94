import assert from "node:assert/strict";
import { Reception } from "../../../bench/real_loads/reception.ts";
import { ReportBlock } from "../../../lib/wire/rtcp.ts";

const CLOCK = 90_000;

/** Packets `from` to `to` without those in `lost`, 10 ms apart. */
function receive(reception: Reception, from: number, to: number, lost: readonly number[] = []) {
  for (let i = from; i <= to; i++) {
    if (!lost.includes(i)) reception.arrive(i & 0xffff, (i * 900) >>> 0, i * 10_000);
  }
}

function reportOf(reception: Reception, now = 0): ReportBlock {
  const block = new ReportBlock();
  reception.fill(block, now);
  return block;
}

Deno.test("Reception reports what RFC 3550 wants, across a wrap of the numbers", () => {
  const reception = new Reception(7, CLOCK);
  receive(reception, 65_500, 65_600, [65_540, 65_541]);
  const { ssrc, cumulativeLost, fractionLost, highestSequence, jitter } = reportOf(reception);
  assert.deepEqual(
    { ssrc, cumulativeLost, fractionLost, highestSequence, jitter },
    {
      ssrc: 7,
      cumulativeLost: 2,
      fractionLost: Math.floor(2 * 256 / 101),
      // One wrap in the upper half.
      highestSequence: 0x10000 + (65_600 & 0xffff),
      jitter: 0,
    },
  );
});

Deno.test("Reception's fraction is of the interval, its count of everything", () => {
  const reception = new Reception(7, CLOCK);
  receive(reception, 1, 100, [50]);
  reportOf(reception);
  receive(reception, 101, 200);
  const { cumulativeLost, fractionLost } = reportOf(reception);
  assert.deepEqual([cumulativeLost, fractionLost], [1, 0]);
});

Deno.test("Reception sees jitter where packets come unevenly, in timestamp units", () => {
  const reception = new Reception(7, CLOCK);
  for (let i = 0; i < 500; i++) reception.arrive(i, i * 900, i * 10_000 + (i % 2) * 1_000);
  // Each packet's transit differs by 1 ms from the one before: 90 units.
  assert.ok(Math.abs(reportOf(reception).jitter - 90) <= 1);
});

Deno.test("Reception tells when the last sender report came", () => {
  const reception = new Reception(7, CLOCK);
  receive(reception, 1, 2);
  reception.reported(0x1234_5678, 0x9abc_def0, 1_000);
  const { lastSenderReport, delaySinceLastSenderReport } = reportOf(reception, 1_500);
  assert.equal(lastSenderReport, 0x5678_9abc);
  assert.equal(delaySinceLastSenderReport, 0x8000);
});

Deno.test("Reception counts from its restart on, and nothing twice", () => {
  const reception = new Reception(7, CLOCK);
  assert.equal(reception.expected, 0);
  receive(reception, 1, 10, [5]);
  assert.deepEqual([reception.expectedSince, reception.received], [10, 9]);
  reception.restart();
  assert.deepEqual([reception.expectedSince, reception.received], [0, 0]);
  receive(reception, 11, 20, [12, 13]);
  assert.deepEqual([reception.expectedSince, reception.received], [10, 8]);
  assert.equal(reception.expected, 20);
});
