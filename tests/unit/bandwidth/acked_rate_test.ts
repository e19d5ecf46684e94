/** The rate at which packets arrive, where few do, and where few are told of. */
import assert from "node:assert/strict";
import { AckedRate } from "../../../lib/bandwidth/acked_rate.ts";

/** A packet of 1,000 bytes each 2 ms that leaves, of which each `nth` arrives. */
function carry(acked: AckedRate, from: number, ms: number, nth: number, tellsLoss: boolean): void {
  for (let i = 0; i < ms / 2; i++) {
    const now = from + 2 * i;
    acked.sent(1_000, now);
    if (i % nth === 0) acked.arrived(1_000, now + 20, false);
    else if (tellsLoss) acked.lost();
  }
}

Deno.test("AckedRate falls to what arrives where that is less than a packet in 150 ms", () => {
  const acked = new AckedRate();
  carry(acked, 0, 2_000, 1, true);
  assert.ok(acked.bps > 3_900_000, `${acked.bps}`);
  carry(acked, 2_000, 6_000, 133, true);
  assert.ok(acked.recentBps < 33_000, `${acked.recentBps} of 30,000 bit/s`);
  assert.ok(acked.bps < 1_000_000, `${acked.bps}`);
});

Deno.test("AckedRate takes a pause in which nothing was lost for no rate at all", () => {
  const acked = new AckedRate();
  carry(acked, 0, 2_000, 1, true);
  const before = acked.recentBps;
  acked.arrived(1_000, 2_320, false);
  carry(acked, 2_300, 40, 1, true);
  assert.equal(acked.recentBps, before);
});

Deno.test("AckedRate of samples is what left between two of them, and ends with the first whole window", () => {
  const acked = new AckedRate();
  carry(acked, 0, 2_000, 1, true);
  for (let i = 1; i <= 20; i++) {
    for (let at = 0; at < 400; at += 4) acked.sent(1_000, 2_000 + 400 * i + at);
    acked.sampled(100_000, 400, false);
  }
  assert.ok(Math.abs(acked.recentBps - 2_000_000) < 10_000, `${acked.recentBps}`);
  acked.sampled(0, 0, false);
  assert.ok(Math.abs(acked.recentBps - 2_000_000) < 10_000, "a sample of no time tells nothing");
  for (let at = 0; at <= 160; at += 8) acked.arrived(1_000, 20_000 + at, false);
  assert.ok(acked.recentBps <= 1_060_000, `${acked.recentBps} is what came since`);
});
