/**
 * What a program can find of WCAG 2.2 AA in a page as it is now.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const AXE = new URL(import.meta.resolve("axe-core"));
const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What is wrong, each with where. */
export async function violations(page: Page): Promise<string[]> {
  if (!await page.evaluate("'axe' in globalThis")) {
    await page.evaluate(await Deno.readTextFile(AXE));
  }
  // A text that fades in has another contrast.
  await page.evaluate("Promise.all(document.getAnimations().map(({ finished }) => finished))");
  const options = JSON.stringify({ runOnly: LEVELS, resultTypes: ["violations"] });
  const results = await page.evaluate<AxeResults>(`axe.run(document, ${options})`);
  assert.ok(results.passes.length > 10, "it has looked");
  return results.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target }) => `${id}: ${help}: ${target.join(" ")}`)
  );
}
