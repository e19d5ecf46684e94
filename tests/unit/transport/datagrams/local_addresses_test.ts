import assert from "node:assert/strict";
import {
  type AddressRule,
  allowedAddresses,
  ANY_ADDRESS,
  type InterfaceAddress,
} from "../../../../lib/transport/datagrams/local_addresses.ts";

const MACHINE: readonly InterfaceAddress[] = [
  { name: "lo", family: "IPv4", address: "127.0.0.1" },
  { name: "eth0", family: "IPv4", address: "192.0.2.2" },
  { name: "eth0", family: "IPv4", address: "192.0.2.3" },
  { name: "docker0", family: "IPv4", address: "172.17.0.1" },
  { name: "lo", family: "IPv6", address: "::1" },
  { name: "eth0", family: "IPv6", address: "2001:db8::2" },
  { name: "eth0", family: "IPv6", address: "fe80::2" },
];

function allowed(rule: Partial<AddressRule>): readonly string[] {
  return allowedAddresses(MACHINE, { ...ANY_ADDRESS, ...rule });
}

Deno.test("allowedAddresses() is everything but link-local IPv6, which cannot be bound alone", () => {
  assert.deepEqual(allowed({}), [
    "127.0.0.1",
    "192.0.2.2",
    "192.0.2.3",
    "172.17.0.1",
    "::1",
    "2001:db8::2",
  ]);
});

Deno.test("allowedAddresses() follows the names of interfaces, includes before excludes", () => {
  const excludes = ["docker0", "lo"];
  const rest = ["192.0.2.2", "192.0.2.3", "2001:db8::2"];
  assert.deepEqual(allowed({ interfaces: { includes: [], excludes } }), rest);
  assert.deepEqual(allowed({ interfaces: { includes: ["docker0"], excludes } }), ["172.17.0.1"]);
});

Deno.test("allowedAddresses() follows ranges, includes before excludes, and both filters hold", () => {
  const excludes = ["192.0.2.0/24", "::/0"];
  assert.deepEqual(allowed({ ips: { includes: [], excludes } }), ["127.0.0.1", "172.17.0.1"]);
  assert.deepEqual(allowed({ ips: { includes: ["192.0.2.3/32"], excludes } }), ["192.0.2.3"]);
  const interfaces = { includes: ["lo"], excludes: [] };
  assert.deepEqual(allowed({ interfaces, ips: { includes: ["192.0.2.0/24"], excludes } }), []);
});

Deno.test("allowedAddresses() begins with what was asked for by name, whatever the filters say", () => {
  const ips = { includes: ["192.0.2.0/24"], excludes: [] };
  assert.deepEqual(allowed({ ips, always: ["127.0.0.1"] }), [
    "127.0.0.1",
    "192.0.2.2",
    "192.0.2.3",
  ]);
});
