/**
 * What every twin of `Datagrams` does, in one table of cases; what only the native one does is in
 * `native_datagrams_test.ts`.
 */
import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { SfuError } from "../../../../lib/base/errors.ts";
import {
  MAX_DATAGRAM_BYTES,
  MAX_SEND_BYTES,
  SendKind,
} from "../../../../lib/transport/datagrams/datagrams.ts";
import { openDenoDatagrams } from "../../../../lib/transport/datagrams/portable_datagrams.ts";
import { openPeer, Peer, type Twin, TWINS } from "../../../support/wire/datagram_peers.ts";
import { until } from "../../../support/wire/until.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** Datagrams that every twin lets wait. */
const QUEUE = 8192;

/** A peer that sends nothing until it is let go. */
async function openStuckPeer(twin: Twin): Promise<[Peer, letGo: () => void]> {
  const drops = new DropCounters();
  const platform = new VirtualPlatform();
  const options = { hostname: "127.0.0.1", port: 0, drops, timers: platform.timers };
  const [socket, letGo] = await twin.openStuck(options);
  const go = () => {
    letGo();
    platform.advance(10);
  };
  return [new Peer(socket, drops, platform, "127.0.0.1"), go];
}

/** First bytes from here on are no checks', which may come after what was sent behind them. */
const NO_CHECK = 64;

