import assert from "node:assert/strict";
import fc from "fast-check";
import { MOST_CHARACTERS, readMessage, splitLinks, unreadWords } from "../../../web/chat_text.js";

const links = (text: string) => splitLinks(text).flatMap(({ href }) => href ?? []);

Deno.test("splitLinks() finds addresses of the web and leaves the sentence around them", () => {
  assert.deepEqual(splitLinks("See https://a.example/x, or http://b.example."), [
    { text: "See " },
    { text: "https://a.example/x", href: "https://a.example/x" },
    { text: ", or " },
    { text: "http://b.example", href: "http://b.example/" },
    { text: "." },
  ]);
});

for (
  const [text, expected] of [
    ["no link at all", []],
    ["(https://a.example/b)", ["https://a.example/b"]],
    ["https://a.example/b_(c)", ["https://a.example/b_(c)"]],
    ["(see https://a.example/b_(c).)", ["https://a.example/b_(c)"]],
    ["https://a.example/?q=1&r=2#s!", ["https://a.example/?q=1&r=2#s"]],
    ["<https://a.example>", ["https://a.example/"]],
    ["HTTPS://A.example/B", ["https://a.example/B"]],
    // What runs a program, shows another's page as ours, or hides where it leads.
    ["javascript:alert(1)", []],
    ["data:text/html,x", []],
    ["jahttps://javascript:alert(1)", []],
    ["https://bank.example@evil.example/", []],
    ["https://:8080", []],
    ["https://", []],
  ] as const
) {
  Deno.test(`splitLinks() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(links(text), expected);
  });
}

Deno.test("splitLinks() loses no letter, and every link is an address of the web", () => {
  const word = fc.constantFrom(
    ..."https:// http://a.b ) ( . , @ / \n < javascript: é 😀".split(" "),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string())), (words) => {
      const text = words.join("");
      const parts = splitLinks(text);
      assert.equal(parts.map((part) => part.text).join(""), text);
      assert.ok(parts.every(({ text }) => text !== ""));
      for (const href of links(text)) assert.match(new URL(href).protocol, /^https?:$/);
    }),
    { seed: 15, numRuns: 1000 },
  );
});

Deno.test("unreadWords() says how many, not by a colour", () => {
  assert.deepEqual(unreadWords(0), { badge: "", name: "Chat" });
  assert.deepEqual(unreadWords(1), { badge: "1", name: "Chat, 1 unread message" });
  assert.deepEqual(unreadWords(120), { badge: "99+", name: "Chat, 120 unread messages" });
});

Deno.test("splitLinks() goes through a message once, whatever it ends with", () => {
  for (const tail of [")", ".", ").", "("]) {
    const many = tail.repeat(300_000);
    const [link, rest] = splitLinks(`https://a.example/x${many}`);
    if (tail === "(") assert.equal(rest, undefined);
    else assert.deepEqual([link!.href, rest!.text], ["https://a.example/x", many]);
    assert.equal(links(`https://a.example/${many}x`).length, 1);
  }
});

Deno.test("readMessage() reads to the end and keeps the beginning", async () => {
  let read = 0;
  async function* pieces(...texts: string[]) {
    for (const text of texts) {
      read += text.length;
      yield text;
    }
  }
  assert.deepEqual(await readMessage(pieces("Hello, ", "world"), 12), {
    text: "Hello, world",
    isCut: false,
  });
  assert.deepEqual(await readMessage(pieces("Hello, ", "world", "!", "!"), 12), {
    text: "Hello, world",
    isCut: true,
  });
  assert.deepEqual(await readMessage(pieces()), { text: "", isCut: false });
  read = 0;
  const { text } = await readMessage(
    pieces(...Array.from({ length: 500 }, () => "a".repeat(1_000))),
  );
  assert.equal(text.length, MOST_CHARACTERS);
  assert.equal(read, 500_000, "who writes is not stopped: the channel is everybody's");
});
