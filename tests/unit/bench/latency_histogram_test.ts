import assert from "node:assert/strict";
import { LatencyHistogram } from "../../../bench/load/latency_histogram.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

Deno.test("LatencyHistogram tells percentiles within 1.1 % of the exact ones", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 20; round++) {
    const histogram = new LatencyHistogram();
    const times: number[] = [];
    for (let i = 0; i < 5_000; i++) {
      const micros = 2 ** (1 + 20 * random.uint32() / 2 ** 32);
      times.push(micros);
      histogram.add(micros);
    }
    times.sort((a, b) => a - b);
    const { count, p50, p99, p999, max } = histogram.percentiles();
    assert.equal(count, times.length);
    assert.equal(max, times.at(-1)! / 1000);
    for (const [share, ms] of [[0.5, p50], [0.99, p99], [0.999, p999]] as const) {
      const exact = times[Math.ceil(times.length * share) - 1]!;
      assert.ok(Math.abs(ms * 1000 / exact - 1) < 0.011, `${share}: ${ms * 1000} for ${exact}`);
    }
  }
});

Deno.test("LatencyHistogram takes times below a microsecond and beyond its range", () => {
  const histogram = new LatencyHistogram();
  histogram.add(-5);
  histogram.add(0);
  histogram.add(1e12);
  const { count, p50, max } = histogram.percentiles();
  assert.equal(count, 3);
  assert.ok(p50 < 0.002);
  assert.equal(max, 1e9);
});

Deno.test("LatencyHistogram is empty at first and after clear()", () => {
  const histogram = new LatencyHistogram();
  const empty = { count: 0, p50: 0, p99: 0, p999: 0, max: 0 };
  assert.deepEqual(histogram.percentiles(), empty);
  histogram.add(100);
  histogram.clear();
  assert.deepEqual(histogram.percentiles(), empty);
});

Deno.test("LatencyHistogram never tells more than the longest time", () => {
  // Some of these lie in the lower half of their bucket, below its middle.
  for (let micros = 500; micros < 1_000; micros++) {
    const histogram = new LatencyHistogram();
    histogram.add(micros);
    assert.ok(histogram.percentiles().p50 <= micros / 1000, `${micros}`);
  }
});
