import assert from "node:assert/strict";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import {
  allowedAddresses,
  type InterfaceAddress,
} from "../../../lib/transport/datagrams/local_addresses.ts";
import {
  lacksPorts,
  type MediaListeners,
  mediaListeners,
  udpPorts,
} from "../../../lib/server/media_listeners.ts";

const LAN = { family: "IPv4", address: "192.0.2.5" } as const;
const RANGE = { udp_port: "7882-7892" };

function workersOf(config: Record<string, unknown>, cores: number): number {
  return mediaListeners(parseConfig(config), [LAN], cores).workers;
}

Deno.test("mediaListeners() binds one socket for a port, for both families if both are advertised", () => {
  const plain = mediaListeners(parseConfig({}), [LAN], 1);
  assert.deepEqual(plain.udpOf, [[{ hostname: "0.0.0.0", port: 7882 }]]);
  assert.deepEqual(plain.tcp, [{ hostname: "0.0.0.0", port: 7881 }]);
  assert.deepEqual(plain.advertised, ["192.0.2.5"]);
  const rtc = { node_ip: "192.0.2.1,2001:db8::1", udp_port: "5000-5010", tcp_port: 0 };
  const both = mediaListeners(parseConfig({ rtc, workers: 2 }), [], 1);
  assert.deepEqual(
    both.udpOf.map((udp) => udp.map(({ hostname, port }) => `${hostname} ${port}`)),
    [[":: 5000"], [":: 5001"]],
  );
  assert.deepEqual(both.spareUdp.map(([first]) => first!.port).at(0), 5002);
  assert.equal(both.spareUdp.length, 9);
  assert.deepEqual(both.tcp, []);
});

Deno.test("mediaListeners() opens no UDP socket with force_tcp and adds loopback in development", () => {
  const config = parseConfig({ rtc: { force_tcp: true }, development: true, workers: 0 });
  const { udpOf, tcp, advertised } = mediaListeners(config, [LAN], 4);
  assert.deepEqual(udpOf, [[]]);
  assert.equal(tcp.length, 1);
  assert.deepEqual(advertised, ["192.0.2.5", "127.0.0.1"]);
  assert.deepEqual(udpPorts(config, 4), []);
});

Deno.test("mediaListeners() has a worker for each core as far as there are ports, none on one core", () => {
  assert.equal(workersOf({ rtc: RANGE }, 4), 4);
  assert.equal(workersOf({ rtc: RANGE }, 64), 11);
  assert.equal(workersOf({ rtc: RANGE }, 1), 0);
  assert.equal(workersOf({}, 8), 1);
  assert.equal(workersOf({ rtc: { force_tcp: true } }, 8), 8);
});

Deno.test("mediaListeners() has as many workers as the operator says, if there are ports", () => {
  assert.equal(workersOf({ rtc: RANGE, workers: 0 }, 4), 0);
  assert.equal(workersOf({ rtc: RANGE, workers: 11 }, 4), 11);
  assert.throws(() => workersOf({ rtc: RANGE, workers: 12 }, 4), {
    code: "invalid_config",
    message: /at most 11/,
  });
  assert.throws(() => parseConfig({ workers: "many" }), /workers: expected "auto"/);
});

Deno.test("lacksPorts() tells only of an automatic number that the range holds down", () => {
  assert.equal(lacksPorts(parseConfig({ rtc: RANGE }), 12), true);
  assert.equal(lacksPorts(parseConfig({ rtc: RANGE }), 11), false);
  assert.equal(lacksPorts(parseConfig({ rtc: RANGE, workers: 2 }), 12), false);
  assert.equal(lacksPorts(parseConfig({ rtc: { force_tcp: true } }), 12), false);
});

Deno.test("udpPorts() are those of the workers, or one", () => {
  assert.deepEqual(udpPorts(parseConfig({ rtc: RANGE }), 3), [7882, 7883, 7884]);
  assert.deepEqual(udpPorts(parseConfig({ rtc: RANGE, workers: 0 }), 3), [7882]);
});

const MACHINE = [
  { family: "IPv4", address: "127.0.0.1", name: "lo" },
  { family: "IPv4", address: "192.0.2.5", name: "eth0" },
  { family: "IPv4", address: "10.1.2.3", name: "wg0" },
] as const;

const STUN = ["stun.example.org:3478"];

