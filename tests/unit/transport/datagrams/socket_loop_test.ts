/**
 * A thread that waits in the kernel: its timers, the runtime's turns, and how it begins and ends.
 * That sockets in it behave as all others is in `datagrams_test.ts`, where it is one of the twins.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import type { Cancel, Timers } from "../../../../lib/base/platform.ts";
import type { WaitingCalls } from "../../../../lib/transport/datagrams/libc.ts";
import {
  openThreadBell,
  type ThreadBell,
} from "../../../../lib/transport/datagrams/thread_bell.ts";
import { findPollOf } from "../../../../lib/transport/datagrams/runtime_poll.ts";
import { openSharer } from "../../../../lib/transport/datagrams/shared_port.ts";
import { findDescriptor } from "../../../../lib/transport/datagrams/socket_options.ts";
import { SocketLoop } from "../../../../lib/transport/datagrams/socket_loop.ts";
import {
  mustIgnoreNative,
  openNativePeer,
  type Peer,
  realLibc,
} from "../../../support/wire/datagram_peers.ts";

const ignore = mustIgnoreNative();

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `SocketLoop ${name}`, ignore, fn });
}

const EPOLL_CTL_ADD = 1;

/** A loop of this thread, what it was told of, and how often it gave the runtime a turn. */
function newLoop(changed: Partial<WaitingCalls> = {}, bell?: ThreadBell) {
  const { clock, timers } = denoPlatform();
  const failures: unknown[] = [];
  let stays = 0;
  const counted: Timers = {
    after(delayMs, callback): Cancel {
      if (delayMs === 0) stays++;
      return timers.after(delayMs, callback);
    },
  };
  const loop = new SocketLoop({
    calls: { ...realLibc().waiting, ...changed },
    clock,
    timers: counted,
    ...(bell === undefined ? {} : { bell: bell.fd }),
    failed: (error) => failures.push(error),
  });
  return { loop, failures, clock, stays: () => stays };
}

function peerIn(loop: SocketLoop): Promise<Peer> {
  return openNativePeer({ loop });
}

function after(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => void timers.after(delayMs, resolve));
}

test("runs its timers in their order, not before their time, and none that was cancelled", async () => {
  const { loop, clock } = newLoop();
  await using _peer = await peerIn(loop);
  const order: number[] = [];
  const from = clock.nowUs();
  loop.timers.after(30, () => order.push(30));
  loop.timers.after(10, () => order.push(10));
  loop.timers.after(20, () => order.push(20))();
  loop.timers.after(0, () => order.push(0));
  await after(loop.timers, 40);
  assert.ok(clock.nowUs() - from >= 40_000);
  assert.deepEqual(order, [0, 10, 30]);
});

test("lets the runtime's timers and promises go on while nothing comes", async () => {
  const { loop } = newLoop();
  await using _peer = await peerIn(loop);
  const own = denoPlatform().timers;
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(1_000));
  assert.equal(digest.byteLength, 32);
  await after(own, 5);
});

test("hears other threads at once, not when its wait is over", async () => {
  const { loop, clock, stays } = newLoop();
  await using _peer = await peerIn(loop);
  const source = "onmessage = ({ data }) => postMessage(data)";
  const worker = new Worker(`data:text/javascript,${source}`, { type: "module" });
  try {
    const echo = () =>
      new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(1);
      });
    await echo();
    const before = stays();
    const from = clock.nowUs();
    for (let i = 0; i < 20; i++) {
      // Within one turn of the runtime several echoes may come.
      await after(loop.timers, 4);
      await echo();
    }
    // Each echo took a turn of the runtime that was not due: those alone come each 250 ms.
    assert.ok(stays() - before > (clock.nowUs() - from) / 250_000 + 10);
  } finally {
    worker.terminate();
  }
});

test("gives the runtime its turn before the packets behind what rang, and not again", async () => {
  const bell = openThreadBell()!;
  const { loop, stays } = newLoop({}, bell);
  try {
    await using a = await peerIn(loop);
    await using b = await peerIn(loop);
    const turns: number[] = [];
    b.socket.onBatchEnd = () => turns.push(stays());
    const before: number[] = [];
    for (let i = 0; i < 5; i++) {
      await after(loop.timers, 3);
      before.push(stays());
      bell.ring();
      a.socket.send(Uint8Array.of(i), 1, b.address);
      a.socket.flush();
      await b.received(i + 1);
    }
    assert.ok(turns.every((at, i) => at > before[i]!), `${turns} after ${before}`);
    await after(loop.timers, 100);
    assert.ok(stays() - turns.at(-1)! <= 2, "a bell that was heard is silent");
  } finally {
    bell.close();
    bell.close();
    bell.ring();
  }
});

test("gives the runtime another turn for what rang during one", async () => {
  const bell = openThreadBell()!;
  let duringTurn: (() => void) | undefined;
  const { loop, stays } = newLoop({
    epollWait(poll, events, count, timeoutMs) {
      const then = duringTurn;
      if (then === undefined) return realLibc().waiting.epollWait(poll, events, count, timeoutMs);
      duringTurn = undefined;
      // The runtime alone has something to do.
      new Int32Array(Deno.UnsafePointerView.getArrayBuffer(events, 12)).set([1, -1, -1]);
      setImmediate(then);
      return 1;
    },
  }, bell);
  try {
    await using a = await peerIn(loop);
    await using b = await peerIn(loop);
    let [rungAt, receivedAt] = [0, 0];
    b.socket.onBatchEnd = () => receivedAt = stays();
    duringTurn = () => {
      rungAt = stays();
      bell.ring();
      a.socket.send(Uint8Array.of(1), 1, b.address);
      a.socket.flush();
    };
    await b.received(1);
    await after(loop.timers, 3);
    assert.ok(receivedAt > rungAt, `turn ${receivedAt} after ${rungAt}`);
  } finally {
    bell.close();
  }
});

