/**
 * The cases of RFC 8867, and those of an SFU, on virtual time with their gates; `deno task bench
 * --only=congestion` runs the same ones with more seeds.
 *
 * @module
 */
import assert from "node:assert/strict";
import { RFC8867_CASES } from "../../bench/congestion/rfc8867_cases.ts";
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
