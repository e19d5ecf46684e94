import assert from "node:assert/strict";
import fc from "fast-check";
import {
  columnsOf,
  fitted,
  harmless,
  harmlessJson,
} from "../../../../lib/server/top/terminal_text.ts";

Deno.test("harmless() leaves nothing that a terminal obeys, or that turns text around", () => {
  for (
    const hostile of [
      "\u001b[2J",
      "\u001b]0;title\u0007",
      "\u009b31m",
      "a\rb",
      "a\nb",
      "a\tb",
      "\u0000",
      "\u007f",
      "\u202eevil",
      "\u2066x\u2069",
      "\u2028",
      "\ufeff",
      "\u{e0041}",
      "\ud800",
    ]
  ) {
    const shown = harmless(hostile);
    assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(shown), JSON.stringify(shown));
    assert.ok(shown.includes("\ufffd"), "something stands in its place");
  }
  assert.equal(harmless("Ann – Zoë 李 👍"), "Ann – Zoë 李 👍");
  assert.equal(harmless("👩\u200d💻"), "👩💻", "what joins pictures is no harm and no column");
});

Deno.test("columnsOf() counts wide characters twice and marks not at all", () => {
  assert.deepEqual(["abc", "李さん", "e\u0301", "👍", "ｗ", ""].map(columnsOf), [3, 6, 1, 2, 2, 0]);
});

Deno.test("a tower of marks stays in its line", () => {
  const tower = `a${"\u0301".repeat(50)}b`;
  assert.equal(harmless(tower), "a\u0301\u0301b");
  assert.equal(harmless("\u0301\u0301a"), "a", "marks of nothing are nothing");
});

Deno.test("fitted() fills and cuts, and never splits a wide character", () => {
  assert.equal(fitted("ab", 4), "ab  ");
  assert.equal(fitted("ab", 4, "right"), "  ab");
  assert.equal(fitted("abcdef", 4), "abc…");
  assert.equal(fitted("李李李", 4), "李… ");
  assert.equal(fitted("李", 1), "…");
  assert.equal(fitted("abc", 0), "");
});

Deno.test("fitted() takes exactly its columns, whatever the text", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 30 }), fc.boolean(), (given, columns, isRight) => {
      const shown = fitted(given, columns, isRight ? "right" : "left");
      assert.equal(columnsOf(shown), columns);
      assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}]/u.test(shown));
    }),
    { seed: 11, numRuns: 2_000 },
  );
});

Deno.test("harmlessJson() is the same value, in lines, with nothing that a terminal obeys", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(
    fc.property(fc.dictionary(text, text), (given) => {
      const json = JSON.stringify(given, null, 1);
      const shown = harmlessJson(json);
      assert.deepEqual(JSON.parse(shown), JSON.parse(json));
      assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}]/u.test(shown.replaceAll("\n", "")));
      assert.equal(shown.split("\n").length, json.split("\n").length);
    }),
    { seed: 11, numRuns: 2_000 },
  );
  assert.equal(harmlessJson('"\u009b31m\u{e0041}é"'), '"\\u009b31m\\udb40\\udc41é"');
});