for (const twin of TWINS) {
  const { name, open, ignore } = twin;
  const test = (what: string, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} ${what}`, ignore, fn });

  test("keeps the order of a burst and takes the bytes before send() returns", async () => {
    await using a = await openPeer(open);
    await using b = await openPeer(open);
    const scratch = new Uint8Array(300);
    for (let i = 0; i < 60; i++) {
      scratch.fill(NO_CHECK + i);
      a.socket.send(scratch, 200 + i, b.address);
      scratch.fill(0xee);
    }
    a.socket.flush();
    await b.received(60);
    assert.deepEqual(
      b.arrivals.map(({ bytes }) => bytes),
      Array.from({ length: 60 }, (_, i) => new Uint8Array(200 + i).fill(NO_CHECK + i)),
    );
    assert.equal(b.arrivals[0]!.remote.hostname, "127.0.0.1");
    assert.equal(b.arrivals[0]!.remote.port, a.socket.localAddress.port);
    assert.equal(b.socket.counters.received, 60);
    if (!twin.isBatching) assert.equal(b.batches, 60);
    a.socket.close();
    await a.socket.closed;
    assert.equal(a.socket.counters.sent, 60);
    assert.equal(a.socket.counters.sentBytes, 60 * 200 + 59 * 30);
  });

  test("sends what was written into reserved slots, without a flush", async () => {
    await using a = await openPeer(open);
    await using b = await openPeer(open);
    for (let i = 0; i < 40; i++) {
      const slot = a.socket.reserve()!;
      assert.equal(slot.length, MAX_SEND_BYTES);
      assert.equal(slot.buffer, a.socket.slab);
      assert.equal(slot.byteOffset % 32, 0);
      slot.fill(NO_CHECK + i, 0, 100 + i);
      a.socket.commit(100 + i, b.address, i % 3 === 0 ? SendKind.other : SendKind.video);
    }
    await b.received(40);
    assert.deepEqual(
      b.arrivals.map(({ bytes }) => bytes),
      Array.from({ length: 40 }, (_, i) => new Uint8Array(100 + i).fill(NO_CHECK + i)),
    );
  });

  test("lends the same slot until it is committed", async () => {
    await using a = await openPeer(open);
    await using b = await openPeer(open);
    const first = a.socket.reserve()!;
    first.fill(1);
    assert.equal(a.socket.reserve(), first);
    a.socket.commit(MAX_SEND_BYTES + 1, b.address, SendKind.video);
    assert.equal(a.drops.get("udp_send_too_long"), 1);
    a.socket.flush();
    assert.equal(a.socket.reserve(), first);
    a.socket.commit(MAX_SEND_BYTES, b.address, SendKind.video);
    a.socket.commit(5, b.address, SendKind.video);
    assert.equal(a.drops.get("udp_send_not_reserved"), 1);
    const second = a.socket.reserve()!;
    assert.notEqual(second, first);
    second.fill(2);
    a.socket.commit(7, b.address, SendKind.video);
    await b.received(2);
    assert.deepEqual(b.arrivals.map(({ bytes }) => [bytes.length, bytes.at(-1)]), [
      [MAX_SEND_BYTES, 1],
      [7, 2],
    ]);
  });

  test("answers to the address it is handed, also later", async () => {
    await using a = await openPeer(open);
    await using b = await openPeer(open);
    a.socket.send(Uint8Array.of(1, 2, 3), 3, b.address);
    await b.received(1);
    b.socket.send(Uint8Array.of(4, 5), 2, b.arrivals[0]!.remote);
    await a.received(1);
    a.socket.send(Uint8Array.of(6), 1, a.arrivals[0]!.remote);
    await b.received(2);
    b.socket.send(Uint8Array.of(7), 1, b.arrivals[0]!.remote);
    await a.received(2);
    assert.deepEqual(a.arrivals.map(({ bytes }) => bytes), [
      Uint8Array.of(4, 5),
      Uint8Array.of(7),
    ]);
  });

  test("works on IPv6", async () => {
    await using a = await openPeer(open, "::1");
    await using b = await openPeer(open, "::1");
    a.socket.send(Uint8Array.of(6), 1, b.address);
    await b.received(1);
    assert.equal(b.arrivals[0]!.remote.hostname, "::1");
    b.socket.send(Uint8Array.of(7), 1, b.arrivals[0]!.remote);
    await a.received(1);
    assert.deepEqual(a.arrivals[0]!.bytes, Uint8Array.of(7));
  });

  test("shows an IPv4 peer of a socket for both families as a mapped address", async () => {
    await using a = await openPeer(open, "::");
    await using b = await openPeer(open, "127.0.0.1");
    const port = a.socket.localAddress.port;
    b.socket.send(Uint8Array.of(1), 1, { transport: "udp", hostname: "127.0.0.1", port });
    await a.received(1);
    const { hostname } = a.arrivals[0]!.remote;
    assert.equal(hostname, "::ffff:127.0.0.1");
    a.socket.send(Uint8Array.of(2), 1, a.arrivals[0]!.remote);
    a.socket.send(Uint8Array.of(3), 1, { transport: "udp", hostname, port: b.address.port });
    await b.received(2);
    assert.deepEqual(b.arrivals.map(({ bytes }) => bytes[0]), [2, 3]);
  });

  test("refuses a port in use with address_in_use", async () => {
    await using a = await openPeer(open);
    const port = a.socket.localAddress.port;
    await assert.rejects(openPeer(open, "127.0.0.1", port), (error: unknown) => {
      assert.ok(error instanceof SfuError);
      assert.equal(error.code, "address_in_use");
      assert.match(error.message, new RegExp(`^Cannot listen on udp 127\\.0\\.0\\.1:${port}: `));
      return true;
    });
  });

  test("refuses an address that is not ours with address_not_available", async () => {
    await assert.rejects(
      openPeer(open, "203.0.113.77"),
      (error: unknown) => error instanceof SfuError && error.code === "address_not_available",
    );
  });

  test("counts what cannot be sent and goes on", async () => {
    await using a = await openPeer(open);
    await using b = await openPeer(open);
    // An IPv4 socket cannot reach an IPv6 address.
    a.socket.send(Uint8Array.of(1), 1, { transport: "udp", hostname: "::1", port: 9 });
    a.socket.send(new Uint8Array(2000), MAX_SEND_BYTES + 1, b.address);
    // Nobody listens at this port any more: an ICMP error may come back.
    const gone = await openPeer(open);
    await gone[Symbol.asyncDispose]();
    for (let i = 0; i < 20; i++) a.socket.send(Uint8Array.of(2), 1, gone.address);
    a.socket.send(Uint8Array.of(3), 1, b.address);
    await b.received(1);
    assert.deepEqual(b.arrivals.map(({ bytes }) => bytes[0]), [3]);
    assert.ok(a.drops.get("udp_send_failed") >= 1);
    assert.equal(a.drops.get("udp_send_too_long"), 1);
    b.socket.send(Uint8Array.of(4), 1, a.address);
    await a.received(1);
  });

  test("drops a datagram that does not fit the receive buffer", async () => {
    await using a = await openPeer(open);
    const raw = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const to = { transport: "udp" as const, hostname: "127.0.0.1", port: a.address.port };
    for (let i = 0; i < 3; i++) {
      await raw.send(new Uint8Array(MAX_DATAGRAM_BYTES + 100), to);
      await raw.send(Uint8Array.of(i), to);
    }
    await a.received(3);
    assert.deepEqual(a.arrivals.map(({ bytes }) => [...bytes]), [[0], [1], [2]]);
    assert.equal(a.drops.get("udp_received_too_long"), 3);
    raw.close();
  });

  test("bounds its queue, counts the overflow, and closes with a full one", async () => {
    const [a] = await openStuckPeer(twin);
    await using sink = await openPeer(open);
    const packet = new Uint8Array(20);
    for (let i = 0; i < 10_000; i++) a.socket.send(packet, 20, sink.address);
    assert.equal(a.drops.get("udp_send_queue_full"), 10_000 - QUEUE);
    await a[Symbol.asyncDispose]();
    assert.ok(a.socket.counters.sent <= QUEUE);
    a.socket.send(packet, 20, sink.address);
    assert.equal(a.socket.reserve(), undefined);
    assert.equal(a.drops.get("udp_send_closed"), 2);
    assert.equal(a.platform.pendingTimers, 0);
  });

  test("drops the oldest video of a full queue and keeps everything else in order", async () => {
    const [a, letGo] = await openStuckPeer(twin);
    await using b = await openPeer(open);
    const commit = (mark: number, kind: SendKind) => {
      const slot = a.socket.reserve();
      if (slot === undefined) return;
      new DataView(slot.buffer, slot.byteOffset).setUint32(0, mark);
      a.socket.commit(4, b.address, kind);
    };
    // Every fourth is not video. More than twice the queue, so that its own bookkeeping wraps.
    const total = 20_000;
    const kindOf = (mark: number) => mark % 4 === 0 ? SendKind.other : SendKind.video;
    for (let mark = 0; mark < total; mark++) commit(mark, kindOf(mark));
    assert.equal(a.drops.get("udp_send_dropped_video"), total - QUEUE);
    assert.equal(a.drops.get("udp_send_queue_full"), 0);
    letGo();
    await until("the queue to be sent", () => a.socket.counters.sent === QUEUE);
    await b.received(200);
    const others = total / 4;
    const marks = Array.from({ length: total }, (_, mark) => mark);
    const videos = marks.filter((mark) => kindOf(mark) === SendKind.video);
    const newest = new Set(videos.slice(videos.length - (QUEUE - others)));
    const kept = marks.filter((mark) => kindOf(mark) === SendKind.other || newest.has(mark));
    assert.equal(kept.length, QUEUE);
    // The kernel may lose some of so large a burst at the receiver, but it changes no order.
    const places = b.arrivals.map(({ bytes }) =>
      kept.indexOf(new DataView(bytes.buffer).getUint32(0))
    );
    assert.ok(places.every((place, i) => place > (places[i - 1] ?? -1)));
    await a[Symbol.asyncDispose]();
  });
}

Deno.test({
  name: "openDenoDatagrams() names a missing permission permission_denied",
  permissions: { net: ["127.0.0.1:1"] },
  async fn() {
    await assert.rejects(
      openPeer(openDenoDatagrams, "127.0.0.1", 5000),
      (error: unknown) => error instanceof SfuError && error.code === "permission_denied",
    );
  },
});
