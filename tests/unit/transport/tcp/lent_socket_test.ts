/** Real sockets, as what is tried is what two descriptors of one socket do. */
import assert from "node:assert/strict";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { Errno, type Libc, libc, SOCK_STREAM } from "../../../../lib/transport/datagrams/libc.ts";
import { findConnection } from "../../../../lib/transport/datagrams/socket_options.ts";
import { SendKind } from "../../../../lib/transport/datagrams/datagrams.ts";
import { BorrowedSockets } from "../../../../lib/transport/tcp/borrowed_socket.ts";
import { DistantTcp } from "../../../../lib/transport/tcp/distant_tcp.ts";
import { SocketLender } from "../../../../lib/transport/tcp/lent_socket.ts";
import type { TcpFromSession, TcpToSession } from "../../../../lib/transport/tcp/tcp_handover.ts";
import { openTcpMux } from "../../../../lib/transport/tcp/tcp_mux.ts";
import { DEFAULT_TCP_LIMITS } from "../../../../lib/transport/tcp/tcp_connection.ts";
import { TcpSwitch } from "../../../../lib/transport/tcp/tcp_switch.ts";
import { FrameSplitter } from "../../../../lib/wire/stream_framing.ts";
import { FaultyLibc, realLibc } from "../../../support/wire/datagram_peers.ts";
import { until } from "../../../support/wire/until.ts";
import { openWireSocket, type WireSocket } from "../../../support/wire/wire_socket.ts";
import { check, IceWorld } from "../ice/ice_world.ts";

const ignore = !libc().ok;
const HOST = "127.0.0.1";
const FRAME_BYTES = 1_000;
/** RTCP, which nobody drops. */
const RTCP = [0x80, 201];

/** A frame with a number. */
function frameOf(number: number): Uint8Array {
  const frame = new Uint8Array(FRAME_BYTES);
  frame.set([...RTCP, number >> 8, number & 0xff]);
  return frame;
}

/** The main thread and the thread of a session, both here, around one listening socket. */
class LendingWorld implements AsyncDisposable {
  readonly session = new IceWorld();
  readonly main = new IceWorld();
  readonly toSession: TcpToSession["type"][] = [];
  readonly fromSession: TcpFromSession["type"][] = [];
  readonly platform = denoPlatform();
  readonly lender = new SocketLender(realLibc(), denoPlatform().timers);
  readonly local = this.session.agent("here");
  readonly switch: TcpSwitch = new TcpSwitch({
    threadOf: () => 0,
    post: (_thread, message) => {
      this.toSession.push(message.type);
      this.distant.receive(structuredClone(message));
    },
    drops: this.main.drops,
    clock: this.platform.clock,
    lender: () => this.lender,
  });
  readonly distant: DistantTcp;

  private constructor() {
    const { drops, directory, platform: { log } } = this.session;
    this.distant = new DistantTcp({
      post: (message) => {
        this.fromSession.push(message.type);
        this.switch.receive(0, structuredClone(message));
      },
      clock: this.platform.clock,
      drops,
      log,
    });
    const { clock, timers } = this.platform;
    const limits = DEFAULT_TCP_LIMITS;
    this.distant.borrowing = new BorrowedSockets({
      libc: realLibc(),
      clock,
      timers,
      drops,
      limits,
    });
    this.distant.start(directory);
  }

  static async open() {
    const world = new LendingWorld();
    const { clock, timers, log } = world.platform;
    const mux = await openTcpMux({
      hostname: HOST,
      port: 0,
      directory: world.switch,
      clock,
      timers,
      drops: world.main.drops,
      log,
    });
    return Object.assign(world, {
      port: mux.localAddress.port,
      mux,
      async [Symbol.asyncDispose]() {
        mux.close();
        await mux.closed;
      },
    });
  }

