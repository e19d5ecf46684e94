import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import {
  type AskingSocket,
  ExternalAddresses,
} from "../../../../lib/engine/local/external_addresses.ts";
import type { Datagrams, RemoteAddress } from "../../../../lib/transport/datagrams/datagrams.ts";
import { mappedAnswer } from "../../../support/virtual/query_world.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const SERVER = { hostname: "198.51.100.1", port: 3478 };
const SERVER6 = { hostname: "2001:db8:ffff::1", port: 3478 };

/** A socket whose datagrams go where the test says. */
function fakeDatagrams(send: (bytes: Uint8Array, to: RemoteAddress) => void): Datagrams {
  return {
    localAddress: { hostname: "", port: 7882 },
    send: (bytes: Uint8Array, length: number, to: RemoteAddress) =>
      send(bytes.slice(0, length), to),
    close() {},
  } as unknown as Datagrams;
}

/** Sockets behind a router that maps one to one, and a STUN server beyond it. */
class NatWorld {
  readonly platform = new VirtualPlatform(3);
  readonly sockets: AskingSocket[] = [];
  /** Own address → the one outside; what is not there gets no answer. */
  readonly mapping = new Map<string, string>();
  hasHairpin = true;
  asked = 0;
  beside = 0;
  changes = 0;
  readonly addresses: ExternalAddresses;

  constructor(servers: readonly string[], validates = true) {
    this.addresses = new ExternalAddresses({
      platform: this.platform,
      drops: new DropCounters(),
      discovery: { servers, validates, only: false, internal: false },
      sockets: () => Promise.resolve(this.sockets),
      openBeside: () => {
        this.beside++;
        return Promise.resolve(fakeDatagrams((bytes, to) => this.#hairpin(bytes, to)));
      },
      changed: () => this.changes++,
    });
  }

  add(hostname: string, outside?: string): this {
    if (outside !== undefined) this.mapping.set(hostname, outside);
    const mux: AskingSocket["mux"] = { stunListener: undefined };
    const give = (bytes: Uint8Array, from: RemoteAddress) =>
      void mux.stunListener?.(bytes, bytes.length, from, this.platform.clock.now());
    const datagrams = fakeDatagrams((bytes, to) => {
      this.asked++;
      const seen = this.mapping.get(hostname);
      if (seen !== undefined) give(mappedAnswer(bytes, seen, 7882), to);
    });
    this.sockets.push({ hostname, datagrams, mux });
    return this;
  }

  async ask(): Promise<void> {
    const asked = this.addresses.ask();
    await this.platform.advanceAsync(8_000, 50);
    await asked;
  }

  get found(): Record<string, string> {
    return Object.fromEntries(
      [...this.addresses.found].map(([local, { address, isProven }]) => [
        local,
        isProven ? address : `${address}?`,
      ]),
    );
  }

  #hairpin(bytes: Uint8Array, to: RemoteAddress): void {
    if (!this.hasHairpin) return;
    const [local] = [...this.mapping].find(([, outside]) => outside === to.hostname) ?? [];
    const { mux } = this.sockets.find(({ hostname }) => hostname === local)!;
    mux.stunListener?.(bytes, bytes.length, to, this.platform.clock.now());
  }
}

const text = ({ hostname, port }: { hostname: string; port: number }) =>
  hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;

Deno.test("ExternalAddresses asks from every socket, servers of its family", async () => {
  const world = new NatWorld([text(SERVER), text(SERVER6)]);
  world.add("10.0.0.5", "203.0.113.5").add("10.0.1.5", "203.0.113.6").add("2001:db8::5");
  world.mapping.set("2001:db8::5", "2001:db8::5");
  await world.ask();
  assert.deepEqual(world.found, {
    "10.0.0.5": "203.0.113.5",
    "10.0.1.5": "203.0.113.6",
    "2001:db8::5": "2001:db8::5",
  });
  assert.equal(world.asked, 3);
  assert.equal(world.changes, 1);
  world.addresses.close();
});

Deno.test("ExternalAddresses knows proven from unproven, and trusts where it is told to", async () => {
  const strict = new NatWorld([text(SERVER)]).add("10.0.0.5", "203.0.113.5");
  strict.hasHairpin = false;
  await strict.ask();
  assert.deepEqual(strict.found, { "10.0.0.5": "203.0.113.5?" });
  const trusting = new NatWorld([text(SERVER)], false).add("10.0.0.5", "203.0.113.5");
  await trusting.ask();
  assert.equal(trusting.beside, 0);
  assert.deepEqual(trusting.found, { "10.0.0.5": "203.0.113.5?" });
  strict.addresses.close();
  trusting.addresses.close();
});

Deno.test("ExternalAddresses asks again soon while nothing is known, then every minute", async () => {
  const world = new NatWorld([text(SERVER)]).add("10.0.0.5");
  await world.ask();
  assert.deepEqual(world.found, {});
  world.mapping.set("10.0.0.5", "203.0.113.5");
  await world.platform.advanceAsync(10_000, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.5" });
  world.mapping.set("10.0.0.5", "203.0.113.77");
  await world.platform.advanceAsync(50_000, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.5" });
  await world.platform.advanceAsync(15_000, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.77" });
  assert.equal(world.changes, 2);
  world.addresses.close();
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("ExternalAddresses keeps what it knows, and its proof, while nobody answers", async () => {
  const world = new NatWorld([text(SERVER)]).add("10.0.0.5", "203.0.113.5");
  await world.ask();
  world.hasHairpin = false;
  await world.platform.advanceAsync(70_000, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.5" });
  world.mapping.clear();
  await world.platform.advanceAsync(70_000, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.5" });
  // Another address has to prove itself.
  world.mapping.set("10.0.0.5", "203.0.113.6");
  await world.platform.advanceAsync(70_000, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.6?" });
  // An address that the machine does not have any more is forgotten.
  world.sockets.length = 0;
  await world.platform.advanceAsync(70_000, 50);
  assert.deepEqual(world.found, {});
  world.addresses.close();
});

Deno.test("ExternalAddresses asks from a socket that came while others were asked", async () => {
  const world = new NatWorld([text(SERVER)]).add("10.0.0.5", "203.0.113.5");
  const asked = world.addresses.ask();
  await settle();
  world.add("10.0.1.5", "203.0.113.6");
  world.addresses.socketsChanged();
  await world.platform.advanceAsync(100, 50);
  await asked;
  await world.platform.advanceAsync(100, 50);
  assert.deepEqual(world.found, { "10.0.0.5": "203.0.113.5", "10.0.1.5": "203.0.113.6" });
  world.add("10.0.2.5", "203.0.113.7");
  world.addresses.socketsChanged();
  await world.platform.advanceAsync(100, 50);
  assert.equal(world.addresses.found.get("10.0.2.5")?.address, "203.0.113.7");
  world.addresses.close();
});

Deno.test("ExternalAddresses lets go of whoever waits when it is closed", async () => {
  const world = new NatWorld([text(SERVER)]).add("10.0.0.5");
  const asked = world.addresses.ask();
  await settle();
  world.addresses.close();
  await asked;
  assert.equal(world.platform.pendingTimers, 0);
  assert.equal(world.sockets[0]!.mux.stunListener, undefined);
});

Deno.test("ExternalAddresses knows nothing where no server can be read or asked", async () => {
  const world = new NatWorld(["", "host:99999", text(SERVER6)]).add("10.0.0.5", "203.0.113.5");
  await world.ask();
  assert.deepEqual(world.found, {});
  assert.equal(world.asked, 0);
  world.addresses.close();
});
