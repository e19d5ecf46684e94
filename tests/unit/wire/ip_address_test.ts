import assert from "node:assert/strict";
import { addressBlock, isPublicAddress, parseIpAddress } from "../../../lib/wire/ip_address.ts";

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

Deno.test("addressBlock() is the same for what one customer has, and only for that", () => {
  const same = (a: string, b: string) => addressBlock(a) === addressBlock(b);
  assert.ok(same("192.0.2.1", "::ffff:192.0.2.1"));
  assert.ok(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
  assert.ok(!same("192.0.2.1", "192.0.2.2"));
  assert.ok(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
  assert.equal(addressBlock("example.org"), undefined);
});

Deno.test("isPublicAddress() knows this machine, private networks and links", () => {
  for (const text of ["192.0.2.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1"]) {
    assert.equal(isPublicAddress(text), true, text);
  }
  const others = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.9.9",
    "192.168.1.1",
    "169.254.1.1",
  ];
  const alsoOthers = [
    "100.64.0.1",
    "0.0.0.0",
    "::",
    "::1",
    "fd00::1",
    "fe80::1",
    "::ffff:10.0.0.1",
  ];
  for (const text of [...others, ...alsoOthers, ""]) {
    assert.equal(isPublicAddress(text), false, text);
  }
});