  /** Sends numbered frames, as many as there is room for. @returns The number after the last. */
  send(from: number, upTo: number): number {
    for (let number = from; number < upTo; number++) {
      const frame = frameOf(number);
      if (!this.local.agent.send(frame, frame.length)) return number;
    }
    return upTo;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** A client that has proved itself, and the numbers of what it has received. */
async function client(world: LendingWorld, port: number) {
  const socket: WireSocket = await openWireSocket({ protocol: "tcp", hostname: HOST, port });
  const numbers: number[] = [];
  const proved = Promise.withResolvers<void>();
  let wanted = 0;
  let arrived = () => {};
  socket.onDatagram = (bytes) => {
    if (bytes[0]! < 2) return proved.resolve();
    numbers.push(bytes[2]! << 8 | bytes[3]!);
    if (numbers.length >= wanted) arrived();
  };
  await socket.send(check(world.local.local, { useCandidate: true }));
  await proved.promise;
  const has = (count: number) =>
    new Promise<void>((resolve) => {
      [wanted, arrived] = [count, resolve];
      if (numbers.length >= count) resolve();
    });
  return { socket, numbers, has };
}

Deno.test({
  name: "a lent connection carries everything once and in order, through the change of who writes",
  ignore,
  async fn() {
    await using world = await LendingWorld.open();
    const { socket, numbers, has } = await client(world, world.port);
    // In steps, so that some are sent before, some while, and some after it is lent.
    for (const upTo of [5, 20, 40, 400, 900]) {
      assert.equal(world.send(numbers.length, upTo), upTo);
      await has(upTo);
    }
    assert.deepEqual(numbers, Array.from({ length: 900 }, (_, i) => i));
    assert.ok(world.toSession.includes("tcp_lent") && world.toSession.includes("tcp_written"));
    const byMessage = world.fromSession.filter((type) => type === "tcp_send").length;
    assert.ok(byMessage < 50, `${byMessage} frames went by messages`);
    world.local.agent.close();
    await socket.ended;
    socket.close();
  },
});

Deno.test({
  name: "who does not read a lent connection is waited for, and then ended",
  ignore,
  async fn() {
    await using world = await LendingWorld.open();
    const conn = await Deno.connect({ hostname: HOST, port: world.port });
    const hello = check(world.local.local, { useCandidate: true });
    await conn.write(Uint8Array.of(hello.length >> 8, hello.length & 0xff, ...hello));
    const chunk = new Uint8Array(64 * 1024);
    const numbers: number[] = [];
    const splitter = new FrameSplitter(4_096);
    const read = async () => {
      const length = await conn.read(chunk).catch(() => null);
      if (length === null) return false;
      splitter.push(chunk, length, (bytes) => {
        if (bytes[0]! > 1) numbers.push(bytes[2]! << 8 | bytes[3]!);
      });
      return true;
    };
    await read();
    let sent = world.send(0, 40);
    while (numbers.length < sent) await read();
    for (let step = 0; step < 90; step++) {
      sent = world.send(sent, sent + 10);
      await Promise.resolve();
    }
    while (numbers.length < sent) await read();
    assert.deepEqual(numbers, Array.from({ length: sent }, (_, i) => i));
    const over = sent + 20_000;
    while (sent < over) {
      const next = world.send(sent, sent + 100);
      if (next < sent + 100) break;
      sent = next;
      await Promise.resolve();
    }
    assert.equal(world.session.drops.get("tcp_reader_too_slow"), 1);
    while (await read());
    conn.close();
  },
});

Deno.test({
  name: "a client of a thread that is gone hears that its lent connection has ended",
  ignore,
  async fn() {
    await using world = await LendingWorld.open();
    const { socket, has } = await client(world, world.port);
    world.send(0, 100);
    await has(100);
    assert.ok(world.toSession.includes("tcp_lent"));
    world.distant.receive = () => {};
    world.switch.threadLost(0);
    await socket.ended;
    socket.close();
  },
});

Deno.test({
  name: "a connection that is lent while its session ends is closed by both",
  ignore,
  async fn() {
    await using world = await LendingWorld.open();
    const conn = await Deno.connect({ hostname: HOST, port: world.port });
    const hello = check(world.local.local, { useCandidate: true });
    await conn.write(Uint8Array.of(hello.length >> 8, hello.length & 0xff, ...hello));
    const chunk = new Uint8Array(64 * 1024);
    await conn.read(chunk);
    const { receive } = world.distant;
    world.distant.receive = (message) => {
      // The session's word that it is over crosses the loan.
      if (message.type === "tcp_lent") world.local.agent.close();
      receive.call(world.distant, message);
    };
    world.send(0, 40);
    while (await conn.read(chunk).catch(() => null) !== null);
    assert.ok(world.toSession.includes("tcp_lent"));
    const here = { hostname: HOST, port: world.port };
    const isGone = () => findConnection(realLibc(), here, conn.localAddr) === undefined;
    await until("both numbers to be closed", isGone);
    conn.close();
  },
});

Deno.test({
  name: "what is queued for a lent connection when its session ends is written before it is closed",
  ignore,
  async fn() {
    await using world = await LendingWorld.open();
    const { socket, numbers, has } = await client(world, world.port);
    const { receive } = world.distant;
    let sent = 0;
    world.distant.receive = (message) => {
      // All is said, and nothing of it may be written yet.
      if (message.type === "tcp_written") {
        sent = world.send(sent, sent + 50);
        world.local.agent.close();
      }
      receive.call(world.distant, message);
    };
    sent = world.send(0, 40);
    await has(40);
    await socket.ended;
    assert.equal(sent, 90);
    assert.deepEqual(numbers, Array.from({ length: 90 }, (_, i) => i));
    socket.close();
  },
});

Deno.test({
  name: "a lent connection whose other end takes nothing ends, and nobody asks the kernel for ever",
  ignore,
  async fn() {
    const { drops, platform } = new IceWorld();
    const { clock, timers } = platform;
    let asked = 0;
    const libc = Object.assign(new FaultyLibc(), {
      errno: () => Errno.EAGAIN,
      sharing: {
        ...realLibc().sharing,
        send: () => {
          asked++;
          return -1;
        },
        close: () => 0,
      },
    });
    const all = new BorrowedSockets({ libc, clock, timers, drops, limits: DEFAULT_TCP_LIMITS });
    let failures = 0;
    const outlet = all.open({ kind: "stream", fd: 999 }, {
      receive: () => assert.fail("nothing comes"),
      failed: () => void failures++,
      videoGap: () => assert.fail("no video is sent"),
    });
    outlet.begin!();
    assert.equal(outlet.send(frameOf(1), FRAME_BYTES, SendKind.other), true);
    outlet.flush();
    await platform.advanceAsync(DEFAULT_TCP_LIMITS.stuckMs - 50, 1);
    assert.deepEqual([failures, drops.get("tcp_reader_stuck")], [0, 0]);
    await platform.advanceAsync(100, 1);
    assert.deepEqual([failures, drops.get("tcp_reader_stuck")], [1, 1]);
    const before = asked;
    await platform.advanceAsync(60_000, 100);
    assert.equal(asked, before);
    let finished = 0;
    outlet.finish(() => void finished++);
    assert.equal(finished, 1);
    outlet.close();
    assert.equal(platform.pendingTimers, 0);
  },
});

Deno.test({
  name: "a connection is lent that comes to its own port, and none to another from the same",
  ignore,
  fn() {
    const [client, here] = [{ hostname: HOST, port: 50_000 }, { hostname: HOST, port: 7_881 }];
    // By descriptor: the port of this process that it came to.
    const ports = new Map([[5, 7_880], [6, 7_881], [7, 7_882]]);
    const nameOf = (portOf: (fd: number) => number): Libc["getsockname"] => (fd, name) => {
      if (!ports.has(fd)) return -1;
      name.set([2, 0, portOf(fd) >> 8, portOf(fd) & 0xff, 127, 0, 0, 1]);
      return 0;
    };
    const duplicated: number[] = [];
    const libc = Object.assign(new FaultyLibc(), {
      getsockname: nameOf((fd) => ports.get(fd)!),
      getsockopt: (...[, , , value]: Parameters<Libc["getsockopt"]>) => {
        value[0] = SOCK_STREAM;
        return 0;
      },
      sharing: {
        ...realLibc().sharing,
        getpeername: nameOf(() => client.port),
        duplicate: (fd: number) => duplicated.push(fd),
      },
    });
    const lender = new SocketLender(libc, denoPlatform().timers);
    assert.ok(lender.lend({ kind: "stream", local: here, remote: client }, 0) !== undefined);
    assert.deepEqual(duplicated, [6]);
    ports.delete(6);
    assert.equal(lender.lend({ kind: "stream", local: here, remote: client }, 0), undefined);
  },
});

Deno.test({
  name: "a lent channel of TURN carries what is sent as its data, for as long as it is one",
  ignore,
  async fn() {
    const carrier = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 });
    const peer = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 });
    const { drops, platform: { clock } } = new IceWorld();
    const lender = new SocketLender(realLibc(), denoPlatform().timers);
    const socket = lender.lend({
      kind: "datagrams",
      local: carrier.addr as Deno.NetAddr,
      remote: peer.addr as Deno.NetAddr,
      channel: 0x4123,
      forMs: 1_000,
    }, 0)!;
    const { timers } = denoPlatform();
    const limits = DEFAULT_TCP_LIMITS;
    const all = new BorrowedSockets({ libc: realLibc(), clock, timers, drops, limits });
    const outlet = all.open(structuredClone(socket), {
      receive: () => assert.fail("nothing comes"),
      failed: () => assert.fail("nothing fails here"),
      videoGap: () => assert.fail("nothing waits here"),
    });
    assert.equal(outlet.send(Uint8Array.of(1, 2, 3, 9), 3, SendKind.video), true);
    outlet.flush();
    const [bytes, from] = await peer.receive();
    assert.deepEqual(bytes, Uint8Array.of(0x41, 0x23, 0, 3, 1, 2, 3));
    assert.equal((from as Deno.NetAddr).port, (carrier.addr as Deno.NetAddr).port);
    const now = clock.now();
    assert.deepEqual([outlet.isOpen(now + 999), outlet.isOpen(now + 1_000)], [true, false]);
    lender.close();
    carrier.close();
    peer.close();
  },
});

