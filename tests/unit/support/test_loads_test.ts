import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { KNOWN, loadOf } from "../../support/process/test_loads.ts";

Deno.test("loadOf() knows which files take long and which wait, and takes others for short ones", () => {
  assert.ok(loadOf("tests/e2e/client_matrix_test.ts").seconds > 60);
  assert.equal(loadOf("tests/e2e/client_matrix_test.ts").waits, false);
  assert.equal(loadOf("tests/e2e/consent_test.ts").waits, true);
  assert.deepEqual(loadOf("tests/e2e/new_test.ts"), { seconds: 15, waits: false });
});

Deno.test("loadOf() knows no file that is not there", () => {
  const gone = KNOWN.filter((name) =>
    !existsSync(new URL(`../../${name}_test.ts`, import.meta.url))
  );
  assert.deepEqual(gone, []);
});
