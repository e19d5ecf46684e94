import assert from "node:assert/strict";
import { forwardedFor, type ForwardedHeader } from "../../../lib/wire/forwarded_for.ts";

/** Proxies of ours are those of 10.0.0.0/8 and of fd00::/8. */
const isOurs = (address: Uint8Array) => address[0] === (address.length === 4 ? 10 : 0xfd);
const from = (header: ForwardedHeader, value: string) =>
  forwardedFor("10.0.0.1", isOurs, header, value);

Deno.test("forwardedFor() takes the hop furthest to the right that is no proxy of ours", () => {
  const cases: readonly (readonly [value: string, address: string])[] = [
    ["203.0.113.7", "203.0.113.7"],
    ["198.51.100.1, 203.0.113.7", "203.0.113.7"],
    ["198.51.100.1, 203.0.113.7, 10.0.0.2,10.0.0.3", "203.0.113.7"],
    ["10.0.0.9, 10.0.0.2", "10.0.0.9"],
    ["203.0.113.7:5123", "203.0.113.7"],
    ["[2001:DB8::7]:5123, fd00::2", "2001:db8::7"],
    ["2001:db8:0::7", "2001:db8::7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    // What is no address ends the row, and is not skipped.
    ["203.0.113.7, unknown", "10.0.0.1"],
    ["203.0.113.7, evil, 10.0.0.3", "10.0.0.3"],
    ["203.0.113.7,", "10.0.0.1"],
    ["", "10.0.0.1"],
    ["203.0.113.7 198.51.100.1", "10.0.0.1"],
    ["[203.0.113.7", "10.0.0.1"],
  ];
  for (const [value, address] of cases) {
    assert.equal(from("X-Forwarded-For", value), address, value);
  }
});

Deno.test("forwardedFor() reads Forwarded, of which a client may have written the beginning", () => {
  const cases: readonly (readonly [value: string, address: string])[] = [
    ["for=203.0.113.7", "203.0.113.7"],
    ["For=203.0.113.7;proto=http;by=192.0.2.1", "203.0.113.7"],
    ['proto=https;for="[2001:db8::7]:4711", for=10.0.0.2', "2001:db8::7"],
    ['for="203.0.113.7:80";host="a,b;for=198.51.100.1"', "203.0.113.7"],
    ["for=198.51.100.1, for=203.0.113.7", "203.0.113.7"],
    // A quote that nobody closes swallows nothing.
    ['for="198.51.100.1, for=203.0.113.7', "203.0.113.7"],
    ['for="198.51.100.1, for="[2001:db8::7]"', "2001:db8::7"],
    ['for="\\, for=203.0.113.7', "203.0.113.7"],
    ["for=203.0.113.7, for=_hidden", "10.0.0.1"],
    ["for=203.0.113.7, by=10.0.0.2", "10.0.0.1"],
    ["for=198.51.100.1;for=203.0.113.7", "10.0.0.1"],
    ["203.0.113.7", "10.0.0.1"],
  ];
  for (const [value, address] of cases) assert.equal(from("Forwarded", value), address, value);
});

Deno.test("forwardedFor() follows no endless row of proxies", () => {
  const row = ["203.0.113.7", ...new Array(40).fill("10.0.0.2")].join(",");
  assert.equal(from("X-Forwarded-For", row), "10.0.0.2");
});
