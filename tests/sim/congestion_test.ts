/**
 * The cases of RFC 8867, and those of an SFU, on virtual time with their gates; `deno task bench
 * --only=congestion` runs the same ones with more seeds.
 *
 * @module
 */
import assert from "node:assert/strict";
import { RFC8867_CASES } from "../../bench/congestion/rfc8867_cases.ts";
import { fecRow } from "../../bench/congestion/fec_table.ts";
import { SFU_CASES } from "../../bench/congestion/sfu_cases.ts";

const SEED = 1;

for (const { name, title, run } of [...RFC8867_CASES, ...SFU_CASES]) {
  Deno.test(`congestion: ${name}, ${title}: all gates hold`, () => {
    const { gates } = run(SEED);
    assert.ok(gates.length > 0);
    const failed = gates.filter(({ holds }) => !holds);
    assert.deepEqual(failed.map(({ what, value, limit }) => `${what}: ${value}, ${limit}`), []);
  });
}

for (
  const [loss, rttMs] of [[0.02, 150], [0.02, 300], [0.05, 150], [0.05, 300], [0.1, 150], [
    0.1,
    300,
  ]] as const
) {
  for (const bps of [450_000, 1_700_000]) {
    Deno.test(`repair in advance: ${loss * 100} % of loss, ${rttMs} ms, ${bps / 1_000} kbit/s: pictures are less late`, () => {
      const { isUsed, without, withRepair } = fecRow(loss, rttMs, bps, [SEED]);
      assert.ok(isUsed);
      const seen = JSON.stringify({ without, withRepair });
      assert.ok(withRepair.p95Ms < without.p95Ms * 0.95, seen);
      assert.ok(withRepair.p50Ms <= without.p50Ms * 0.7, seen);
      assert.ok(withRepair.repair < 0.45, seen);
    });
  }
}
