/** Real sockets: which of several at one address the kernel gives a client's datagrams to. */
import assert from "node:assert/strict";
import { type Libc, MSG_DONTWAIT } from "../../../../lib/transport/datagrams/libc.ts";
import { isShared } from "../../../../lib/transport/datagrams/shared_port.ts";
import {
  RECEIVE_BATCH,
  ReceiveMessages,
} from "../../../../lib/transport/datagrams/socket_messages.ts";
import { findDescriptor } from "../../../../lib/transport/datagrams/socket_options.ts";
import { SteeredPort } from "../../../../lib/transport/tcp/steered_port.ts";
import { FaultyLibc, mustIgnoreNative, realLibc } from "../../../support/wire/datagram_peers.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const ignore = mustIgnoreNative();
const MEDIA = Uint8Array.of(0x40, 0x01, 0, 12, 0x80, 96, 0, 1);
const REPORT = Uint8Array.of(0x40, 0x01, 0, 8, 0x80, 205, 0, 1);
const REQUEST = Uint8Array.of(0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42);

/** Takes what waits in a socket. @returns How much there was. */
function take(libc: Libc, fd: number): number {
  const messages = new ReceiveMessages();
  return Math.max(0, libc.recvmmsg(fd, messages.pointer, RECEIVE_BATCH, MSG_DONTWAIT, null));
}

function open(hostname: string) {
  const libc = realLibc();
  const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const local = conn.addr as Deno.NetAddr;
  const first = findDescriptor(libc, local)!;
  return { libc, conn, local, first };
}

for (
  const [bound, from, seen] of [
    ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
    ["::1", "::1", "::1"],
    ["::", "127.0.0.1", "::ffff:127.0.0.1"],
  ] as const
) {
  Deno.test({
    name: `SteeredPort gives a thread what its clients send in channels, ${from} to ${bound}`,
    ignore,
    async fn() {
      const { libc, conn, local, first } = open(bound);
      const platform = new VirtualPlatform();
      const port = new SteeredPort(libc, platform.timers, first);
      const clients = [0, 1, 2].map(() =>
        Deno.listenDatagram({ transport: "udp", hostname: from, port: 0 })
      );
      const seats = [4, 7].map((thread) => port.seatOf(thread)!);
      const client = (i: number) => ({
        hostname: seen,
        port: (clients[i]!.addr as Deno.NetAddr).port,
      });
      const to = { transport: "udp" as const, hostname: from, port: local.port };
      const fds = [first.fd, ...seats.flatMap(({ fd, reports }) => [fd, reports])];
      /** What each socket gets of what each client sends. */
      const spread = async () => {
        const rows: number[][] = [];
        for (const one of clients) {
          for (const bytes of [MEDIA, REPORT, REQUEST]) await one.send(bytes, to);
          rows.push(fds.map((fd) => take(libc, fd)));
        }
        return rows;
      };
      const allToFirst = [3, 0, 0, 0, 0];
      assert.deepEqual(await spread(), [allToFirst, allToFirst, allToFirst]);
      port.add(client(0), 4);
      port.add(client(0), 4);
      port.add(client(1), 7);
      platform.advance(20);
      const steered = [[1, 1, 1, 0, 0], [1, 0, 0, 1, 1]];
      assert.deepEqual(await spread(), [...steered, allToFirst]);
      port.remove(client(0), 4);
      port.remove(client(1), 4);
      platform.advance(20);
      assert.deepEqual(await spread(), [...steered, allToFirst], "one channel is left");
      port.remove(client(0), 4);
      platform.advance(20);
      assert.deepEqual(await spread(), [allToFirst, steered[1], allToFirst]);
      port.threadLost(7);
      assert.deepEqual(await spread(), [allToFirst, allToFirst, allToFirst]);
      assert.deepEqual(port.seatOf(7), seats[1], "the seat is kept for who comes instead");
      port.close();
      await clients[0]!.send(MEDIA, to);
      assert.equal(take(libc, first.fd), 1);
      assert.equal(platform.pendingTimers, 0);
      for (const one of [...clients, conn]) one.close();
    },
  });
}

Deno.test({
  name: "SteeredPort has no seats where the kernel refuses, and the first is as it was",
  ignore,
  fn() {
    const { conn, first } = open("127.0.0.1");
    const { timers } = new VirtualPlatform();
    let sockets = 0;
    const noSecond = Object.assign(new FaultyLibc(), {
      socket: (...call: Parameters<Libc["socket"]>) =>
        ++sockets % 2 === 0 ? -1 : realLibc().socket(...call),
    });
    const port = new SteeredPort(noSecond, timers, first);
    assert.equal(port.seatOf(0), undefined);
    assert.equal(isShared(realLibc(), first.fd), false);
    assert.equal(port.seatOf(0), undefined);
    assert.equal(sockets, 2, "the kernel is asked once");
    port.add({ hostname: "127.0.0.1", port: 5000 }, 0);
    port.close();
    conn.close();
  },
});

Deno.test({
  name: "SteeredPort takes fewer clients where the kernel takes no long program, and no lost ones",
  ignore,
  async fn() {
    const { libc, conn, local, first } = open("127.0.0.1");
    const platform = new VirtualPlatform();
    const refusing = Object.assign(new FaultyLibc(), {
      setsockopt: (...call: Parameters<Libc["setsockopt"]>) => {
        const [, , option, value] = call;
        const isLong = option === 51 && (value as Int32Array)[0]! > 60;
        return isLong ? -1 : libc.setsockopt(...call);
      },
    });
    const port = new SteeredPort(refusing, platform.timers, first);
    const client = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const { port: number } = client.addr as Deno.NetAddr;
    const [lost, alive] = [port.seatOf(1)!, port.seatOf(2)!];
    const to = { transport: "udp" as const, hostname: "127.0.0.1", port: local.port };
    const spread = async () => {
      await client.send(MEDIA, to);
      return [first.fd, lost.fd, alive.fd].map((fd) => take(libc, fd));
    };
    port.add({ hostname: "127.0.0.1", port: number }, 1);
    platform.advance(20);
    assert.deepEqual(await spread(), [0, 1, 0]);
    for (let i = 0; i < 100; i++) port.add({ hostname: "10.0.0.1", port: 5_000 + i }, 2);
    platform.advance(20);
    assert.deepEqual(await spread(), [0, 1, 0], "who came first stays");
    port.threadLost(1);
    assert.deepEqual(await spread(), [1, 0, 0], "nobody reads there");
    port.close();
    for (const one of [client, conn]) one.close();
  },
});
