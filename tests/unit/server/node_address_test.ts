import assert from "node:assert/strict";
import { parseConfig } from "../../../lib/server/config_parsing.ts";
import { generateKeyPair } from "../../../lib/server/key_generation.ts";
import { mediaListeners } from "../../../lib/server/media_listeners.ts";
import { chooseNodeAddresses, type InterfaceAddress } from "../../../lib/server/node_address.ts";

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
  assert.deepEqual(choose(["127.0.0.1"]), ["127.0.0.1"]);
});

Deno.test("mediaListeners() binds one UDP and one TCP port for each advertised family", () => {
  const plain = mediaListeners(parseConfig({}), [LAN]);
  assert.deepEqual(plain.udp, [{ hostname: "0.0.0.0", port: 7882 }]);
  assert.deepEqual(plain.tcp, [{ hostname: "0.0.0.0", port: 7881 }]);
  assert.deepEqual(plain.advertised, ["192.0.2.5"]);
  const both = mediaListeners(
    parseConfig({ rtc: { node_ip: "192.0.2.1,2001:db8::1", udp_port: "5000-5010", tcp_port: 0 } }),
    [],
  );
  assert.deepEqual(both.udp.map(({ hostname, port }) => `${hostname} ${port}`), [
    "0.0.0.0 5000",
    ":: 5000",
  ]);
  assert.deepEqual(both.tcp, []);
});

Deno.test("mediaListeners() opens no UDP socket with force_tcp and adds loopback in development", () => {
  const config = parseConfig({ rtc: { force_tcp: true }, development: true });
  const { udp, tcp, advertised } = mediaListeners(config, [LAN]);
  assert.deepEqual(udp, []);
  assert.equal(tcp.length, 1);
  assert.deepEqual(advertised, ["192.0.2.5", "127.0.0.1"]);
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
