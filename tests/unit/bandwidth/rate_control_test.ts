import assert from "node:assert/strict";
import { RateControl } from "../../../lib/bandwidth/rate_control.ts";
import { QUEUE, type QueueTrend } from "../../../lib/bandwidth/trendline.ts";

const RTT_MS = 50;

/** 1 Mbit/s, of which nothing is known but that no queue grew a moment ago. */
function steadyRate(): RateControl {
  const rate = new RateControl(1_000_000, 50_000, 100_000_000);
  rate.update(QUEUE.steady, 0, 0, RTT_MS, false, 0);
  return rate;
}

Deno.test("RateControl is raised at once to most of what clearly exceeds it and makes no queue", () => {
  const rate = steadyRate();
  // A burst that came late showed too little, and an encoder needs more: it arrives all the same.
  rate.update(QUEUE.steady, 1_400_000, 1_400_000, RTT_MS, false, 100);
  assert.equal(rate.bps, 0.9 * 1_400_000);
});

Deno.test("RateControl grows slowly while what is acknowledged is near it", () => {
  const rate = steadyRate();
  rate.update(QUEUE.steady, 1_200_000, 1_200_000, RTT_MS, false, 100);
  assert.ok(rate.bps > 1_000_000 && rate.bps < 1_010_000, `${rate.bps}`);
});

Deno.test("RateControl believes nothing of what exceeds it while the queue grows or drains", () => {
  const draining = steadyRate();
  draining.update(QUEUE.drains, 1_400_000, 1_400_000, RTT_MS, false, 100);
  assert.equal(draining.bps, 1_000_000);
  const growing = steadyRate();
  growing.update(QUEUE.grows, 1_400_000, 1_400_000, RTT_MS, false, 100);
  assert.ok(growing.bps <= 1_000_000, `${growing.bps}`);
});

const PATH_BPS = 1_000_000;

/** The rate 5 s after the queue grew, having done something else since; what fits is acknowledged. */
function rateAfterGrowth(queue: QueueTrend): number {
  const rate = new RateControl(1.2 * PATH_BPS, 50_000, 100_000_000);
  rate.update(QUEUE.grows, PATH_BPS, PATH_BPS, RTT_MS, false, 0);
  for (let now = 50; now <= 5_000; now += 50) {
    const acked = Math.min(rate.bps, PATH_BPS);
    rate.update(queue, acked, acked, RTT_MS, false, now);
  }
  return rate.bps;
}

Deno.test("RateControl forgets where the queue grew once it is somebody else's", () => {
  const [near, free] = [rateAfterGrowth(QUEUE.steady), rateAfterGrowth(QUEUE.others)];
  assert.ok(near < 1.18 * PATH_BPS && free > 1.22 * PATH_BPS, `${near}, ${free}`);
});
