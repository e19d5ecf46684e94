import assert from "node:assert/strict";
import { parseIpAddress } from "../../../lib/wire/ip_address.ts";

const hex = (bytes: Uint8Array | undefined) => bytes && Array.from(bytes, (b) => b.toString(16));

Deno.test("parseIpAddress() reads IPv4 in four bytes", () => {
  assert.deepEqual(hex(parseIpAddress("192.0.2.255")), ["c0", "0", "2", "ff"]);
});

Deno.test("parseIpAddress() reads every way to write an IPv6 address", () => {
  const full = "20 1 d b8 0 0 0 0 0 0 0 0 0 0 0 1".split(" ");
  for (const text of ["2001:db8::1", "2001:0DB8:0:0:0:0:0:1", "2001:db8::1%eth0"]) {
    assert.deepEqual(hex(parseIpAddress(text)), full, text);
  }
  assert.deepEqual(hex(parseIpAddress("::")), new Array(16).fill("0"));
  assert.deepEqual(hex(parseIpAddress("::1"))!.at(-1), "1");
  assert.deepEqual(hex(parseIpAddress("fe80::"))!.slice(0, 2), ["fe", "80"]);
  assert.deepEqual(hex(parseIpAddress("64:ff9b::192.0.2.33"))!.slice(-4), ["c0", "0", "2", "21"]);
});

Deno.test("parseIpAddress() gives the IPv4 bytes of an IPv4-mapped IPv6 address", () => {
  assert.deepEqual(hex(parseIpAddress("::ffff:192.0.2.1")), ["c0", "0", "2", "1"]);
  assert.deepEqual(hex(parseIpAddress("::ffff:c000:201")), ["c0", "0", "2", "1"]);
});

Deno.test("parseIpAddress() refuses what is not a literal address", () => {
  const refused = [
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1..3.4",
    "1.2.3.4 ",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "12345::",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "::" + "0".repeat(60),
  ];
  for (const text of refused) assert.equal(parseIpAddress(text), undefined, JSON.stringify(text));
});
