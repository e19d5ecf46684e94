import assert from "node:assert/strict";
import { RemoteEstimate } from "../../../lib/bandwidth/remote_estimate.ts";

Deno.test("RemoteEstimate gives the newest REMB until it is five seconds old", () => {
  const estimate = new RemoteEstimate();
  assert.equal(estimate.bitrateBps(0), undefined);
  estimate.receiveRemb(800_000, 1000);
  estimate.receiveRemb(600_000, 2000);
  assert.equal(estimate.bitrateBps(7000), 600_000);
  assert.equal(estimate.bitrateBps(7001), undefined);
});

Deno.test("RemoteEstimate smooths loss, and starts afresh after silence", () => {
  const estimate = new RemoteEstimate();
  assert.equal(estimate.loss(0), undefined);
  estimate.receiveTransportFeedback(90, 10, undefined, 0);
  assert.equal(estimate.loss(0), 0.1);
  estimate.receiveTransportFeedback(100, 0, 500_000, 100);
  assert.ok(Math.abs(estimate.loss(100)! - 0.07) < 1e-12);
  assert.equal(estimate.bitrateBps(100), 500_000);
  estimate.receiveFractionLost(128, 20_000);
  assert.equal(estimate.loss(20_000), 0.5);
  assert.equal(estimate.loss(26_000), undefined);
});

Deno.test("RemoteEstimate ignores figures that are none", () => {
  const estimate = new RemoteEstimate();
  estimate.receiveRemb(Number.NaN, 0);
  estimate.receiveRemb(-1, 0);
  estimate.receiveTransportFeedback(0, 0, undefined, 0);
  assert.equal(estimate.bitrateBps(0), undefined);
  assert.equal(estimate.loss(0), undefined);
});
