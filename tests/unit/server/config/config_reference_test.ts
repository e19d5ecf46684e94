import assert from "node:assert/strict";
import { configReference } from "../../../../lib/server/config/config_reference.ts";
import { keysInEffect } from "../../../../lib/server/keys_in_effect.ts";

const PAGE = new URL("../../../../docs/configuration.md", import.meta.url);

/** Formatting of tables and line breaks is the formatter's business. */
function words(markdown: string): string {
  return markdown.replaceAll(/[\s|-]+/g, " ").trim();
}

Deno.test("docs/configuration.md is what the schema says (`deno task docs` writes it)", async () => {
  assert.equal(words(await Deno.readTextFile(PAGE)), words(configReference(keysInEffect())));
});
