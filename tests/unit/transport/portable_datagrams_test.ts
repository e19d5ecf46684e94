import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { SfuError } from "../../../lib/base/errors.ts";
import {
  type Datagrams,
  MAX_DATAGRAM_BYTES,
  MAX_SEND_BYTES,
  type RemoteAddress,
} from "../../../lib/transport/datagrams.ts";
import {
  openDenoDatagrams,
  openNodeDatagrams,
  type PortableDatagramsOptions,
} from "../../../lib/transport/portable_datagrams.ts";
import { VirtualPlatform } from "../../support/virtual_platform.ts";

type Open = (options: PortableDatagramsOptions) => Promise<Datagrams>;
const TWINS: [string, Open][] = [
  ["openDenoDatagrams()", openDenoDatagrams],
  ["openNodeDatagrams()", openNodeDatagrams],
];

interface Arrival {
  readonly bytes: Uint8Array;
  readonly remote: RemoteAddress;
}

/** A socket on loopback that keeps what arrives. */
async function openPeer(open: Open, hostname = "127.0.0.1", port = 0) {
  const drops = new DropCounters();
  const timers = new VirtualPlatform().timers;
  const socket = await open({ hostname, port, drops, timers });
  const arrivals: Arrival[] = [];
  let batches = 0;
  let wake = () => {};
  socket.onDatagram = (bytes, length, remote) => {
    arrivals.push({ bytes: bytes.slice(0, length), remote: { ...remote } });
    // What the owner of the seam may do: decrypt in place.
    bytes.fill(0, 0, length);
    wake();
  };
  socket.onBatchEnd = () => void batches++;
  return {
    socket,
    drops,
    arrivals,
    batches: () => batches,
    address: { transport: "udp", hostname, port: socket.localAddress.port } as RemoteAddress,
    /** Settles when `count` datagrams have arrived. */
    async received(count: number): Promise<void> {
      while (arrivals.length < count) await new Promise<void>((resolve) => wake = resolve);
    },
    async close(): Promise<void> {
      socket.close();
      socket.close();
      await socket.closed;
    },
  };
}

for (const [name, open] of TWINS) {
  Deno.test(`${name} keeps the order of a burst and takes the bytes before send() returns`, async () => {
    const a = await openPeer(open);
    const b = await openPeer(open);
    const scratch = new Uint8Array(300);
    for (let i = 0; i < 60; i++) {
      scratch.fill(i);
      a.socket.send(scratch, 200 + i, b.address);
      scratch.fill(0xee);
    }
    a.socket.flush();
    await b.received(60);
    assert.deepEqual(
      b.arrivals.map(({ bytes }) => bytes),
      Array.from({ length: 60 }, (_, i) => new Uint8Array(200 + i).fill(i)),
    );
    assert.equal(b.arrivals[0]!.remote.hostname, "127.0.0.1");
    assert.equal(b.arrivals[0]!.remote.port, a.socket.localAddress.port);
    assert.equal(b.socket.counters.received, 60);
    assert.equal(b.batches(), 60);
    await a.close();
    await b.close();
    assert.equal(a.socket.counters.sent, 60);
  });

  Deno.test(`${name} answers to the address it is handed`, async () => {
    const a = await openPeer(open);
    const b = await openPeer(open);
    a.socket.send(Uint8Array.of(1, 2, 3), 3, b.address);
    await b.received(1);
    b.socket.send(Uint8Array.of(4, 5), 2, b.arrivals[0]!.remote);
    await a.received(1);
    assert.deepEqual(a.arrivals[0]!.bytes, Uint8Array.of(4, 5));
    await a.close();
    await b.close();
  });

  Deno.test(`${name} works on IPv6`, async () => {
    const a = await openPeer(open, "::1");
    const b = await openPeer(open, "::1");
    a.socket.send(Uint8Array.of(6), 1, b.address);
    await b.received(1);
    assert.equal(b.arrivals[0]!.remote.hostname, "::1");
    await a.close();
    await b.close();
  });

  Deno.test(`${name} refuses a port in use with address_in_use`, async () => {
    const a = await openPeer(open);
    const port = a.socket.localAddress.port;
    await assert.rejects(openPeer(open, "127.0.0.1", port), (error: unknown) => {
      assert.ok(error instanceof SfuError);
      assert.equal(error.code, "address_in_use");
      assert.match(error.message, new RegExp(`^Cannot listen on udp 127\\.0\\.0\\.1:${port}: `));
      return true;
    });
    await a.close();
  });

  Deno.test(`${name} refuses an address that is not ours with address_not_available`, async () => {
    await assert.rejects(
      openPeer(open, "203.0.113.77"),
      (error: unknown) => error instanceof SfuError && error.code === "address_not_available",
    );
  });

  Deno.test(`${name} counts what cannot be sent and goes on`, async () => {
    const a = await openPeer(open);
    const b = await openPeer(open);
    // An IPv4 socket cannot reach an IPv6 address.
    a.socket.send(Uint8Array.of(1), 1, { transport: "udp", hostname: "::1", port: 9 });
    a.socket.send(new Uint8Array(2000), MAX_SEND_BYTES + 1, b.address);
    // Nobody listens at this port any more: an ICMP error may come back.
    const gone = await openPeer(open);
    await gone.close();
    for (let i = 0; i < 20; i++) a.socket.send(Uint8Array.of(2), 1, gone.address);
    a.socket.send(Uint8Array.of(3), 1, b.address);
    await b.received(1);
    assert.deepEqual(b.arrivals.map(({ bytes }) => bytes[0]), [3]);
    assert.ok(a.drops.get("udp_send_failed") >= 1);
    assert.equal(a.drops.get("udp_send_too_long"), 1);
    b.socket.send(Uint8Array.of(4), 1, a.address);
    await a.received(1);
    await a.close();
    await b.close();
  });

  Deno.test(`${name} drops a datagram that does not fit the receive buffer`, async () => {
    const a = await openPeer(open);
    const raw = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const to = { transport: "udp" as const, hostname: "127.0.0.1", port: a.address.port };
    await raw.send(new Uint8Array(MAX_DATAGRAM_BYTES + 100), to);
    await raw.send(Uint8Array.of(9), to);
    await a.received(1);
    assert.deepEqual(a.arrivals.map(({ bytes }) => bytes.length), [1]);
    assert.equal(a.drops.get("udp_received_too_long"), 1);
    raw.close();
    await a.close();
  });

  Deno.test(`${name} bounds its queue, counts the overflow, and closes with a full one`, async () => {
    const a = await openPeer(open);
    const sink = await openPeer(open);
    const packet = new Uint8Array(20);
    for (let i = 0; i < 10_000; i++) a.socket.send(packet, 20, sink.address);
    const dropped = a.drops.get("udp_send_queue_full");
    assert.equal(dropped, 10_000 - 8192);
    await a.close();
    assert.ok(a.socket.counters.sent <= 8192);
    a.socket.send(packet, 20, sink.address);
    assert.equal(a.drops.get("udp_send_closed"), 1);
    await sink.close();
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
