/** Where others dial a node whose addresses change. */
import assert from "node:assert/strict";
import { followedLinkAddress, toldEndpoints } from "../../../../lib/cluster/link/link_address.ts";

const at = (host: string) => `ws://${host}:7880/cluster`;

for (
  const [name, current, hosts, others, expected] of [
    ["stays while its address is there", "10.0.0.2", ["10.0.0.1", "10.0.0.2"], [], "10.0.0.2"],
    ["stays at one that is not advertised", "10.0.0.2", ["192.0.2.1"], ["10.0.0.2"], "10.0.0.2"],
    ["goes to the most preferred one", "10.0.0.2", ["10.0.0.3", "10.0.0.4"], [], "10.0.0.3"],
    ["goes nowhere without a network", "10.0.0.2", ["127.0.0.1"], [], "10.0.0.2"],
    ["goes nowhere without any address", "10.0.0.2", [], ["10.0.0.9"], "10.0.0.2"],
    ["leaves the loopback for a network", "127.0.0.1", ["10.0.0.3", "127.0.0.1"], [], "10.0.0.3"],
    ["leaves that of IPv6, too", "[::1]", ["2001:db8::3", "::1"], [], "2001:db8::3"],
    [
      "stays at a loopback that is preferred",
      "127.0.0.1",
      ["127.0.0.1", "10.0.0.3"],
      [],
      "127.0.0.1",
    ],
  ] as const
) {
  Deno.test(`A node's link address ${name}`, () => {
    assert.equal(followedLinkAddress(at(current), hosts, others, at), at(expected));
  });
}

const endpoint = (...hosts: readonly string[]) => ({
  addresses: hosts.map((hostname) => ({ hostname, port: 7882 })),
});

Deno.test("Other nodes are not told to send media to the loopback, which is their own", () => {
  const endpoints = [endpoint("10.0.0.2", "127.0.0.1"), endpoint("127.0.0.1", "::1")];
  for (const link of [at("10.0.0.2"), "wss://node1.example.com/cluster", at("[2001:db8::1]")]) {
    assert.deepEqual(toldEndpoints(endpoints, link), [endpoint("10.0.0.2"), endpoint()], link);
  }
});

Deno.test("Nodes of one machine are told to send media to the loopback where they dial each other there", () => {
  const endpoints = [endpoint("127.0.0.1", "10.0.0.2"), endpoint("::1")];
  for (const link of [at("127.0.0.1"), at("[::1]"), at("localhost")]) {
    assert.deepEqual(toldEndpoints(endpoints, link), endpoints, link);
  }
});
