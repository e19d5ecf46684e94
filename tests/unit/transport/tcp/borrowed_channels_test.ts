/** Real sockets, and a loop that the test turns by hand. */
import assert from "node:assert/strict";
import { BorrowedChannels } from "../../../../lib/transport/tcp/borrowed_channels.ts";
import { SocketLender } from "../../../../lib/transport/tcp/lent_socket.ts";
import type { LentChannel } from "../../../../lib/transport/tcp/lent_socket.ts";
import { HANDOVER_BYTES, type TurnStray } from "../../../../lib/transport/tcp/tcp_handover.ts";
import type { Receive, ReportSource } from "../../../../lib/transport/datagrams/socket_loop.ts";
import { mustIgnoreNative, realLibc } from "../../../support/wire/datagram_peers.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { channelData } from "../../../support/virtual/turn_world.ts";
import { IceWorld } from "../ice/ice_world.ts";

const ignore = mustIgnoreNative();
const HOST = "127.0.0.1";
const CHANNEL = 0x4001;

/** One thread's borrowing end and the lending end, with two clients of one TURN socket. */
class BorrowedWorld implements Disposable {
  readonly ice = new IceWorld();
  readonly carrier = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 });
  readonly clients = [0, 1].map(() =>
    Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 })
  );
  readonly lender: SocketLender;
  readonly strays: TurnStray[] = [];
  readonly heard: string[] = [];
  /** By descriptor, while it is watched. */
  readonly watched = new Map<number, Receive>();
  batches = 0;
  readonly channels: BorrowedChannels;

  constructor() {
    const { drops, platform: { clock, timers } } = this.ice;
    this.lender = new SocketLender(realLibc(), timers);
    this.channels = new BorrowedChannels({
      libc: realLibc(),
      clock,
      timers,
      drops,
      loop: {
        watchBeside: (fd: number, receive: Receive, reports: ReportSource) => {
          this.watched.set(fd, receive).set(reports.fd, reports.receive);
          return () => {
            this.watched.delete(fd);
            this.watched.delete(reports.fd);
          };
        },
      },
      onStray: (stray) => void this.strays.push(stray),
      onBatchEnd: () => void this.batches++,
    });
  }

  lend(client: number, channel = CHANNEL, forMs = 1_000): LentChannel {
    const local = this.carrier.addr as Deno.NetAddr;
    const { hostname, port } = this.clients[client]!.addr as Deno.NetAddr;
    const remote = { hostname, port };
    const lent = this.lender.lend({ kind: "datagrams", local, remote, channel, forMs }, 0);
    assert.ok(lent?.kind === "datagrams");
    return structuredClone(lent);
  }

  borrow(name: string, lent: LentChannel) {
    const receive = (bytes: Uint8Array, length: number) =>
      void this.heard.push(`${name} ${bytes.subarray(0, length).join(" ")}`);
    return this.channels.open(lent, receive);
  }

  /** The first client's channel is lent and borrowed, and what it brings comes to this thread. */
  give(name: string): void {
    const lent = this.lend(0);
    this.borrow(name, lent);
    this.lender.receivedBy(0, lent);
    this.ice.platform.advance(20);
  }

  /** The client's datagrams come, whichever socket they come to. @returns What was heard. */
  async send(client: number, ...datagrams: readonly Uint8Array[]): Promise<string[]> {
    const to = this.carrier.addr as Deno.NetAddr;
    for (const bytes of datagrams) await this.clients[client]!.send(bytes, to);
    for (const receive of this.watched.values()) receive();
    return this.heard.splice(0);
  }

  [Symbol.dispose](): void {
    this.channels.close();
    this.lender.close();
    for (const one of [...this.clients, this.carrier]) one.close();
  }
}

function test(name: string, fn: (world: BorrowedWorld) => Promise<void> | void): void {
  Deno.test({
    name: `BorrowedChannels ${name}`,
    ignore,
    async fn() {
      using world = new BorrowedWorld();
      await fn(world);
    },
  });
}

const MEDIA = [0x80, 96, 1, 2];
const REPORT = [0x80, 205, 3, 4];

test("hand what a channel brings to its path, media and reports", async (world) => {
  const lent = world.lend(0);
  const outlet = world.borrow("ann", lent);
  assert.equal(outlet.receives, true);
  world.lender.receivedBy(0, lent);
  world.ice.platform.advance(20);
  const heard = await world.send(0, channelData(CHANNEL, MEDIA), channelData(CHANNEL, REPORT));
  assert.deepEqual(heard, ["ann 128 96 1 2", "ann 128 205 3 4"]);
  assert.ok(world.batches >= 2);
  assert.deepEqual(world.strays, []);
});

