import assert from "node:assert/strict";
import { median, type Sample, soakFiguresOf } from "../../../bench/forwarding/soak_verdict.ts";

const TOTALS = { engine: "native", loss: 0, descriptorsAfter: 20 };

function samples(count: number, fields: (i: number) => Partial<Sample> = () => ({})): Sample[] {
  return Array.from({ length: count }, (_, i) => ({
    atS: i * 10,
    rssBytes: 200e6,
    heapBytes: 30e6 + (i % 3) * 10e6,
    outsideBytes: 100e6,
    descriptors: 20,
    cpuMicrosPerPacket: 4,
    p50Ms: 0.3,
    p99Ms: 2,
    ...fields(i),
  }));
}

Deno.test("soakFiguresOf() finds nothing wrong with what stays as it is", () => {
  const figures = soakFiguresOf(samples(60), TOTALS);
  assert.equal(figures.isMemoryFlat, true);
  assert.equal(figures.isLatencySteady, true);
  assert.equal(figures.leaksDescriptors, false);
  assert.deepEqual(figures.heapBytes, [30e6, 30e6]);
});

Deno.test("soakFiguresOf() is not misled by a single bad sample", () => {
  const figures = soakFiguresOf(
    samples(60, (i) => i === 50 ? { outsideBytes: 900e6, p99Ms: 500, descriptors: 24 } : {}),
    TOTALS,
  );
  assert.deepEqual(
    [figures.isMemoryFlat, figures.isLatencySteady, figures.leaksDescriptors],
    [true, true, false],
  );
});

Deno.test("soakFiguresOf() sees a slow leak, a drift and a leaked descriptor", () => {
  const leak = soakFiguresOf(samples(60, (i) => ({ outsideBytes: 100e6 + i * 1e6 })), TOTALS);
  assert.equal(leak.isMemoryFlat, false);
  const heap = soakFiguresOf(samples(60, (i) => ({ heapBytes: 30e6 + i * 0.5e6 })), TOTALS);
  assert.equal(heap.isMemoryFlat, false);
  const drift = soakFiguresOf(samples(60, (i) => ({ p99Ms: 2 + i * 0.1 })), TOTALS);
  assert.equal(drift.isLatencySteady, false);
  const descriptors = soakFiguresOf(
    samples(60, (i) => ({ descriptors: 20 + Math.floor(i / 20) })),
    TOTALS,
  );
  assert.equal(descriptors.leaksDescriptors, true);
});

Deno.test("soakFiguresOf() refuses to judge a handful of samples", () => {
  assert.throws(() => soakFiguresOf(samples(5), TOTALS), /only 5 samples/);
});

Deno.test("median() is the middle one", () => {
  assert.equal(median([9, 1, 5]), 5);
});
