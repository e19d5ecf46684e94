import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { isWildcard } from "../../../../lib/engine/messages/listen_address.ts";
import {
  UdpListeners,
  type UdpListenersOptions,
} from "../../../../lib/engine/local/udp_listeners.ts";
import type { Datagrams } from "../../../../lib/transport/datagrams/datagrams.ts";
import { IceDirectory } from "../../../../lib/transport/ice/ice_directory.ts";
import { IceLiteAgent } from "../../../../lib/transport/ice/ice_lite.ts";
import type { InterfaceAddress } from "../../../../lib/transport/datagrams/local_addresses.ts";
import { chooseMediaPorts, type MediaPorts } from "../../../../lib/transport/media_ports.ts";
import { RtpOutlet } from "../../../../lib/transport/rtp_outlet.ts";
import { eventually } from "../../../support/process/eventually.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { check, credentials, MemoryDatagrams, udp } from "../../transport/ice/ice_world.ts";

/** How often changes are looked for, ms. */
const LOOK_MS = 10_000;

class World {
  readonly platform = new VirtualPlatform();
  readonly drops = new DropCounters();
  readonly interfaces: InterfaceAddress[] = [];
  readonly listeners: UdpListeners;

  constructor(addresses: readonly string[], options: Partial<UdpListenersOptions> = {}) {
    this.set(addresses);
    this.listeners = new UdpListeners({
      platform: this.platform,
      udp: [{ hostname: "0.0.0.0", port: 0 }],
      drops: this.drops,
      networkInterfaces: () => this.interfaces,
      onBatchEnd: () => {},
      ...options,
    });
  }

  set(addresses: readonly string[]): void {
    const entries = addresses.map((address) => ({ family: "IPv4" as const, address }));
    this.interfaces.splice(0, Infinity, ...entries);
  }

  open(): Promise<void> {
    return this.listeners.open(new IceDirectory(this.drops), chooseMediaPorts("off"));
  }

  get port(): number {
    return this.listeners.bound[0]!.port;
  }

  /** Whether somebody else could bind the address. */
  isFree(hostname: string): boolean {
    try {
      Deno.listenDatagram({ transport: "udp", hostname, port: this.port }).close();
      return true;
    } catch {
      return false;
    }
  }
}

Deno.test("UdpListeners has a socket for each address, all on one port", async () => {
  const world = new World(["127.0.0.1", "127.0.0.2"]);
  await world.open();
  assert.equal(world.listeners.count, 2);
  assert.deepEqual(world.listeners.bound, [{ hostname: "0.0.0.0", port: world.port }]);
  assert.deepEqual(["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((ip) => world.isFree(ip)), [
    false,
    false,
    true,
  ]);
  await world.listeners.close();
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("UdpListeners follows addresses that come and go, and forgets no figures", async () => {
  const world = new World(["127.0.0.1", "127.0.0.2"]);
  await world.open();
  world.set(["127.0.0.1", "127.0.0.3"]);
  assert.equal(world.isFree("127.0.0.3"), true);
  world.platform.advance(LOOK_MS);
  await eventually("the new address", () => !world.isFree("127.0.0.3"));
  await eventually("the old address", () => world.isFree("127.0.0.2"));
  assert.equal(world.listeners.count, 2);
  // An address that somebody else has taken there is left alone, and tried again.
  const taken = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.4",
    port: world.port,
  });
  world.set(["127.0.0.1", "127.0.0.4"]);
  world.platform.advance(LOOK_MS);
  await eventually("a refusal", () => world.drops.get("udp_address_not_bound") === 1);
  taken.close();
  await eventually("the next look", () => world.platform.pendingTimers === 1);
  world.platform.advance(LOOK_MS);
  await eventually("a second try", () => !world.isFree("127.0.0.4"));
  await world.listeners.close();
});

Deno.test("UdpListeners leaves out addresses that are not there, unless it is all of them", async () => {
  const world = new World(["192.0.2.1", "127.0.0.1"]);
  await world.open();
  assert.equal(world.listeners.count, 1);
  await world.listeners.close();
  const nowhere = new World(["192.0.2.1"]);
  await assert.rejects(nowhere.open(), { code: "address_not_available" });
  await nowhere.listeners.close();
});

Deno.test("UdpListeners says that a port is taken if it is on one of the addresses", async () => {
  const taken = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.2", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const world = new World(["127.0.0.1", "127.0.0.2"], { udp: [{ hostname: "0.0.0.0", port }] });
  await assert.rejects(world.open(), { code: "address_in_use" });
  // Nothing of it stays bound.
  Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
  await world.listeners.close();
  taken.close();
});

Deno.test("UdpListeners binds the wildcard itself where addresses cannot be known", async () => {
  const world = new World([], { networkInterfaces: () => undefined });
  await world.open();
  assert.equal(world.listeners.count, 1);
  assert.equal(world.isFree("127.0.0.1"), false);
  assert.equal(isWildcard(world.listeners.bound[0]!.hostname), true);
  assert.equal(world.platform.pendingTimers, 0, "there is nothing to look for");
  await world.listeners.close();
});

Deno.test("UdpListeners says which socket has sent, as paths and outlets have it", async () => {
  const opened: MemoryDatagrams[] = [];
  const ports: MediaPorts = {
    ...chooseMediaPorts("off"),
    openDatagrams: () => {
      opened.push(new MemoryDatagrams());
      return Promise.resolve(opened.at(-1)!);
    },
  };
  const flushed: Datagrams[] = [];
  const world = new World(["127.0.0.1", "127.0.0.2"], {
    onFlushed: (datagrams) => flushed.push(datagrams),
  });
  const directory = new IceDirectory(world.drops);
  await world.listeners.open(directory, ports);
  for (const { onFlushed } of opened.toReversed()) onFlushed?.();
  assert.deepEqual(flushed.map((datagrams) => opened.indexOf(datagrams as MemoryDatagrams)), [
    1,
    0,
  ]);

  const local = credentials("abcd");
  const agent = new IceLiteAgent({
    directory,
    local,
    owner: { receive() {} },
    listener: {
      onPathSelected() {},
      onInterrupted() {},
      onLost() {},
      onResumed() {},
      onTimed() {},
      onFailed() {},
    },
    drops: world.drops,
    random: world.platform.random,
    now: world.platform.clock.now(),
  });
  const outlet = new RtpOutlet(agent, undefined);
  assert.equal(outlet.datagrams, undefined);
  opened[1]!.arrive(check(local, { useCandidate: true }), udp("198.51.100.7", 50_001));
  agent.provePath(agent.selectedPath!, world.platform.clock.now());
  assert.equal(outlet.datagrams, opened[1]);
  agent.close();
  await world.listeners.close();
});
