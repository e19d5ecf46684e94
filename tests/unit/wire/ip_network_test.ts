import assert from "node:assert/strict";
import { parseIpAddress } from "../../../lib/wire/ip_address.ts";
import { isInNetwork, parseIpNetwork } from "../../../lib/wire/ip_network.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

function isIn(network: string, address: string): boolean {
  return isInNetwork(parseIpNetwork(network)!, parseIpAddress(address)!);
}

Deno.test("isInNetwork() compares the bits of the prefix and no more", () => {
  assert.equal(isIn("10.0.0.0/8", "10.255.0.1"), true);
  assert.equal(isIn("10.0.0.0/8", "11.0.0.0"), false);
  assert.equal(isIn("192.168.4.0/22", "192.168.7.255"), true);
  assert.equal(isIn("192.168.4.0/22", "192.168.8.0"), false);
  assert.equal(isIn("0.0.0.0/0", "203.0.113.9"), true);
  assert.equal(isIn("2001:db8::/33", "2001:db8:7fff::1"), true);
  assert.equal(isIn("2001:db8::/33", "2001:db8:8000::1"), false);
  assert.equal(isIn("::1", "::1"), true);
  assert.equal(isIn("::1", "::2"), false);
});

Deno.test("isInNetwork() keeps the families apart, mapped addresses being IPv4", () => {
  assert.equal(isIn("0.0.0.0/0", "2001:db8::1"), false);
  assert.equal(isIn("::/0", "192.0.2.1"), false);
  assert.equal(isIn("192.0.2.0/24", "::ffff:192.0.2.1"), true);
});

Deno.test("isInNetwork() agrees with a comparison of the bits as text", () => {
  const random = new SeededRandom(7);
  const bitsOf = (bytes: Uint8Array) =>
    [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  for (let i = 0; i < 2000; i++) {
    const length = i % 2 === 0 ? 4 : 16;
    const address = random.bytes(length);
    const other = address.slice();
    const flipped = random.uint32() % (8 * length);
    other[flipped >> 3]! ^= 0x80 >> (flipped & 7);
    const bits = random.uint32() % (8 * length + 1);
    const same = bitsOf(address).slice(0, bits) === bitsOf(other).slice(0, bits);
    assert.equal(isInNetwork({ address, bits }, other), same);
  }
});

Deno.test("parseIpNetwork() refuses what is no range", () => {
  for (
    const text of [
      "",
      "/8",
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0/8",
      "::/129",
      "::/-1",
      "lan/24",
      "10.0.0.0/8/8",
    ]
  ) {
    assert.equal(parseIpNetwork(text), undefined, text);
  }
});
