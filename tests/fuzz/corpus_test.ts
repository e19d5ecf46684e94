import assert from "node:assert/strict";
import { readCorpus } from "./guided/corpus_files.ts";
import { PARSER_TARGETS } from "./guided/parser_targets.ts";

/** Of the whole corpus: it is a sample and no archive. */
const MAX_CORPUS_BYTES = 400_000;

for (const [name, take] of Object.entries(PARSER_TARGETS)) {
  Deno.test(`the parser "${name}" keeps its promise on each input that is kept`, () => {
    const inputs = readCorpus(name);
    assert.ok(inputs.length > 0, "deno task fuzz finds some");
    for (const input of inputs) take(input);
  });
}

Deno.test("the corpus is small, and nothing in it is of no parser", () => {
  const folder = new URL("corpus/", import.meta.url);
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
  assert.deepEqual(files.filter((name) => !(name.replace(/\.txt$/, "") in PARSER_TARGETS)), []);
  const sizes = files.map((name) => Deno.statSync(new URL(name, folder)).size);
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < MAX_CORPUS_BYTES);
});