test("hand on what is for another channel, from another client, or too late", async (world) => {
  const [ann, bob] = [world.lend(0), world.lend(1)];
  const outlet = world.borrow("ann", ann);
  for (const lent of [ann, bob]) world.lender.receivedBy(0, lent);
  world.ice.platform.advance(20);
  const other = channelData(CHANNEL + 1, MEDIA);
  assert.deepEqual(await world.send(0, other), []);
  assert.deepEqual(await world.send(1, channelData(CHANNEL, MEDIA)), []);
  const [local, client] = [world.carrier, world.clients[0]!].map((conn) => {
    const { hostname, port } = conn.addr as Deno.NetAddr;
    return { hostname, port };
  });
  assert.equal(world.strays.length, 2);
  const { type, bytes, remote } = structuredClone(world.strays[0]!);
  assert.deepEqual([type, remote, bytes], ["turn_stray", client, other]);
  const { hostname, port } = world.strays[0]!.local;
  assert.deepEqual({ hostname, port }, local);
  world.ice.platform.advance(1_000);
  assert.deepEqual(await world.send(0, channelData(CHANNEL, MEDIA)), []);
  assert.equal(world.strays.length, 3);
  const again = world.borrow("ann again", world.lend(0));
  assert.deepEqual(await world.send(0, channelData(CHANNEL, MEDIA)), ["ann again 128 96 1 2"]);
  // The first one's end is not the second one's.
  outlet.close();
  assert.deepEqual(await world.send(0, channelData(CHANNEL, MEDIA)), ["ann again 128 96 1 2"]);
  again.close();
  assert.deepEqual(await world.send(0, channelData(CHANNEL, MEDIA)), []);
  assert.equal(world.strays.length, 4);
});

test("drop what claims to be longer than it is", async (world) => {
  world.give("ann");
  const padded = channelData(CHANNEL, [...MEDIA, 0, 0, 0], MEDIA.length);
  const short = channelData(CHANNEL, MEDIA, MEDIA.length + 1);
  assert.deepEqual(await world.send(0, padded, short), ["ann 128 96 1 2"]);
  assert.equal(world.ice.drops.get("turn_malformed"), 1);
});

test("make of any datagram what RFC 8656 §12.4 says, or hand it on", async (world) => {
  const random = new SeededRandom(11);
  world.give("ann");
  let [malformed, strays] = [0, 0];
  for (let i = 0; i < 2_000; i++) {
    const bytes = random.bytes(random.below(40));
    if (bytes.length > 4 && random.chance(0.7)) {
      bytes.set([CHANNEL >> 8, CHANNEL & 0xff, 0, random.below(48)]);
    }
    const isTheirs = bytes.length >= 4 && (bytes[0]! << 8 | bytes[1]!) === CHANNEL;
    const size = bytes[2]! << 8 | bytes[3]!;
    const heard = await world.send(0, bytes);
    // What is no channel's, and what is too short to be looked at, comes to the TURN server's own.
    const isWhole = bytes.length > 5 || bytes.length === 5 && bytes[4]! >> 6 !== 2;
    if (!isWhole || bytes[0]! >> 6 !== 1) assert.deepEqual(heard, []);
    else if (!isTheirs) assert.equal(world.strays.length, ++strays);
    else if (size > bytes.length - 4) malformed++;
    else assert.deepEqual(heard, [`ann ${bytes.subarray(4, 4 + size).join(" ")}`]);
    if (world.strays.length > strays) assert.fail(`${bytes} was handed on`);
    assert.equal(world.ice.drops.get("turn_malformed"), malformed);
  }
  assert.ok(malformed > 100 && strays > 10);
});

test("keep no more for the TURN server than it looks at", async (world) => {
  world.give("ann");
  const junk = channelData(CHANNEL + 1, new Array(1_020).fill(0x81));
  const room = HANDOVER_BYTES / junk.length;
  for (let i = 0; i < room + 10; i++) await world.send(0, junk);
  assert.equal(world.strays.length, room);
  assert.equal(world.ice.drops.get("turn_strays_limited"), 10);
  world.channels.straysTaken(junk.length);
  await world.send(0, junk, junk);
  assert.equal(world.strays.length, room + 1);
});

test("only send where the thread does not wait for sockets", (world) => {
  const { drops, platform: { clock, timers } } = world.ice;
  const channels = new BorrowedChannels({ libc: realLibc(), clock, timers, drops });
  assert.equal(channels.open(world.lend(0), () => assert.fail("nothing comes")).receives, false);
  channels.close();
});
