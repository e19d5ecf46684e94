import assert from "node:assert/strict";
import { TextSeal } from "../../../../lib/transport/crypto/sealed_text.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const secretOf = (text: string) => new TextEncoder().encode(text);
const seal = new TextSeal(secretOf("secret"), "test", new SeededRandom(1));

Deno.test("TextSeal opens what it sealed, at its place, and shows nothing of it", () => {
  for (const text of ["", "hush", "ü".repeat(10_000)]) {
    const sealed = seal.seal(text, "room lobby");
    assert.match(sealed, /^1\.[A-Za-z0-9+/]+=*$/);
    assert.ok(text === "" || !sealed.includes(text.slice(0, 4)));
    assert.deepEqual(seal.open(sealed, "room lobby"), { ok: true, text });
    assert.notEqual(seal.seal(text, "room lobby"), sealed);
  }
});

Deno.test("TextSeal says why it opens nothing of another secret, purpose, place or version", () => {
  const sealed = seal.seal("hush", "here");
  const wrong = { ok: false, why: "it was sealed by another secret, or changed" };
  const others = [
    new TextSeal(secretOf("another"), "test", new SeededRandom(1)),
    new TextSeal(secretOf("secret"), "other", new SeededRandom(1)),
  ];
  for (const other of others) assert.deepEqual(other.open(sealed, "here"), wrong);
  assert.deepEqual(seal.open(sealed, "there"), wrong);
  assert.deepEqual(seal.open(sealed.replace(/^1/, "2"), "here"), {
    ok: false,
    why: "it was sealed by another version",
  });
  assert.deepEqual(seal.open("1.AAAA", "here"), { ok: false, why: "it was cut" });
  assert.deepEqual(seal.open('{"room":{}}', "here"), { ok: false, why: "it is not sealed" });
});

Deno.test("TextSeal opens nothing that was changed anywhere, and throws at nothing", () => {
  const random = new SeededRandom(7);
  const sealed = seal.seal("a text of some length", "here");
  for (let i = 0; i < 2_000; i++) {
    const at = random.uint32() % sealed.length;
    const sign = String.fromCharCode(random.uint32() % 128);
    const changed = sealed.slice(0, at) + sign + sealed.slice(at + random.uint32() % 3);
    const opened = seal.open(changed, "here");
    // The last bits of base64 may be said in several ways.
    assert.ok(!opened.ok || opened.text === "a text of some length", changed);
  }
  for (let i = 0; i < 2_000; i++) {
    const noise = String.fromCharCode(...random.bytes(random.uint32() % 100));
    assert.equal(seal.open(noise, "here").ok, false);
    assert.equal(seal.open(`1.${random.bytes(random.uint32() % 100).toBase64()}`, "").ok, false);
  }
});
