import assert from "node:assert/strict";
import { DearValue } from "../../../lib/base/dear_value.ts";

Deno.test("DearValue gives what was made for as many times as long as making it took, up to a bound", () => {
  let nowMs = 1_000;
  const clock = { now: () => nowMs, nowUs: () => nowMs * 1000, wallMs: () => nowMs };
  const value = new DearValue<number>(clock, 10, 5_000);
  assert.equal(value.kept, undefined);
  nowMs += 30;
  assert.equal(value.made(0, 1_000_000), 0, "it took 30 ms");
  nowMs += 299;
  assert.equal(value.kept, 0);
  nowMs += 1;
  assert.equal(value.kept, undefined);
  const startedUs = nowMs * 1000;
  nowMs += 60_000;
  value.made(7, startedUs);
  nowMs += 4_999;
  assert.equal(value.kept, 7);
  nowMs += 1;
  assert.equal(value.kept, undefined, "it was stopped for a minute");
});
