import assert from "node:assert/strict";
import { ProvenRate } from "../../../lib/bandwidth/proven_rate.ts";

const ESTIMATE_BPS = 450_000;
const RTT_MS = 50;

Deno.test("ProvenRate believes a burst that leaps above the estimate once a second one has shown it", () => {
  const rate = new ProvenRate();
  assert.equal(rate.probed(1_100_000, ESTIMATE_BPS, RTT_MS, 0), ESTIMATE_BPS * 1.3);
  assert.equal(rate.probed(1_000_000, ESTIMATE_BPS * 1.3, RTT_MS, 200), 1_000_000);
});

Deno.test("ProvenRate drops what the next burst does not show", () => {
  const rate = new ProvenRate();
  rate.probed(1_100_000, ESTIMATE_BPS, RTT_MS, 0);
  assert.equal(rate.probed(400_000, ESTIMATE_BPS, RTT_MS, 200), 400_000);
  assert.equal(rate.probed(1_100_000, ESTIMATE_BPS, RTT_MS, 400), ESTIMATE_BPS * 1.3);
});

Deno.test("ProvenRate takes no burst for confirmed by one of long ago, nor on another path", () => {
  const rate = new ProvenRate();
  rate.probed(1_100_000, ESTIMATE_BPS, RTT_MS, 0);
  assert.equal(rate.probed(1_100_000, ESTIMATE_BPS, RTT_MS, 5_000), ESTIMATE_BPS * 1.3);
  rate.clear();
  assert.equal(rate.probed(1_100_000, ESTIMATE_BPS, RTT_MS, 5_200), ESTIMATE_BPS * 1.3);
});

Deno.test("ProvenRate believes a burst at once that shows little more, or less, than the estimate", () => {
  const rate = new ProvenRate();
  assert.equal(rate.probed(500_000, ESTIMATE_BPS, RTT_MS, 0), 500_000);
  assert.equal(rate.probed(300_000, ESTIMATE_BPS, RTT_MS, 200), 300_000);
});

Deno.test("ProvenRate waits for a second burst by the round trip, in which the first one is not known yet", () => {
  for (const [rttMs, isConfirmed] of [[-1, false], [50, false], [600, true]] as const) {
    const rate = new ProvenRate();
    rate.probed(1_100_000, ESTIMATE_BPS, rttMs, 0);
    const bps = rate.probed(1_100_000, ESTIMATE_BPS, rttMs, 2_000);
    assert.equal(bps, isConfirmed ? 1_100_000 : ESTIMATE_BPS * 1.3, `${rttMs} ms`);
  }
  // Whatever a broken clock says, not for ever.
  const rate = new ProvenRate();
  rate.probed(1_100_000, ESTIMATE_BPS, Infinity, 0);
  assert.equal(rate.probed(1_100_000, ESTIMATE_BPS, Infinity, 4_500), ESTIMATE_BPS * 1.3);
});
