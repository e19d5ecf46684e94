import assert from "node:assert/strict";
import {
  type AddressDiscovery,
  advertisedHosts,
  type ExternalAddress,
  type ExternalDiscovery,
} from "../../../../lib/engine/messages/advertised_hosts.ts";

const LINK_LOCAL = "169.254.3.4";
const LAN = "192.168.1.5";
const VPN = "10.8.0.2";
const LAN6 = "2001:db8::5";
const ALL = ["127.0.0.1", "::1", LINK_LOCAL, "fe80::1", LAN6, LAN];

function shown(locals: readonly string[], discovery: Partial<AddressDiscovery> = {}) {
  return advertisedHosts(locals, { nodeIp: [], loopback: false, ...discovery });
}

Deno.test("advertisedHosts() shows what the operator named as it is", () => {
  assert.deepEqual(shown(ALL, { nodeIp: ["198.51.100.7"] }), ["198.51.100.7"]);
  const both = ["2001:db8::7", "198.51.100.7"];
  assert.deepEqual(shown(ALL, { nodeIp: both }), both);
});

Deno.test("advertisedHosts() shows all of the machine's own, IPv4 first, never those of a link", () => {
  assert.deepEqual(shown(ALL), [LAN, LAN6]);
  assert.deepEqual(shown([...ALL, VPN]), [LAN, VPN, LAN6]);
  assert.deepEqual(shown(["127.0.0.1", LINK_LOCAL, "fe80::1", LAN6]), [LAN6]);
  assert.deepEqual(shown(["127.0.0.1", "::1", LINK_LOCAL]), ["127.0.0.1"]);
  assert.deepEqual(shown([]), ["127.0.0.1"]);
});

Deno.test("advertisedHosts() shows no more than eight, and loopback beside them", () => {
  const many = Array.from({ length: 20 }, (_, i) => `10.0.${i}.1`);
  const hosts = shown(many, { loopback: true });
  assert.deepEqual(hosts, [...many.slice(0, 8), "127.0.0.1"]);
});

Deno.test("advertisedHosts() adds loopback once where it is asked for", () => {
  assert.deepEqual(shown(ALL, { loopback: true }), [LAN, LAN6, "127.0.0.1"]);
  const named = { nodeIp: ["198.51.100.7", "127.0.0.1"], loopback: true };
  assert.deepEqual(shown(ALL, named), ["198.51.100.7", "127.0.0.1"]);
});

Deno.test("advertisedHosts() adds the machine's own to loopback, with which Firefox pairs nothing", () => {
  const onLoopback = (nodeIp: string[], locals = ALL) => shown(locals, { nodeIp, loopback: true });
  assert.deepEqual(onLoopback(["127.0.0.1"]), ["127.0.0.1", LAN, LAN6]);
  assert.deepEqual(onLoopback(["::1"]), ["::1", LAN, LAN6, "127.0.0.1"]);
  assert.deepEqual(onLoopback(["127.0.0.1"], ["127.0.0.1", LINK_LOCAL]), ["127.0.0.1"]);
});

const PUBLIC = "203.0.113.7";
const OTHER = "203.0.113.8";

function seen(
  found: Readonly<Record<string, string | ExternalAddress>>,
  external: Partial<ExternalDiscovery> = {},
  discovery: Partial<AddressDiscovery> = {},
) {
  const known = Object.entries(found).map(([local, outside]) =>
    [
      local,
      typeof outside === "string" ? { address: outside, port: 7882, isProven: true } : outside,
    ] as const
  );
  const usual = { servers: ["stun:3478"], validates: true, only: false, internal: false };
  return advertisedHosts([...ALL, VPN], {
    nodeIp: [],
    loopback: false,
    external: { ...usual, ...external },
    ...discovery,
  }, new Map(known));
}

Deno.test("advertisedHosts() shows what is seen from outside in place of the machine's own", () => {
  assert.deepEqual(seen({ [LAN]: PUBLIC, [VPN]: OTHER }), [PUBLIC, OTHER, LAN6]);
  assert.deepEqual(seen({ [LAN]: PUBLIC, [VPN]: PUBLIC }), [PUBLIC, LAN6]);
  // Nobody outside knows it.
  assert.deepEqual(seen({ [LAN]: PUBLIC }), [PUBLIC, VPN, LAN6]);
  assert.deepEqual(seen({ [LAN]: PUBLIC, [LAN6]: "2001:db8:1::9" }), [
    PUBLIC,
    VPN,
    "2001:db8:1::9",
  ]);
});

Deno.test("advertisedHosts() believes only what is proven as soon as something is", () => {
  const guess = { address: OTHER, port: 7882, isProven: false };
  assert.deepEqual(seen({ [LAN]: PUBLIC, [VPN]: guess }), [PUBLIC, VPN, LAN6]);
  assert.deepEqual(seen({ [VPN]: guess }), [LAN, OTHER, LAN6]);
});

Deno.test("advertisedHosts() leaves out IPv4 addresses that nobody sees, or shows both, as asked", () => {
  assert.deepEqual(seen({ [LAN]: PUBLIC }, { only: true }), [PUBLIC, LAN6]);
  assert.deepEqual(seen({ [LAN]: PUBLIC }, { internal: true }), [PUBLIC, LAN, VPN, LAN6]);
  assert.deepEqual(seen({ [LAN]: PUBLIC }, { internal: true, only: true }), [PUBLIC, LAN, LAN6]);
});

Deno.test("advertisedHosts() falls back to what is named, or to the machine's own, if nobody answers", () => {
  assert.deepEqual(seen({}, {}, { nodeIp: ["198.51.100.7"] }), ["198.51.100.7"]);
  assert.deepEqual(seen({ [LAN]: PUBLIC }, { only: true }, { nodeIp: ["198.51.100.7"] }), [
    PUBLIC,
    LAN6,
  ]);
  assert.deepEqual(seen({}), [LAN, VPN, LAN6]);
});
