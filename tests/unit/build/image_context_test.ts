import assert from "node:assert/strict";
import { siteFiles } from "../../../build/site/site_files.ts";

const ROOT = new URL("../../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
const rules = read(".dockerignore").split("\n").filter((line) => line !== "" && !/^#/.test(line));

/** Whether an image's build sees a file: the last rule for it or for a folder above it counts. */
function isInContext(path: string): boolean {
  const parts = path.split("/");
  const places = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  let isIn = true;
  for (const rule of rules) {
    const pattern = rule.replace(/^!/, "").replaceAll(".", "\\.").replaceAll("*", "[^/]*");
    const whole = new RegExp(`^${pattern}$`);
    if (places.some((place) => whole.test(place))) isIn = rule.startsWith("!");
  }
  return isIn;
}

Deno.test("an image's build sees all that the documentation is made of, and no tests", () => {
  const needed: string[] = [];
  siteFiles((path) => {
    needed.push(path);
    return read(path);
  }, "");
  assert.ok(needed.includes("bench/README.md") && needed.includes("docs/index.md"));
  assert.deepEqual(needed.filter((path) => !isInContext(path)), []);
  for (
    const path of [
      "tests/run_tests.ts",
      "tests/support/wire/until.ts",
      "bench/main.ts",
      ".git/HEAD",
    ]
  ) {
    assert.ok(!isInContext(path), path);
  }
});
