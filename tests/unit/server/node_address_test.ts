import assert from "node:assert/strict";
import { generateKeyPair } from "../../../lib/server/key_generation.ts";
import { chooseNodeAddresses } from "../../../lib/server/node_address.ts";
import type { InterfaceAddress } from "../../../lib/transport/datagrams/local_addresses.ts";

const LOOPBACK: InterfaceAddress = { family: "IPv4", address: "127.0.0.1" };
const LOOPBACK6: InterfaceAddress = { family: "IPv6", address: "::1" };
const LINK_LOCAL: InterfaceAddress = { family: "IPv4", address: "169.254.3.4" };
const LINK_LOCAL6: InterfaceAddress = { family: "IPv6", address: "fe80::1" };
const LAN6: InterfaceAddress = { family: "IPv6", address: "2001:db8::5" };
const LAN: InterfaceAddress = { family: "IPv4", address: "192.0.2.5" };
const ALL = [LOOPBACK, LOOPBACK6, LINK_LOCAL, LINK_LOCAL6, LAN6, LAN];

Deno.test("chooseNodeAddresses() takes the configured addresses as they are", () => {
  const nodeIp = ["198.51.100.7"];
  assert.deepEqual(chooseNodeAddresses(ALL, { nodeIp, loopback: false }), nodeIp);
});

Deno.test("chooseNodeAddresses() prefers IPv4 over IPv6 over loopback, never link-local", () => {
  const choose = (interfaces: InterfaceAddress[]) =>
    chooseNodeAddresses(interfaces, { nodeIp: [], loopback: false });
  assert.deepEqual(choose(ALL), ["192.0.2.5"]);
  assert.deepEqual(choose([LOOPBACK, LINK_LOCAL, LINK_LOCAL6, LAN6]), ["2001:db8::5"]);
  assert.deepEqual(choose([LOOPBACK, LOOPBACK6, LINK_LOCAL]), ["127.0.0.1"]);
  assert.deepEqual(choose([]), ["127.0.0.1"]);
});

Deno.test("chooseNodeAddresses() adds loopback once where it is asked for", () => {
  const choose = (nodeIp: string[]) => chooseNodeAddresses(ALL, { nodeIp, loopback: true });
  assert.deepEqual(choose([]), ["192.0.2.5", "127.0.0.1"]);
  assert.deepEqual(choose(["198.51.100.7", "127.0.0.1"]), ["198.51.100.7", "127.0.0.1"]);
});

Deno.test("chooseNodeAddresses() adds the machine's address to loopback, with which Firefox pairs nothing", () => {
  const choose = (nodeIp: string[], interfaces = ALL) =>
    chooseNodeAddresses(interfaces, { nodeIp, loopback: true });
  assert.deepEqual(choose(["127.0.0.1"]), ["127.0.0.1", "192.0.2.5"]);
  assert.deepEqual(choose(["::1"]), ["::1", "192.0.2.5", "127.0.0.1"]);
  assert.deepEqual(choose(["127.0.0.1"], [LOOPBACK, LINK_LOCAL]), ["127.0.0.1"]);
});

Deno.test("generateKeyPair() writes 32 random bytes in base 62", () => {
  const bytes = (fill: number) => (length: number) => new Uint8Array(length).fill(fill);
  const { apiKey, secret } = generateKeyPair({ bytes: bytes(255 - 56), uint32: () => 0 });
  assert.match(apiKey, /^API[2-9A-Za-z]{12}$/);
  assert.match(secret, /^[0-9A-Za-z]{43}$/);
  // 2^256 - 1 in base 62, most significant digit first: read back to check.
  const all = generateKeyPair({
    bytes: (length) => new Uint8Array(length).fill(length === 32 ? 255 : 0),
    uint32: () => 0,
  }).secret;
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const value = [...all].reduce((sum, digit) => sum * 62n + BigInt(digits.indexOf(digit)), 0n);
  assert.equal(value, (1n << 256n) - 1n);
});
