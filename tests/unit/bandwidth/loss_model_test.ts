import assert from "node:assert/strict";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";
import { LOSS, LossModel } from "../../../lib/bandwidth/loss_model.ts";

const MOST = 10_000_000;

/**
 * Sends at the model's rate for some seconds.
 *
 * @param isLost Whether a packet is lost, by its number and the rate it was sent at.
 */
function run(model: LossModel, seconds: number, isLost: (i: number, bps: number) => boolean): void {
  let i = 0;
  for (let now = 0; now < seconds * 1_000; now += 50) {
    const packets = Math.max(1, Math.round(model.bps * 50 / 8_000 / 1_000));
    let received = 0;
    for (let n = 0; n < packets; n++) {
      const lost = isLost(i++, model.bps);
      if (!lost) received++;
      model.add(1_000, lost, now + n * 50 / packets);
    }
    model.update(received * 8_000_000 / 50, MOST / 5, false, now);
  }
}

Deno.test("LossModel leaves the rate to the delay where nothing is lost", () => {
  const model = new LossModel(1_000_000, 30_000, MOST);
  run(model, 10, () => false);
  assert.equal(model.bps, MOST / 5);
  assert.equal(model.state, LOSS.free);
  assert.equal(model.averageLoss, 0);
});

Deno.test("LossModel takes the short way without loss to where the long one leads", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const [random, again] = [new SeededRandom(seed), new SeededRandom(seed)];
    const [short, long] = [random, again].map((draw) => {
      const model = new LossModel(1_000_000, 30_000, MOST);
      const rates: number[] = [];
      for (let now = 0; now < 20_000; now += 50) {
        const bytes = 1_000 + draw.uint32() % 20_000;
        model.add(bytes, false, now);
        // A byte in a hundred thousand keeps the likelihoods in use, and weighs nothing.
        model.add(1, draw === again, now + 25);
        const acked = draw.uint32() % 3 === 0 ? 0 : draw.uint32() % 4_000_000;
        model.update(acked, 100_000 + draw.uint32() % 3_000_000, draw.uint32() % 2 === 0, now);
        rates.push(model.bps, model.state);
      }
      return rates;
    });
    assert.deepEqual(short, long);
  }
});

Deno.test("LossModel bears loss that does not depend on what is sent", () => {
  const model = new LossModel(2_000_000, 30_000, MOST);
  run(model, 30, (i) => i % 10 === 0);
  assert.ok(model.bps > 1_200_000, `${model.bps}`);
  assert.ok(Math.abs(model.averageLoss - 0.1) < 0.02);
});

/** Sends much less than the rate allows; `share` is lost, by chance. @returns the rates. */
function sendLittle(model: LossModel, fromMs: number, toMs: number, share: number, seed: number) {
  const random = new SeededRandom(seed);
  const rates: number[] = [];
  for (let now = fromMs; now < toMs; now += 50) {
    let received = 0;
    for (let n = 0; n < 3; n++) {
      const lost = random.uint32() / 2 ** 32 < share;
      if (!lost) received++;
      model.add(1_000, lost, now + n * 15);
    }
    model.update(received * 8_000_000 / 50, MOST / 5, true, now);
    rates.push(model.bps);
  }
  return rates;
}

Deno.test("LossModel ends a fall although as much is lost as before: less would win nothing", () => {
  const model = new LossModel(1_000_000, 30_000, MOST);
  // All that is lost is too much, for a moment.
  run(model, 2, (i) => i % 3 === 0);
  assert.equal(model.state, LOSS.falling);
  sendLittle(model, 2_000, 12_000, 0.1, 1);
  assert.equal(model.state, LOSS.rising);
});

Deno.test("LossModel rises to what the delay allows once nothing is lost, also from what a probe has proven", () => {
  const model = new LossModel(1_000_000, 30_000, MOST);
  run(model, 3, (i) => i % 3 === 0);
  assert.equal(model.state, LOSS.falling);
  sendLittle(model, 3_000, 4_500, 0, 1);
  model.proven(model.bps * 1.1);
  sendLittle(model, 4_500, 19_500, 0, 1);
  assert.equal(model.bps, MOST / 5);
  assert.equal(model.state, LOSS.free);
});

Deno.test("LossModel is not lowered by loss that is more for a moment by chance", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const model = new LossModel(1_500_000, 30_000, MOST);
    const rates = sendLittle(model, 0, 60_000, 0.08, seed);
    assert.ok(Math.min(...rates) >= 1_500_000, `seed ${seed}: ${Math.min(...rates)}`);
  }
});

Deno.test("LossModel tells loss of the path's own from more", () => {
  const model = new LossModel(1_000_000, 30_000, MOST);
  assert.equal(model.isOwn(0, 20), true);
  assert.equal(model.isOwn(0.1, 20), false);
  sendLittle(model, 0, 30_000, 0.1, 1);
  assert.ok(Math.abs(model.ownLoss - 0.1) < 0.04, `${model.ownLoss}`);
  assert.equal(model.isOwn(0.15, 20), true);
  assert.equal(model.isOwn(0.35, 20), false);
});

Deno.test("LossModel finds the rate above which everything is lost", () => {
  const model = new LossModel(2_000_000, 30_000, MOST);
  let budget = 0;
  // A policer: 500 kbit/s pass, and nothing queues.
  run(model, 30, (_, bps) => {
    budget = Math.min(3, budget + 500_000 / bps);
    if (budget < 1) return true;
    budget--;
    return false;
  });
  assert.ok(model.bps > 250_000 && model.bps < 800_000, `${model.bps}`);
  assert.ok(model.isLimiting);
});

Deno.test("LossModel forgets with clear(), and takes loss back that was none", () => {
  const model = new LossModel(1_000_000, 30_000, MOST);
  run(model, 10, (i) => i % 2 === 0);
  assert.ok(model.isLimiting);
  model.clear(700_000);
  assert.equal(model.bps, 700_000);
  assert.equal(model.isLimiting, false);
  model.add(1_000, true, 0);
  model.correct(1_000);
  model.add(1_000, false, 300);
  model.update(0, 700_000, false, 300);
  assert.equal(model.averageLoss, 0);
});
