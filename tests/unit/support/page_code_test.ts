import assert from "node:assert/strict";
import { codeOf, fileNameOf } from "../../support/process/page_code.ts";

Deno.test("codeOf() reads blocks with their places, and how to run them", () => {
  const page = [
    "# T",
    "```sh",
    "one",
    "```",
    '```sh serves not-run="a b"',
    "two",
    "",
    "three",
    "```",
    "- x",
    "  ```js browser",
    "  four",
    "  ```",
  ].join("\n");
  const blocks = codeOf("p.md", page);
  assert.deepEqual(
    blocks.map(({ line, language, text }) => [line, language, text]),
    [[2, "sh", "one"], [5, "sh", "two\n\nthree"], [11, "js", "four"]],
  );
  assert.deepEqual(blocks[1], {
    page: "p.md",
    line: 5,
    language: "sh",
    text: "two\n\nthree",
    serves: true,
    inBrowser: false,
    notRun: "a b",
  });
  assert.equal(blocks[2]!.inBrowser, true);
});

Deno.test("codeOf() refuses words that mean nothing, and blocks without an end", () => {
  assert.throws(() => codeOf("p.md", "```sh not-run\nx\n```"), /p\.md:1: what does " not-run"/);
  assert.throws(() => codeOf("p.md", "```sh serve\nx\n```"), /what does/);
  assert.throws(() => codeOf("p.md", "```sh\nx\n"), /no end/);
});

Deno.test("fileNameOf() is the name in the first line's comment", () => {
  const [named, other] = codeOf(
    "p.md",
    "```yaml\n# a_b.yaml\nx: 1\n```\n```yaml\nx: 1\n# c.yaml\n```",
  );
  assert.deepEqual([fileNameOf(named!), fileNameOf(other!)], ["a_b.yaml", undefined]);
});
