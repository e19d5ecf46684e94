/** The list of scenarios itself, and that every test of this folder stands in it. */
import assert from "node:assert/strict";
import { OPEN_SCENARIOS } from "./open_scenarios.ts";
import { SCENARIOS, testNames } from "./scenarios.ts";

const FOLDER = new URL("./", import.meta.url);

Deno.test("SCENARIOS names every scenario once", () => {
  const names = SCENARIOS.flatMap(testNames);
  assert.deepEqual(names.filter((name, at) => names.indexOf(name) !== at), []);
});

Deno.test("every other test of this folder is registered as a scenario, which checks its name", async () => {
  const own = new Set(["names_test.ts", "support.ts"]);
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!name.endsWith(".ts") || own.has(name)) continue;
    const text = await Deno.readTextFile(new URL(name, FOLDER));
    assert.doesNotMatch(text, /Deno\.test\(/, name);
  }
});

Deno.test("no scenario is registered in two places", async () => {
  const seen: string[] = [];
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!name.endsWith("_test.ts")) continue;
    const text = await Deno.readTextFile(new URL(name, FOLDER));
    for (const [, scenario] of text.matchAll(/\w*[sS]cenario\(\s*"([^"]+)"/g)) seen.push(scenario!);
  }
  assert.ok(seen.length > 0);
  assert.deepEqual(seen.filter((name, at) => seen.indexOf(name) !== at), []);
});

Deno.test("a scenario has a test, or a reason why it has none", async () => {
  let tests = "";
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!name.endsWith("_test.ts")) continue;
    tests += await Deno.readTextFile(new URL(name, FOLDER));
  }
  const without = SCENARIOS.map(({ name }) => name).filter((name) => !tests.includes(`"${name}"`));
  assert.deepEqual(without.toSorted(), Object.keys(OPEN_SCENARIOS).toSorted());
});
