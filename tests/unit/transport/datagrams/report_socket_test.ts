/** Which of two sockets at one address the kernel gives a datagram to. */
import assert from "node:assert/strict";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { Libc } from "../../../../lib/transport/datagrams/libc.ts";
import { MSG_DONTWAIT } from "../../../../lib/transport/datagrams/libc.ts";
import { openNativeDatagrams } from "../../../../lib/transport/datagrams/native_datagrams.ts";
import {
  closeReportSocket,
  openReportSocket,
  steerChecks,
} from "../../../../lib/transport/datagrams/report_socket.ts";
import {
  RECEIVE_BATCH,
  ReceiveMessages,
} from "../../../../lib/transport/datagrams/socket_messages.ts";
import { findDescriptor } from "../../../../lib/transport/datagrams/socket_options.ts";
import {
  FaultyLibc,
  mustIgnoreNative,
  openNativePeer,
  realLibc,
} from "../../../support/wire/datagram_peers.ts";

const ignore = mustIgnoreNative();
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `openReportSocket() ${name}`, ignore, fn });
}

/** Takes what waits in a socket. @returns The first two bytes of each datagram. */
function take(libc: Libc, fd: number): number[][] {
  const messages = new ReceiveMessages();
  const taken: number[][] = [];
  for (;;) {
    const count = libc.recvmmsg(fd, messages.pointer, RECEIVE_BATCH, MSG_DONTWAIT, null);
    if (count <= 0) return taken;
    for (let i = 0; i < count; i++) taken.push([...messages.views[i]!.subarray(0, 2)]);
  }
}

function isShared(libc: Libc, fd: number): boolean {
  const value = new Int32Array(1);
  libc.getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, value, new Uint32Array([value.byteLength]));
  return value[0] === 1;
}

