import assert from "node:assert/strict";
import { isRecord, packMessage, unpackMessage } from "../../../lib/wire/message_pack.ts";

Deno.test("unpackMessage() refuses counts that the message is too short for, before building anything", () => {
  const heads = [0xdd, 0xdf, 0xdb, 0xc6];
  for (const head of heads) {
    assert.equal(unpackMessage(Uint8Array.of(head, 0xff, 0xff, 0xff, 0xff, 1), 1e9), undefined);
  }
  // 300,000 arrays inside each other that claim 65,535 elements each: 157 GB if they were believed.
  const nested = new Uint8Array(900_000);
  for (let at = 0; at < nested.length; at += 3) nested.set([0xdc, 0xff, 0xff], at);
  assert.equal(unpackMessage(nested, 1e9), undefined);
});

Deno.test("unpackMessage() refuses to nest deeper than 24", () => {
  const nest = (depth: number) => Uint8Array.from([...Array(depth).fill(0x91), 0xc0]);
  assert.ok(Array.isArray(unpackMessage(nest(24), 1000)));
  assert.equal(unpackMessage(nest(25), 1000), undefined);
  const records = (depth: number) =>
    Uint8Array.from([...Array(depth).fill([0x81, 0xa1, 0x61]).flat(), 0xc0]);
  assert.ok(isRecord(unpackMessage(records(24), 1000)));
  assert.equal(unpackMessage(records(25), 1000), undefined);
});

Deno.test("unpackMessage() refuses extensions, names that are no text, and what follows a value", () => {
  const timestamp = Uint8Array.of(0xd6, 0xff, 0, 0, 0, 1);
  assert.equal(unpackMessage(timestamp, 10), undefined);
  assert.equal(unpackMessage(Uint8Array.of(0xc1), 10), undefined);
  assert.equal(unpackMessage(Uint8Array.of(0x81, 0x01, 0x01), 10), undefined);
  assert.equal(unpackMessage(Uint8Array.of(0x01, 0x01), 10), undefined);
  assert.equal(unpackMessage(new Uint8Array(), 10), undefined);
});

Deno.test("unpackMessage() does not let a name reach an object's prototype", () => {
  const bytes = Uint8Array.of(
    0x81,
    0xa9,
    ...new TextEncoder().encode("__proto__"),
    0x81,
    0xa1,
    97,
    1,
  );
  assert.equal(unpackMessage(bytes, 10), undefined);
  assert.equal(({} as { a?: number }).a, undefined);
});

Deno.test("packMessage() leaves out what is undefined, and bytes come back as views of the message", () => {
  const bytes = packMessage({ a: undefined, b: Uint8Array.of(1, 2) });
  const value = unpackMessage(bytes, 10);
  assert.ok(isRecord(value));
  assert.deepEqual(Object.keys(value), ["b"]);
  assert.equal((value["b"] as Uint8Array).buffer, bytes.buffer);
});
