import assert from "node:assert/strict";
import { ProbeResult } from "../../../lib/bandwidth/probe_result.ts";

/** Bursts of `perBurst` packets of 1,000 bytes each 5 ms; arrival by the order of packets. */
function probe(bursts: number, perBurst: number, arrival: (i: number, at: number) => number) {
  const result = new ProbeResult();
  result.begin(7);
  for (let i = 0; i < bursts * perBurst; i++) {
    result.sent(1_000, 100 + Math.floor(i / perBurst) * 5);
  }
  for (let i = 0; i < bursts * perBurst; i++) {
    const sentAt = 100 + Math.floor(i / perBurst) * 5;
    const at = arrival(i, sentAt);
    if (at < 0) result.lost();
    else result.arrived(1_000, sentAt, at);
  }
  return result;
}

Deno.test("ProbeResult tells the rate it was sent at where the path carries it, bursts or not", () => {
  for (const perBurst of [1, 3]) {
    const result = probe(8, perBurst, (_, at) => at + 30);
    assert.ok(result.isDecided);
    assert.equal(result.evaluate(), perBurst * 1_600_000);
    assert.equal(result.isSaturated, false);
  }
});

Deno.test("ProbeResult tells less than what arrives where the path is full", () => {
  // A packet each 4 ms: 2 Mbit/s of the 4.8 that were sent.
  const result = probe(8, 3, (i) => 130 + i * 4);
  const bps = result.evaluate();
  assert.ok(result.isSaturated);
  assert.ok(Math.abs(bps - 1_900_000) < 1_000, `${bps}`);
});

Deno.test("ProbeResult says nothing if too much is missing, or came faster than it can", () => {
  assert.equal(probe(8, 1, (i, at) => i % 3 === 0 ? -1 : at).evaluate(), 0);
  assert.equal(probe(3, 1, (_, at) => at).evaluate(), 0, "three packets");
  assert.equal(probe(8, 1, () => 130).evaluate(), 0, "all at one moment");
  assert.equal(probe(8, 1, (_, at) => at / 10).evaluate(), 0, "ten times as fast");
  assert.equal(probe(1, 8, (i) => 130 + i).evaluate(), 0, "sent at one moment");
  assert.equal(probe(8, 1, (i) => 130 + i * 200).evaluate(), 0, "longer than a second");
});

Deno.test("ProbeResult counts what the path loses whatever is sent as carried, and no more", () => {
  // Two of 24, none of the first three.
  const lossy = () => probe(8, 3, (i, at) => i % 10 === 9 ? -1 : at + 30);
  assert.equal(lossy().lostShare, 2 / 24);
  const bytesMs = 35;
  assert.equal(lossy().evaluate(), 19_000 * 8_000 / bytesMs);
  const carried = 19_000 / (1 - 0.05) * 8_000 / bytesMs;
  assert.ok(Math.abs(lossy().evaluate(0.05) - carried) < 1);
  // A path that is said to lose half has carried all that left, not twice as much.
  assert.ok(lossy().evaluate(0.5) <= 21_000 * 8_000 / bytesMs);
  assert.equal(probe(8, 3, (_, at) => at + 30).evaluate(0.5), 4_800_000);
});

Deno.test("ProbeResult goes by when packets really left, and not by when they were noted", () => {
  const result = new ProbeResult();
  result.begin(7);
  for (const at of [100, 105, 110, 115, 120, 125]) result.sent(1_000, at);
  // The thread lost its core before the first one left: all came 12 ms later, and as far apart.
  for (const at of [112, 117, 122, 127, 132, 137]) result.arrived(1_000, at, at + 30);
  assert.equal(result.evaluate(), 1_600_000);
});