/** A socket, the second one at its address, and whoever sends to both. */
async function openBoth(hostname: string) {
  await using things = new AsyncDisposableStack();
  const libc = realLibc();
  const sender = things.use(await openNativePeer({ hostname }));
  const conn = things.adopt(
    Deno.listenDatagram({ transport: "udp", hostname, port: 0 }),
    (conn) => conn.close(),
  );
  const { port } = conn.addr as Deno.NetAddr;
  const first = findDescriptor(libc, { hostname, port })!;
  const second = openReportSocket(libc, first)!;
  things.defer(() => void libc.waiting.close(second));
  const send = (bytes: Uint8Array) => {
    sender.socket.send(bytes, bytes.length, { transport: "udp", hostname, port });
    // One by one: what leaves as one message comes as one.
    sender.socket.flush();
  };
  const opened = things.move();
  return {
    second,
    send,
    takeFirst: () => take(libc, first.fd),
    takeSecond: () => take(libc, second),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

for (const hostname of ["127.0.0.1", "::1"]) {
  test(`gets reports, feedback and acknowledgements, and the first all else, on ${hostname}`, async () => {
    await using sockets = await openBoth(hostname);
    const heads: number[][] = [];
    for (let kind = 0; kind < 256; kind += 5) {
      for (let type = 0; type < 256; type++) heads.push([kind, type]);
    }
    const others: number[][] = [];
    const reports: number[][] = [];
    for (const head of heads) {
      const [kind, type] = head as [number, number];
      const isRtcp = kind >= 128 && kind < 192 && type >= 192 && type < 224;
      (isRtcp && type !== 200 ? reports : others).push(head);
    }
    const got: { first: number[][]; second: number[][] } = { first: [], second: [] };
    for (let at = 0; at < heads.length; at += 64) {
      for (const head of heads.slice(at, at + 64)) {
        sockets.send(Uint8Array.from([...head, 0, 0, 0, 0, 0, 0]));
      }
      got.first.push(...sockets.takeFirst());
      got.second.push(...sockets.takeSecond());
    }
    assert.ok(reports.length > 200 && others.length > 10_000);
    assert.deepEqual(got.second, reports);
    assert.deepEqual(got.first, others);
    sockets.send(Uint8Array.of(0x80));
    assert.equal(sockets.takeFirst().length, 1, "one byte is no report");
    // DTLS: of application data, what is as long as a record with a SACK alone.
    for (const type of [22, 23]) {
      for (let length = 60; length < 70; length++) {
        sockets.send(Uint8Array.from([type, length, ...new Array(length - 2).fill(0)]));
      }
    }
    assert.deepEqual(sockets.takeSecond(), [[23, 13 + 8 + 28 + 16]]);
    assert.equal(sockets.takeFirst().length, 19);
  });
}

test("gets checks, too, while they are steered there, and nothing else more", async () => {
  await using sockets = await openBoth("127.0.0.1");
  const heads = [0, 1, 2, 3, 4, 19, 20, 22, 63, 64, 79, 80, 95, 128, 144, 191, 192, 255]
    .flatMap((kind) => [0, 1, 96, 111, 200, 201, 255].map((type) => [kind, type]));
  for (const withChecks of [false, true, false]) {
    steerChecks(realLibc(), sockets.second, withChecks);
    for (const head of heads) sockets.send(Uint8Array.from(head));
    const waits = ([kind, type]: number[]) =>
      withChecks && kind! < 4 || kind! >= 128 && kind! < 192 && type === 201;
    assert.deepEqual(sockets.takeSecond(), heads.filter(waits));
    assert.deepEqual(sockets.takeFirst(), heads.filter((head) => !waits(head)));
  }
});

test("leaves the first as it was where the kernel refuses", async () => {
  const hostname = "127.0.0.1";
  const libc = new FaultyLibc();
  const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const { port } = conn.addr as Deno.NetAddr;
  const first = findDescriptor(libc, { hostname, port })!;
  const refuse = () => -1;
  assert.equal(
    openReportSocket(Object.assign(new FaultyLibc(), { bind: refuse }), first),
    undefined,
  );
  assert.equal(isShared(libc, first.fd), false);
  assert.equal(
    openReportSocket(Object.assign(new FaultyLibc(), { socket: refuse }), first),
    undefined,
  );
  assert.equal(isShared(libc, first.fd), false);
  const noProgram: Libc["setsockopt"] = (fd, level, name, value, length) =>
    length === 16 ? -1 : realLibc().setsockopt(fd, level, name, value, length);
  const refusing = Object.assign(new FaultyLibc(), { setsockopt: noProgram });
  assert.equal(openReportSocket(refusing, first), undefined);
  assert.equal(isShared(libc, first.fd), false);
  conn.close();
});

test("leaves an address in use as it is for whoever comes later", async () => {
  const hostname = "127.0.0.1";
  const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const { port } = conn.addr as Deno.NetAddr;
  const second = openReportSocket(realLibc(), findDescriptor(realLibc(), { hostname, port })!)!;
  assert.throws(() => Deno.listenDatagram({ transport: "udp", hostname, port }));
  realLibc().waiting.close(second);
  conn.close();
});

for (const hostname of ["127.0.0.1", "::1"]) {
  const name = `openNativeDatagrams() takes the address of an ended thread, on ${hostname}`;
  Deno.test({
    name,
    ignore,
    async fn() {
      const libc = realLibc();
      const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      const { port } = conn.addr as Deno.NetAddr;
      openReportSocket(libc, findDescriptor(libc, { hostname, port })!);
      // The runtime closes what it knows of, and nobody the other one.
      conn.close();
      assert.throws(() => Deno.listenDatagram({ transport: "udp", hostname, port }));
      const { timers } = denoPlatform();
      const drops = new DropCounters();
      const socket = await openNativeDatagrams({ hostname, port, drops, timers, libc });
      assert.equal(socket.localAddress.port, port);
      socket.close();
      await socket.closed;
      assert.equal(findDescriptor(libc, { hostname, port }), undefined);
    },
  });
}

test("is left alone by whoever wants the address of those who have it", async () => {
  const libc = realLibc();
  const hostname = "127.0.0.1";
  const { timers } = denoPlatform();
  const again = (port: number) =>
    openNativeDatagrams({ hostname, port, drops: new DropCounters(), timers, libc });
  const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const { port } = conn.addr as Deno.NetAddr;
  await assert.rejects(again(port), { code: "address_in_use" });
  const first = findDescriptor(libc, { hostname, port })!;
  const second = openReportSocket(libc, first)!;
  await assert.rejects(again(port), { code: "address_in_use" });
  assert.ok(isShared(libc, first.fd) && isShared(libc, second), "both are as they were");
  closeReportSocket(libc, first, second);
  await assert.rejects(again(port), { code: "address_in_use" });
  assert.deepEqual(findDescriptor(libc, { hostname, port }), first);
  conn.close();
});
