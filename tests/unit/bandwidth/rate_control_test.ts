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
const STEP_MS = 50;

/** A rate that was lowered once, as the queue of a path of {@linkcode PATH_BPS} grew. */
function lowered(): RateControl {
  const rate = new RateControl(1.2 * PATH_BPS, 30_000, 5 * PATH_BPS);
  rate.update(QUEUE.grows, PATH_BPS, PATH_BPS, RTT_MS, false, 0);
  return rate;
}

/** Ten seconds in which all that is sent comes, up to a rate. */
function pass(rate: RateControl, queue: QueueTrend, mostBps: number): void {
  for (let now = STEP_MS; now <= 10_000; now += STEP_MS) {
    const acked = Math.min(rate.bps, mostBps);
    rate.update(queue, acked, acked, RTT_MS, false, now);
  }
}

Deno.test("RateControl grows no further with a queue that stands near where it grew", () => {
  const rate = lowered();
  pass(rate, QUEUE.stands, PATH_BPS);
  assert.ok(rate.bps <= 1.06 * PATH_BPS, `${rate.bps}`);
  assert.equal(rate.isCapped, false, "what there is to send is not what ends growth");
  const empties = lowered();
  pass(empties, QUEUE.steady, PATH_BPS);
  assert.ok(empties.bps > 1.1 * PATH_BPS, `${empties.bps}`);
});

Deno.test("RateControl grows beside a queue that stands while all that is sent comes", () => {
  const rate = lowered();
  pass(rate, QUEUE.stands, 5 * PATH_BPS);
  assert.ok(rate.bps > 1.3 * PATH_BPS, `${rate.bps}`);
});

Deno.test("RateControl grows beside a queue that stands where none has ever grown", () => {
  const rate = new RateControl(PATH_BPS, 30_000, 5 * PATH_BPS);
  pass(rate, QUEUE.stands, 5 * PATH_BPS);
  assert.ok(rate.bps > 2 * PATH_BPS, `${rate.bps}`);
});

Deno.test("RateControl forgets where the queue grew once it is somebody else's", () => {
  const rate = lowered();
  pass(rate, QUEUE.others, 5 * PATH_BPS);
  assert.ok(rate.bps > 1.5 * PATH_BPS, `${rate.bps}`);
});

Deno.test("RateControl falls less deep for who follows each figure than for whole layers", () => {
  const fallen = (isLimited: boolean) => {
    const rate = new RateControl(1.2 * PATH_BPS, 30_000, 5 * PATH_BPS);
    rate.update(QUEUE.grows, PATH_BPS, PATH_BPS, RTT_MS, isLimited, 0);
    return rate.bps / PATH_BPS;
  };
  assert.equal(fallen(true), 0.85);
  assert.ok(fallen(false) > 0.9 && fallen(false) < 0.92, `${fallen(false)}`);
});