test("gives the runtime few turns while nobody rings", async () => {
  const { loop, stays } = newLoop();
  await using a = await peerIn(loop);
  await using b = await peerIn(loop);
  await after(loop.timers, 20);
  const before = stays();
  a.socket.send(Uint8Array.of(22, 254, 253), 3, b.address);
  await b.received(1);
  await after(loop.timers, 200);
  assert.ok(stays() - before <= 3, `${stays() - before} turns`);
});

test("tells of what a timer and a socket throw, and goes on", async () => {
  const { loop, failures } = newLoop();
  await using a = await peerIn(loop);
  await using b = await peerIn(loop);
  loop.timers.after(0, () => {
    throw new Error("timer");
  });
  const keep = b.socket.onDatagram;
  b.socket.onDatagram = () => {
    b.socket.onDatagram = keep;
    throw new Error("socket");
  };
  a.socket.send(Uint8Array.of(1), 1, b.address);
  // One that came with it would be lost with it.
  while (failures.length < 2) await after(loop.timers, 5);
  a.socket.send(Uint8Array.of(2), 1, b.address);
  await b.received(1);
  assert.deepEqual(failures.map((error) => (error as Error).message).sort(), ["socket", "timer"]);
});

test("ends with its last socket, hands its timers to the runtime, and begins again", async () => {
  const { loop } = newLoop();
  const first = await peerIn(loop);
  const fired = after(loop.timers, 15);
  await first[Symbol.asyncDispose]();
  await fired;
  await using a = await peerIn(loop);
  await using b = await peerIn(loop);
  a.socket.send(Uint8Array.of(7), 1, b.address);
  await b.received(1);
  assert.deepEqual([...b.arrivals[0]!.bytes], [7]);
});

/** As the kernel says when a user watches as much as it allows (`epoll(7)`, max_user_watches). */
function refusingSockets(...call: Parameters<WaitingCalls["epollControl"]>): number {
  const [, operation, , event] = call;
  // `struct epoll_event` ends with 64 bits of data, the first half of which is the name.
  const name = new Int32Array(event.buffer).at(-2)!;
  return operation === EPOLL_CTL_ADD && name >= 0 ? -1 : realLibc().waiting.epollControl(...call);
}

const REFUSALS: readonly (readonly [string, Partial<WaitingCalls>])[] = [
  ["the event loop is not found", { readFile: () => -1 }],
  ["there is no epoll instance", { epollCreate: () => -1 }],
  ["nothing can be added to it", { epollControl: () => -1 }],
  ["no socket can be added to it", { epollControl: refusingSockets }],
];
for (const [what, changed] of REFUSALS) {
  test(`leaves sockets to the runtime where ${what}`, async () => {
    const { loop } = newLoop(changed);
    await using a = await peerIn(loop);
    await using b = await peerIn(loop);
    a.socket.send(Uint8Array.of(9), 1, b.address);
    await b.received(1);
    await after(loop.timers, 1);
  });
}

test("waits for sockets that the runtime does not know, while it lives", async () => {
  const { loop } = newLoop();
  const libc = realLibc();
  const ignored = { fd: -1, receive: () => 0 };
  assert.equal(loop.watchBeside(3, () => 0, ignored), undefined);
  await using peer = await peerIn(loop);
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = conn.addr as Deno.NetAddr;
  const first = findDescriptor(libc, to)!;
  const [fd, reports] = [openSharer(libc, first)!, openSharer(libc, first)!];
  // The one that a datagram comes to is the kernel's choice, so all three are looked at.
  const bytes = new Uint8Array(64);
  const come = Promise.withResolvers<void>();
  const receiveFrom = (one: number) => () => {
    const length = Number(libc.waiting.read(one, bytes, 64n));
    if (length > 0) come.resolve();
    return Math.max(0, length);
  };
  const unwatch = loop.watchBeside(fd, receiveFrom(fd), {
    fd: reports,
    receive: receiveFrom(reports),
  });
  assert.ok(unwatch !== undefined);
  conn.close();
  loop.active(denoPlatform().clock.nowUs());
  peer.socket.send(Uint8Array.of(1), 1, { transport: "udp", hostname: to.hostname, port: to.port });
  peer.socket.flush();
  await come.promise;
  unwatch();
  for (const one of [fd, reports]) libc.sharing.close(one);
});

test("that was left behind is closed by its bell", async () => {
  const { waiting } = realLibc();
  const bell = openThreadBell()!;
  const event = new Uint8Array(16);
  event[0] = 1;
  for (let i = 0; i < 3; i++) {
    const poll = waiting.epollCreate();
    assert.equal(waiting.epollControl(poll, EPOLL_CTL_ADD, bell.fd, event), 0);
  }
  const other = waiting.epollCreate();
  assert.ok(findPollOf(waiting, bell.fd) !== undefined);
  bell.newWaiter();
  assert.ok(findPollOf(waiting, bell.fd) !== undefined);
  bell.newWaiter();
  assert.equal(findPollOf(waiting, bell.fd), undefined);
  assert.equal(waiting.close(other), 0);
  bell.close();
  await Promise.resolve();
});
