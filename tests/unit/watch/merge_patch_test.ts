import assert from "node:assert/strict";
import fc from "fast-check";
import { applyMergePatch, type JsonObject, mergePatch } from "../../../lib/watch/merge_patch.ts";

Deno.test("mergePatch() says what is other, new and gone, and nothing of what is the same", () => {
  const before = { a: 1, b: { c: 2, d: "x" }, e: { f: 1 }, g: true };
  const after = { a: 1, b: { c: 3, d: "x" }, h: { i: "new" }, g: { now: "an object" } };
  const patch = { e: null, b: { c: 3 }, h: { i: "new" }, g: { now: "an object" } };
  assert.deepEqual(mergePatch(before, after), patch);
  assert.deepEqual(applyMergePatch(before, patch), after);
  assert.equal(mergePatch(after, structuredClone(after)), undefined);
});

Deno.test("mergePatch() takes a member without a value for one that is not there", () => {
  assert.equal(mergePatch({ a: undefined }, {}), undefined);
  assert.equal(mergePatch({}, { a: undefined }), undefined);
  assert.deepEqual(mergePatch({ a: 1 }, { a: undefined }), { a: null });
});

Deno.test("applyMergePatch() does what RFC 7396 says in its appendix", () => {
  for (
    const [target, patch, result] of [
      [{ a: "b" }, { a: "c" }, { a: "c" }],
      [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
      [{ a: "b" }, { a: null }, {}],
      [{ a: ["b"] }, { a: "c" }, { a: "c" }],
      [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
      [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
      [["a", "b"], ["c", "d"], ["c", "d"]],
      [{ a: "foo" }, "bar", "bar"],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ]
  ) assert.deepEqual(applyMergePatch(target, patch), result, JSON.stringify(patch));
});

Deno.test("names that objects inherit are members like any other", () => {
  const hostile = JSON.parse('{"__proto__": {"x": 1}, "constructor": {"prototype": {"y": 1}}}');
  assert.deepEqual(applyMergePatch({}, mergePatch({}, hostile)), hostile);
  assert.equal(({} as Record<string, unknown>).x, undefined);
  assert.deepEqual(mergePatch(hostile, {}), JSON.parse('{"__proto__": null, "constructor": null}'));
});

Deno.test("a patch that goes too deep ends where nothing would end otherwise", () => {
  const patch = Array.from({ length: 5_000 }).reduce<object>((inner) => ({ a: inner }), {});
  assert.doesNotThrow(() => applyMergePatch({}, patch));
});

Deno.test("whatever the states, the patch of two makes the second of the first", () => {
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean());
  const state = fc.letrec<{ object: JsonObject; value: unknown }>((tie) => ({
    object: fc.dictionary(fc.string({ maxLength: 2 }), tie("value"), { maxKeys: 4 }),
    value: fc.oneof({ depthSize: "small" }, leaf, tie("object")),
  })).object;
  fc.assert(
    fc.property(state, state, (before, after) => {
      const patch = mergePatch(before, after);
      const made = patch === undefined ? before : applyMergePatch(before, patch);
      assert.equal(canonical(made), canonical(after));
    }),
    { seed: 7, numRuns: 500 },
  );
});

/** Text of a value that does not depend on the order of members. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${
    members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()
  }}`;
}
