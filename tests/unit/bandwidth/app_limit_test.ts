import assert from "node:assert/strict";
import { AppLimit } from "../../../lib/bandwidth/app_limit.ts";

const STEP_MS = 10;

/** Sends at a rate that depends on the time for a while. */
function send(limit: AppLimit, fromMs: number, toMs: number, bpsAt: (now: number) => number): void {
  for (let now = fromMs; now < toMs; now += STEP_MS) {
    limit.used(bpsAt(now) * STEP_MS / 8_000, 1_000_000, now);
  }
}

Deno.test("AppLimit knows after a second and a half who stays below the estimate", () => {
  const limit = new AppLimit();
  send(limit, 0, 1_400, () => 800_000);
  assert.equal(limit.staysBelow(1_400), false, "nothing is known yet");
  send(limit, 1_400, 1_700, () => 800_000);
  assert.equal(limit.staysBelow(1_700), true);
});

Deno.test("AppLimit takes whoever follows the estimate for no such one, also behind a pause", () => {
  const limit = new AppLimit();
  // As frames of an encoder vary.
  send(limit, 0, 5_000, (now) => now % 300 < 150 ? 1_150_000 : 850_000);
  assert.equal(limit.staysBelow(5_000), false);
  send(limit, 5_000, 7_000, () => 500_000);
  assert.equal(limit.staysBelow(7_000), true);
  limit.used(100, 1_000_000, 20_000);
  assert.equal(limit.staysBelow(20_010), false, "what is sent now may be all that there is");
});

Deno.test("AppLimit knows who has not begun: what is sent besides probes is less than the least", () => {
  const limit = new AppLimit();
  send(limit, 0, 3_000, () => 40_000);
  assert.equal(limit.sends(36_000, 3_000), true);
  assert.equal(limit.sends(60_000, 3_000), false);
  assert.equal(limit.staysBelow(3_000, 36_000), true);
  assert.equal(limit.staysBelow(3_000, 60_000), false);
  assert.equal(limit.sends(1_000, 4_000), false, "nothing has been sent for a second");
});
