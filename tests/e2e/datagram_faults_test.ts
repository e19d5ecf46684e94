/**
 * Faults of a real network between a socket here and a program in a namespace, for every twin of
 * `Datagrams`.
 */
import assert from "node:assert/strict";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { type RemoteAddress, SendKind } from "../../lib/transport/datagrams/datagrams.ts";
import type { Libc } from "../../lib/transport/datagrams/libc.ts";
import { openNativeDatagrams } from "../../lib/transport/datagrams/native_datagrams.ts";
import {
  mustIgnoreNative,
  type Open,
  openPeer,
  type Peer,
  realLibc,
  TWINS,
} from "../support/wire/datagram_peers.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { type ClientNamespace, createNamespace } from "../support/wire/network_namespace.ts";

const ECHO = new URL("../support/wire/udp_echo.ts", import.meta.url).pathname;

/** A program inside that answers. */
class Echo implements AsyncDisposable {
  private constructor(
    readonly address: RemoteAddress,
    private readonly child: Deno.ChildProcess,
  ) {}

  static async startIn(inside: ClientNamespace): Promise<Echo> {
    const [program, ...args] = inside.command(
      Deno.execPath(),
      ...["run", "--no-config", "--unstable-net", "--allow-net", ECHO, inside.guestAddress],
    );
    const child = new Deno.Command(program!, { args, stdout: "piped" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let line = "";
    while (!line.includes("\n")) line += (await reader.read()).value ?? "\n";
    await reader.cancel();
    const remote = { transport: "udp" as const, hostname: inside.guestAddress, port: Number(line) };
    return new Echo(remote, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
  }
}

function commit(
  { socket }: Peer,
  mark: number,
  length: number,
  remote: RemoteAddress,
  kind: SendKind,
) {
  const slot = socket.reserve();
  if (slot === undefined) return;
  new DataView(slot.buffer, slot.byteOffset).setUint32(0, mark);
  socket.commit(length, remote, kind);
}

function markOf({ bytes }: { readonly bytes: Uint8Array }): number {
  return new DataView(bytes.buffer).getUint32(0);
}

/**
 * Asks until an answer comes: one alone may be lost to an address that is still being resolved.
 * Returns how often it asked.
 */
async function assertAnswers(peer: Peer, remote: RemoteAddress, mark: number): Promise<number> {
  let asked = 0;
  await eventually("an answer", () => {
    if (peer.arrivals.some((arrival) => markOf(arrival) === mark)) return true;
    commit(peer, mark, 100, remote, SendKind.other);
    asked++;
    return false;
  });
  return asked;
}

/** Datagrams that the system did not take. */
function lost({ drops }: Peer): number {
  return drops.get("udp_send_unreachable") + drops.get("udp_send_failed");
}

/** With real time, so that what waits is tried again. */
function timed(open: Open): Open {
  return (options) => open({ ...options, timers: denoPlatform().timers });
}

for (const { name, open, ignore } of TWINS) {
  endToEndTest(`${name} outlives an interface that goes down`, ["network-namespaces"], async () => {
    if (ignore) return;
    await using inside = await createNamespace();
    await using echo = await Echo.startIn(inside);
    await using peer = await openPeer(timed(open), "0.0.0.0");
    await using other = await openPeer(timed(open));
    const asked = await assertAnswers(peer, echo.address, 1);
    const { counters } = peer.socket;
    // None of them may still be waiting when the wire is cut.
    await eventually("what was asked to be sent", () => counters.sent + lost(peer) === asked);
    await inside.cutWire();
    const before = { sent: counters.sent, lost: lost(peer) };
    for (let mark = 0; mark < 200; mark++) {
      commit(peer, mark, 100, echo.address, SendKind.video);
      commit(peer, mark, 100, other.address, SendKind.video);
    }
    await other.received(200);
    assert.deepEqual(other.arrivals.map(markOf), Array.from({ length: 200 }, (_, i) => i));
    assert.equal(lost(peer), before.lost + 200);
    assert.equal(counters.sent, before.sent + 200);
    await inside.joinWire();
    await assertAnswers(peer, echo.address, 2);
  });

  endToEndTest(
    `${name} is not held up by a destination gone dark`,
    ["network-namespaces"],
    async () => {
      if (ignore) return;
      await using inside = await createNamespace();
      await using echo = await Echo.startIn(inside);
      await using peer = await openPeer(timed(open), "0.0.0.0");
      await using other = await openPeer(timed(open));
      await assertAnswers(peer, echo.address, 1);
      // Nobody has this address, so each datagram waits for its neighbour to be found, and is lost.
      const nobody = { ...echo.address, hostname: inside.hostAddress.replace(/\d+$/, "5") };
      await inside.blockUdp();
      for (let mark = 0; mark < 150; mark++) {
        for (let burst = 0; burst < 10; burst++) {
          commit(peer, mark, 1200, echo.address, SendKind.video);
          commit(peer, mark, 1200, nobody, SendKind.video);
        }
        commit(peer, mark, 100, other.address, SendKind.video);
      }
      await other.received(150);
      assert.deepEqual(other.arrivals.map(markOf), Array.from({ length: 150 }, (_, i) => i));
      await inside.allowUdp();
      await assertAnswers(peer, echo.address, 2);
    },
  );
}

/** The marks of what one message of an array of `struct mmsghdr` points to. */
function marksOf(messages: Deno.PointerObject, index: number): number[] {
  const message = new Deno.UnsafePointerView(messages);
  const vectors = new Deno.UnsafePointerView(message.getPointer(64 * index + 16)!);
  const count = Number(message.getBigUint64(64 * index + 24));
  return Array.from({ length: count }, (_, i) => {
    const datagram = new Deno.UnsafePointerView(vectors.getPointer(16 * i)!);
    return markOf({ bytes: new Uint8Array(datagram.getArrayBuffer(4)) });
  });
}

endToEndTest(
  "openNativeDatagrams() drops the oldest video when the wire is too slow, and nothing else",
  ["network-namespaces"],
  async () => {
    if (mustIgnoreNative()) return;
    await using inside = await createNamespace();
    await using echo = await Echo.startIn(inside);
    const libc = realLibc();
    const drops = new DropCounters();
    const { timers } = denoPlatform();
    // The system's small buffer is left as it is, so that few datagrams fill it.
    const handed: number[] = [];
    const small: Libc = {
      ...libc,
      errno: () => libc.errno(),
      setsockopt: () => 0,
      sendmmsg: (fd, messages, count, flags) => {
        const sent = libc.sendmmsg(fd, messages, count, flags);
        for (let i = 0; i < sent; i++) handed.push(...marksOf(messages, i));
        return sent;
      },
    };
    await using peer = await openPeer(
      (options) => openNativeDatagrams({ ...options, drops, timers, libc: small }),
      "0.0.0.0",
    );
    await assertAnswers(peer, echo.address, 1_000_000);
    await inside.limitRate(100);
    const before = peer.socket.counters.sent;
    const total = 12_000;
    for (let mark = 0; mark < total; mark++) {
      const isOther = mark % 20 === 0;
      commit(
        peer,
        mark,
        isOther ? 200 : 1200,
        echo.address,
        isOther ? SendKind.other : SendKind.video,
      );
    }
    const dropped = drops.get("udp_send_dropped_video");
    assert.ok(dropped > 0);
    assert.ok(peer.socket.counters.sent - before < total - dropped, "the kernel took everything");
    await eventually(
      "everything to be sent",
      () => peer.socket.counters.sent - before === total - dropped,
    );
    assert.deepEqual(drops.snapshot(), { udp_send_dropped_video: dropped });
    await assertAnswers(peer, echo.address, total);
    // The kernel may let them overtake each other, between two cores; what it was given is in
    // order.
    const marks = handed.filter((mark) => mark < total);
    assert.equal(marks.length, total - dropped);
    assert.ok(marks.every((mark, i) => i === 0 || mark > marks[i - 1]!));
    assert.ok(peer.arrivals.length > 0);
  },
);
