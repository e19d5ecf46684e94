import assert from "node:assert/strict";
import { ProbePlan } from "../../../lib/bandwidth/probe_plan.ts";

const WANTED_BPS = 2_600_000;

/** Probes of one path, with time enough between two of them. */
function probes(estimateBps: number) {
  const plan = new ProbePlan();
  let now = 0;
  /** Makes one, of which so much was carried. @returns How long it is, ms. */
  return (carriedBps: number) => {
    now += 30_000;
    plan.plan(estimateBps, estimateBps, 0, WANTED_BPS, WANTED_BPS, 50e6, now);
    const { bytes, bps } = plan.probe!;
    plan.left();
    plan.ended(carriedBps, 50, true, true, false, now + 100);
    return Math.round(bytes * 8_000 / bps);
  };
}

Deno.test("ProbePlan makes bursts longer while they show less than was carried before", () => {
  const probe = probes(2_000_000);
  assert.equal(probe(1_000_000), 20);
  assert.equal(probe(1_700_000), 40);
  // 56 % above the estimate: in 71 ms 40 ms more come in than a path of that rate carries.
  assert.equal(probe(1_000_000), 71);
  assert.equal(probe(2_000_000), 71, "what the estimate says is neither doubtful nor more");
  assert.equal(probe(0), 71, "nothing was shown");
  assert.equal(probe(3_000_000), 71);
  assert.equal(probe(2_000_000), 20, "one was carried");
});

Deno.test("ProbePlan keeps bursts short where a few packets are a queue", () => {
  const probe = probes(500_000);
  for (let i = 0; i < 5; i++) assert.equal(probe(100_000), 20);
});

Deno.test("ProbePlan aims so far above the next step, and so much above what was carried, as it is told", () => {
  const aimedAt = (nextBps: number, goals?: { overage: number; minStepBps: number }) => {
    const plan = new ProbePlan(goals);
    plan.plan(1_000_000, 1_000_000, 0, nextBps, 9e6, 50e6, 0);
    plan.left();
    // In vain, and on a path that loses something: what follows is no climb.
    plan.ended(1_000_000, 50, true, false, false, 100);
    plan.plan(1_000_000, 1_000_000, 0, nextBps, 9e6, 50e6, 10_000);
    return plan.targetBps;
  };
  assert.equal(aimedAt(1_400_000), 1_680_000);
  assert.equal(aimedAt(1_150_000), 1_380_000);
  assert.equal(aimedAt(1_400_000, { overage: 1, minStepBps: 200_000 }), 1_400_000);
  assert.equal(aimedAt(1_400_000, { overage: 1, minStepBps: 700_000 }), 1_700_000);
  assert.equal(aimedAt(1_400_000, { overage: 9, minStepBps: 0 }), 2_000_000, "twice the estimate");
});

Deno.test("ProbePlan looks for nothing where all that is wanted is there, however long nothing moves", () => {
  const planned = (estimateBps: number, nextBps: number) => {
    const plan = new ProbePlan();
    plan.plan(estimateBps, 2_000_000, 0, nextBps, WANTED_BPS, 50e6, 0);
    plan.left();
    plan.ended(2_000_000, 50, true, true, false, 100);
    let probes = 0;
    for (let now = 1_000; now < 60_000; now += 250) {
      plan.plan(estimateBps, 2_000_000, 0, nextBps, WANTED_BPS, 50e6, now);
      if (plan.probe === undefined) continue;
      probes++;
      plan.left();
      plan.ended(2_000_000, 50, true, true, false, now + 100);
    }
    return probes;
  };
  assert.equal(planned(WANTED_BPS, 0), 0);
  assert.ok(planned(WANTED_BPS - 1, 0) >= 3);
  assert.ok(planned(WANTED_BPS, WANTED_BPS) >= 3);
});

Deno.test("ProbePlan lets a second burst follow at once where only that one is believed", () => {
  for (const isAsked of [true, false]) {
    const plan = new ProbePlan();
    const planAt = (now: number) => {
      plan.plan(450_000, 450_000, 0, WANTED_BPS, WANTED_BPS, 50e6, now);
      return plan.probe !== undefined;
    };
    planAt(0);
    plan.left();
    // On a path that loses something, at a round trip of 800 ms.
    plan.ended(900_000, 800, true, false, false, 1_000);
    if (isAsked) plan.confirm(1_000);
    assert.equal(planAt(1_020), isAsked);
    assert.equal(planAt(1_950), true);
  }
});
