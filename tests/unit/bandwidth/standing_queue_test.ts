import assert from "node:assert/strict";
import { OveruseGrace } from "../../../lib/bandwidth/overuse_grace.ts";
import { StandingQueue } from "../../../lib/bandwidth/standing_queue.ts";

const CAPACITY = 2_000_000;

/**
 * Sends 0.5 Mbit/s, or what a trial allows, into a queue.
 *
 * @param next The queue after 50 ms in which `sentBps` was sent.
 */
function run(seconds: number, next: (queueMs: number, sentBps: number) => number): StandingQueue {
  const queue = new StandingQueue();
  let queueMs = 300;
  for (let now = 0; now < seconds * 1_000; now += 50) {
    const sentBps = queue.isTrial ? CAPACITY * queue.share : CAPACITY;
    queue.sent(sentBps * 50 / 8_000);
    queueMs = next(queueMs, sentBps);
    queue.update(queueMs, sentBps, CAPACITY, false, now);
    if (queue.isOthers) break;
  }
  return queue;
}

Deno.test("StandingQueue takes a queue for somebody else's that stays though less is sent", () => {
  const queue = run(10, () => 300);
  assert.equal(queue.isOthers, true);
  assert.equal(queue.isTrial, false);
});

Deno.test("StandingQueue takes a queue for ours that gets shorter with what is sent", () => {
  const alone = (queueMs: number, sentBps: number) =>
    Math.max(0, queueMs + 50 * (sentBps / CAPACITY - 1));
  assert.equal(run(10, alone).isOthers, false);
});

Deno.test("StandingQueue concludes nothing while as much is sent as before", () => {
  const queue = new StandingQueue();
  for (let now = 0; now < 20_000; now += 50) {
    queue.sent(CAPACITY * 50 / 8_000);
    queue.update(300, CAPACITY, CAPACITY, false, now);
  }
  assert.equal(queue.isOthers, false);
});

Deno.test("StandingQueue lets a burst tell whose a queue is while no less is sent, but not always", () => {
  const told = [CAPACITY, 2 * CAPACITY].map((burstBps) => {
    const queue = new StandingQueue();
    let asked = 0;
    for (let now = 0; now < 40_000 && !queue.isOthers; now += 50) {
      queue.sent(CAPACITY * 50 / 8_000);
      queue.update(300, CAPACITY, CAPACITY, false, now);
      if (!queue.needsBurst) continue;
      asked++;
      queue.burst(burstBps);
    }
    return [queue.isOthers, asked] as const;
  });
  assert.equal(told[0]![0], false, "it came no faster than what came before");
  assert.ok(told[0]![1] > 0 && told[0]![1] <= 40_000 / 50 / 3, `${told[0]![1]}`);
  assert.deepEqual(told[1], [true, 1]);
});

Deno.test("StandingQueue forgets whose a queue was once it is gone", () => {
  const queue = run(10, () => 300);
  queue.update(10, CAPACITY, CAPACITY, false, 20_000);
  assert.equal(queue.isOthers, false);
});

Deno.test("OveruseGrace lets a burst and a stall pass once, and not again at once", () => {
  const burst = new OveruseGrace();
  assert.equal(burst.isGiven(2_000_000, 1_000_000, 1_000), true);
  assert.equal(burst.isGiven(2_000_000, 1_000_000, 1_300), true);
  assert.equal(burst.isGiven(2_000_000, 1_000_000, 1_400), false);
  assert.equal(burst.isGiven(2_000_000, 1_000_000, 3_900), false);
  assert.equal(burst.isGiven(2_000_000, 1_000_000, 4_000), true);
  const stall = new OveruseGrace();
  stall.arrived(0, 50, 60);
  assert.equal(stall.isGiven(500_000, 1_000_000, 60), false);
  stall.arrived(20, 370, 380);
  assert.equal(stall.isGiven(500_000, 1_000_000, 380), true);
});

Deno.test("OveruseGrace takes a pause of the sender for no stall", () => {
  const grace = new OveruseGrace();
  grace.arrived(0, 50, 60);
  grace.arrived(1_000, 1_060, 1_070);
  assert.equal(grace.isGiven(500_000, 1_000_000, 1_070), false);
});