Deno.test({
  name:
    "a number that a lost thread has closed itself is not closed again for whoever has it by now",
  ignore,
  async fn() {
    const libc = realLibc();
    using listener = Deno.listen({ hostname: HOST, port: 0 });
    const [conn, accepted] = await Promise.all([
      Deno.connect({ hostname: HOST, port: (listener.addr as Deno.NetAddr).port }),
      listener.accept(),
    ]);
    const lender = new SocketLender(libc, denoPlatform().timers);
    const local = accepted.localAddr as Deno.NetAddr;
    const remote = accepted.remoteAddr as Deno.NetAddr;
    const lend = () => lender.lend({ kind: "stream", local, remote }, 0)!;
    const lent = lend();
    assert.equal(libc.sharing.close(lent.fd), 0, "the thread, before it was lost");
    const counter = libc.waiting.openCounter();
    assert.equal(counter, lent.fd, "somebody else has the number");
    lender.takeBack(lent);
    assert.equal(libc.sharing.close(counter), 0, "it was left alone");
    const kept = lend();
    lender.takeBack(kept);
    assert.notEqual(libc.sharing.close(kept.fd), 0, "what was not closed is");
    lender.close();
    conn.close();
    accepted.close();
  },
});

Deno.test({
  name: "what a lost thread has closed itself is not taken back from who was lent the number next",
  ignore,
  async fn() {
    const libc = realLibc();
    using listener = Deno.listen({ hostname: HOST, port: 0 });
    const port = (listener.addr as Deno.NetAddr).port;
    const connections: Deno.TcpConn[] = [];
    const lender = new SocketLender(libc, denoPlatform().timers);
    const lend = async (thread: number) => {
      const [conn, accepted] = await Promise.all([
        Deno.connect({ hostname: HOST, port }),
        listener.accept(),
      ]);
      connections.push(conn, accepted);
      const local = accepted.localAddr as Deno.NetAddr;
      const remote = accepted.remoteAddr as Deno.NetAddr;
      return () => lender.lend({ kind: "stream", local, remote }, thread)!;
    };
    const [one, other] = [await lend(0), await lend(1)];
    const lost = one();
    assert.ok(lost.kind === "stream");
    assert.equal(libc.sharing.close(lost.fd), 0, "the thread, before it was lost");
    const lent = other();
    assert.equal(lent.fd, lost.fd, "the same number");
    lender.takeBack(lost);
    assert.equal(libc.sharing.close(lent.fd), 0, "it was left to the other thread");
    lender.close();
    for (const connection of connections) connection.close();
  },
});