Deno.test("mediaListeners() follows the machine's addresses of both families unless they are named", () => {
  const on = (rtc: Record<string, unknown>, machine: readonly InterfaceAddress[]) =>
    mediaListeners(parseConfig({ rtc }), machine, 1);
  const six = { family: "IPv6", address: "::1", name: "lo" } as const;
  const hostOf = ({ udpOf }: MediaListeners) => udpOf[0]![0]!.hostname;
  // IPv6 may come later where the system has it.
  assert.equal(hostOf(on({}, [...MACHINE, six])), "::");
  assert.equal(hostOf(on({}, MACHINE)), "0.0.0.0");
  assert.equal(hostOf(on({ node_ip: "192.0.2.5" }, [...MACHINE, six])), "0.0.0.0");
  assert.equal(hostOf(on({ node_ip: { v6: "2001:db8::1" } }, MACHINE)), "::");
  assert.equal(hostOf(on({ node_ip: "192.0.2.5", use_external_ip: true }, [six])), "::");
});

Deno.test("mediaListeners() asks outside as rtc.use_external_ip and what goes with it say", () => {
  const discoveryOf = (rtc: Record<string, unknown>) =>
    mediaListeners(parseConfig({ rtc }), MACHINE, 1).discovery;
  assert.deepEqual(discoveryOf({ stun_servers: STUN }), { nodeIp: [], loopback: false });
  assert.deepEqual(discoveryOf({ stun_servers: STUN, use_external_ip: true }).external, {
    servers: STUN,
    validates: true,
    only: false,
    internal: false,
  });
  const other = {
    use_external_ip: true,
    external_ip_only: true,
    advertise_internal_ip: true,
    skip_external_ip_validation: true,
  };
  const { servers, ...rules } = discoveryOf(other).external!;
  assert.deepEqual(rules, { validates: false, only: true, internal: true });
  assert.equal(servers.length, 3);
  assert.ok(structuredClone(discoveryOf(other)));
});

Deno.test("mediaListeners() takes its ports from LiveKit's range where rtc.udp_port is not set", () => {
  const portsOf = (rtc: Record<string, unknown>, cores: number) =>
    udpPorts(parseConfig({ rtc }), cores);
  const range = { port_range_start: 50_000, port_range_end: 60_000 };
  assert.deepEqual(portsOf(range, 3), [50_000, 50_001, 50_002]);
  assert.deepEqual(portsOf({ ...range, udp_port: 7882 }, 3), [7882]);
});

function addressesOf(config: Record<string, unknown>): readonly string[] {
  const { addressRule } = mediaListeners(parseConfig(config), MACHINE, 1);
  return allowedAddresses(MACHINE, addressRule);
}

function advertisedOf(config: Record<string, unknown>): readonly string[] {
  return mediaListeners(parseConfig(config), MACHINE, 1).advertised;
}

Deno.test("mediaListeners() uses and advertises only what rtc.interfaces and rtc.ips let in", () => {
  assert.deepEqual(addressesOf({}), ["127.0.0.1", "192.0.2.5", "10.1.2.3"]);
  const vpn = { rtc: { interfaces: { includes: ["wg0"] } } };
  assert.deepEqual(addressesOf(vpn), ["10.1.2.3"]);
  assert.deepEqual(advertisedOf(vpn), ["10.1.2.3"]);
  const noLan = { rtc: { ips: { excludes: ["192.0.2.0/24"] } } };
  assert.deepEqual(advertisedOf(noLan), ["10.1.2.3"]);
  // Loopback is filtered as every other address, but a node_ip is meant as it is said.
  const development = { ...vpn, development: true };
  assert.deepEqual(advertisedOf(development), ["10.1.2.3"]);
  const named = { rtc: { ...vpn.rtc, node_ip: "127.0.0.1" } };
  assert.deepEqual(addressesOf(named), ["127.0.0.1", "10.1.2.3"]);
  assert.deepEqual(advertisedOf(named), ["127.0.0.1", "10.1.2.3"]);
});

Deno.test("mediaListeners() never gives media more addresses because of bind_addresses", () => {
  const all = ["127.0.0.1", "192.0.2.5", "10.1.2.3"];
  const bind = (...bind_addresses: string[]) => ({ bind_addresses });
  // Behind a proxy HTTP is on loopback, and media is not.
  assert.deepEqual(addressesOf(bind("127.0.0.1")), all);
  assert.deepEqual(addressesOf({ ...bind("192.0.2.5"), development: true }), ["192.0.2.5"]);
  for (const everywhere of ["0.0.0.0", ""]) {
    assert.deepEqual(addressesOf({ ...bind(everywhere), development: true }), all);
  }
  const ips = { includes: ["10.0.0.0/8"] };
  assert.deepEqual(addressesOf({ ...bind("192.0.2.5"), development: true, rtc: { ips } }), [
    "10.1.2.3",
  ]);
});

Deno.test("parseConfig() refuses what is no range in rtc.ips", () => {
  for (const bad of ["lan", "10.0.0.0/33", 7]) {
    assert.throws(() => parseConfig({ rtc: { ips: { excludes: [bad] } } }), {
      code: "invalid_config",
      message: /rtc\.ips\.excludes.*range of addresses/,
    });
  }
});
