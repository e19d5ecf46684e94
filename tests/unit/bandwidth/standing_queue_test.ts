import assert from "node:assert/strict";
import { OveruseGrace } from "../../../lib/bandwidth/overuse_grace.ts";
import { StandingQueue } from "../../../lib/bandwidth/standing_queue.ts";

const CAPACITY = 2_000_000;
const STEP_MS = 50;
const bytesOf = (bps: number) => bps * STEP_MS / 8_000;

/**
 * Sends 2 Mbit/s, or what a trial allows, into a queue of 300 ms.
 *
 * @param next The queue after 50 ms in which `sentBps` was sent.
 */
function run(seconds: number, next: (queueMs: number, sentBps: number) => number): StandingQueue {
  const queue = new StandingQueue();
  const waiting = Array.from({ length: 300 / STEP_MS }, () => CAPACITY);
  let queueMs = 300;
  for (let now = 0; now < seconds * 1_000; now += STEP_MS) {
    const sentBps = queue.isTrial ? CAPACITY * queue.share : CAPACITY;
    queue.sent(bytesOf(sentBps));
    waiting.push(sentBps);
    queue.arrived(bytesOf(waiting.shift()!));
    queueMs = next(queueMs, sentBps);
    queue.update(queueMs, sentBps, false, now);
    if (queue.isOthers) break;
  }
  return queue;
}

/**
 * Sends and receives `bps` whatever is tried, beside a queue of 300 ms that stays.
 *
 * @param burst Called where a burst is asked for, with the number of the trial.
 */
function unable(
  seconds: number,
  bps: number,
  burst?: (queue: StandingQueue, trial: number) => void,
) {
  const queue = new StandingQueue();
  let trial = 0;
  let wasAsked = false;
  for (let now = 0; now < seconds * 1_000 && !queue.isOthers; now += STEP_MS) {
    queue.sent(bytesOf(bps));
    queue.arrived(bytesOf(bps));
    queue.update(300, bps, false, now);
    if (queue.needsBurst && !wasAsked) trial++;
    wasAsked = queue.needsBurst;
    if (wasAsked) burst?.(queue, trial);
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
    Math.max(0, queueMs + STEP_MS * (sentBps / CAPACITY - 1));
  assert.equal(run(10, alone).isOthers, false);
});

Deno.test("StandingQueue concludes nothing while as much is sent as before", () => {
  assert.equal(unable(20, CAPACITY).isOthers, false);
});

Deno.test("StandingQueue concludes nothing while more is sent than arrives, however much less than before", () => {
  // The path has become sixty times slower: what is sent as it always was fills it.
  const queue = new StandingQueue();
  const slowBps = CAPACITY / 60;
  for (let now = 0; now < 20_000; now += STEP_MS) {
    queue.sent(bytesOf(Math.max(slowBps * 1.1, CAPACITY * 0.5 * 0.8 ** (now / STEP_MS))));
    queue.arrived(bytesOf(slowBps));
    queue.update(300, slowBps, true, now);
  }
  assert.equal(queue.isOthers, false);
});

Deno.test("StandingQueue lets bursts tell whose a queue is while no less is sent, but not always", () => {
  let asked = 0;
  const slow = unable(40, CAPACITY, (queue) => {
    asked++;
    queue.burst(CAPACITY);
  });
  assert.equal(slow.isOthers, false, "they came no faster than what came before");
  assert.ok(asked > 0 && asked <= 40_000 / STEP_MS / 3, `${asked}`);
  const decided: boolean[] = [];
  const fast = unable(40, CAPACITY, (queue) => decided.push(queue.burst(2 * CAPACITY)));
  assert.equal(fast.isOthers, true);
  assert.deepEqual(decided, [false, true]);
});

Deno.test("StandingQueue believes no burst that the next one does not confirm", () => {
  let trials = 0;
  const queue = unable(120, CAPACITY, (queue, trial) => {
    trials = trial;
    queue.burst(trial % 2 === 1 ? 2 * CAPACITY : CAPACITY);
  });
  assert.equal(queue.isOthers, false);
  assert.ok(trials >= 10, `${trials}`);
});

Deno.test("StandingQueue takes back what bursts said once the queue is half as long again", () => {
  const queue = unable(40, CAPACITY, (queue) => queue.burst(2 * CAPACITY));
  queue.update(400, CAPACITY, false, 40_000);
  assert.equal(queue.isOthers, true);
  queue.update(460, CAPACITY, false, 40_050);
  assert.equal(queue.isOthers, false);
  assert.equal(queue.isTrial, true, "what is sent less tells");
});

Deno.test("StandingQueue keeps what a trial has shown, however long the queue becomes", () => {
  const queue = run(10, () => 300);
  queue.update(900, CAPACITY, false, 20_000);
  assert.equal(queue.isOthers, true);
});

Deno.test("StandingQueue forgets whose a queue was once it is gone", () => {
  const queue = run(10, () => 300);
  queue.update(10, CAPACITY, false, 20_000);
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
