import assert from "node:assert/strict";
import { OfferCycle } from "../../../lib/negotiation/offer_cycle.ts";

Deno.test("OfferCycle.request() waits 10 ms after a quiet time and shares the offer", () => {
  const cycle = new OfferCycle(7);
  assert.equal(cycle.nextWakeAt(), undefined);
  cycle.request(1000);
  cycle.request(1009);
  assert.equal(cycle.nextWakeAt(), 1010);
  assert.equal(cycle.due(1009), undefined);
  assert.equal(cycle.due(1010), "offer");
  assert.equal(cycle.offerSent(1010), 7);
  assert.equal(cycle.due(1010), undefined);
});

Deno.test("OfferCycle.request() keeps 150 ms between offers nobody forces", () => {
  const cycle = new OfferCycle(1);
  cycle.request(0, true);
  cycle.offerSent(0);
  assert.equal(cycle.answered(50, 1), "expected");
  cycle.request(150);
  assert.equal(cycle.nextWakeAt(), 300);
  cycle.request(160, true);
  assert.equal(cycle.due(160), "offer");
});

Deno.test("OfferCycle.request() while waiting moves to retry and offers when the answer comes", () => {
  const cycle = new OfferCycle(1);
  cycle.request(0, true);
  cycle.offerSent(0);
  assert.equal(cycle.state, "remote");
  cycle.request(1);
  cycle.request(2, true);
  assert.equal(cycle.state, "retry");
  assert.equal(cycle.due(100), undefined);
  assert.equal(cycle.answered(100, 1), "expected");
  assert.equal(cycle.state, "none");
  assert.equal(cycle.due(100), "offer");
  assert.equal(cycle.offerSent(100), 2);
  assert.equal(cycle.answered(120, 2), "expected");
  assert.equal(cycle.nextWakeAt(), undefined);
});

Deno.test("OfferCycle.due() says failed exactly once, 15 s after an unanswered offer", () => {
  const cycle = new OfferCycle(1);
  cycle.request(0, true);
  cycle.offerSent(0);
  assert.equal(cycle.nextWakeAt(), 15_000);
  assert.equal(cycle.due(14_999), undefined);
  assert.equal(cycle.due(15_000), "failed");
  assert.equal(cycle.due(15_001), undefined);
  assert.equal(cycle.nextWakeAt(), undefined);
});

Deno.test("OfferCycle.answered() refuses an answer to no offer, accepts a missing or odd id", () => {
  const cycle = new OfferCycle(5);
  assert.equal(cycle.answered(0, 5), "unexpected");
  cycle.offerSent(0);
  assert.equal(cycle.answered(1, 0), "expected");
  cycle.offerSent(2);
  assert.equal(cycle.answered(3, 99), "other_id");
  assert.equal(cycle.state, "none");
});

Deno.test("OfferCycle.restart() gives the lost offer up; its late answer is stale", () => {
  const cycle = new OfferCycle(5);
  cycle.offerSent(0);
  cycle.restart(100);
  assert.equal(cycle.due(100), "offer");
  assert.equal(cycle.offerSent(100), 6);
  assert.equal(cycle.answered(101, 5), "stale");
  assert.equal(cycle.state, "remote");
  assert.equal(cycle.answered(102, 6), "expected");
});

Deno.test("OfferCycle.due() follows changes in a loop twice a second in the long run, and at once again later", () => {
  const cycle = new OfferCycle(1);
  const offersWithin = (from: number, to: number) => {
    let offers = 0;
    for (let now = from; now < to; now++) {
      cycle.request(now);
      if (cycle.due(now) !== "offer") continue;
      offers++;
      const id = cycle.offerSent(now);
      cycle.request(now);
      cycle.answered(now, id);
    }
    return offers;
  };
  const first = offersWithin(0, 1_000);
  assert.ok(first >= 30 && first <= 32, `${first} offers`);
  assert.equal(offersWithin(1_000, 11_000), 20);
  cycle.request(11_000, true);
  assert.equal(cycle.due(11_000), "offer", "one that is forced does not wait");
  cycle.answered(11_000, cycle.offerSent(11_000));
  const later = offersWithin(30_000, 31_000);
  assert.ok(later >= 30 && later <= 32, `${later} offers`);
});
