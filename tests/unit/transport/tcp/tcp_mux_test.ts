import assert from "node:assert/strict";
import { SfuError } from "../../../../lib/base/errors.ts";
import { openTcpMux, type TcpMux } from "../../../../lib/transport/tcp/tcp_mux.ts";
import type { ByteStream } from "../../../../lib/transport/tcp/stream_writer.ts";
import {
  DEFAULT_TCP_LIMITS,
  type TcpLimits,
} from "../../../../lib/transport/tcp/tcp_connection.ts";
import { SendKind } from "../../../../lib/transport/datagrams/datagrams.ts";
import type { PathOwner } from "../../../../lib/transport/ice/network_path.ts";
import { TcpPath } from "../../../../lib/transport/tcp/tcp_path.ts";
import { FrameSplitter } from "../../../../lib/wire/stream_framing.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";
import { check, IceWorld, packets, readAnswer, udp } from "../ice/ice_world.ts";

function openMux(world: IceWorld, hostname = "127.0.0.1", limits: Partial<TcpLimits> = {}) {
  const { directory, drops, platform } = world;
  const { clock, timers, log } = platform;
  return openTcpMux({ hostname, port: 0, directory, clock, timers, drops, log, limits });
}

function frame(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(bytes.length >> 8, bytes.length & 255, ...bytes);
}

/** A client's end of one connection. */
async function connect(mux: TcpMux) {
  const { hostname, port } = mux.localAddress;
  const conn = await Deno.connect({ hostname, port });
  const splitter = new FrameSplitter(4096);
  const frames: Uint8Array[] = [];
  return {
    port: (conn.localAddr as Deno.NetAddr).port,
    async write(bytes: Uint8Array): Promise<void> {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    },
    /** The next frame; `undefined` at the end of the stream. */
    async read(): Promise<Uint8Array | undefined> {
      const chunk = new Uint8Array(4096);
      while (frames.length === 0) {
        const length = await conn.read(chunk).catch(() => null);
        if (length === null) return undefined;
        splitter.push(chunk, length, (bytes, n) => frames.push(bytes.slice(0, n)));
      }
      return frames.shift();
    },
    close: () => conn.close(),
  };
}

async function closeMux(mux: TcpMux): Promise<void> {
  mux.close();
  mux.close();
  await mux.closed;
  assert.deepEqual(mux.connections, { total: 0, unnamed: 0 });
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`TcpMux names a session on ${hostname} from fragmented frames`, async () => {
    const world = new IceWorld();
    const mux = await openMux(world, hostname);
    const { agent, local, events, received } = world.agent("abcd");
    const client = await connect(mux);
    const request = frame(check(local, { useCandidate: true }));
    for (const byte of request) await client.write(Uint8Array.of(byte));
    const answer = readAnswer((await client.read())!, local);
    assert.equal(answer.isSuccess, true);
    assert.equal(answer.mapped![1], client.port);
    assert.deepEqual(events, [`selected tcp ${hostname}:${client.port}`]);
    assert.deepEqual(mux.connections, { total: 1, unnamed: 0 });

    // Two packets and a check in one write: all before the check have arrived when it is answered.
    const three = [packets.rtp(7), packets.dtls(8), check(local)];
    await client.write(Uint8Array.from(three.flatMap((bytes) => [...frame(bytes)])));
    assert.equal(readAnswer((await client.read())!, local).isSuccess, true);
    const from = `${hostname}:${client.port}`;
    assert.deepEqual(received, [`rtp 7 ${from}`, `dtls 8 ${from}`]);

    assert.equal(agent.send(packets.rtcp(9), 8), true);
    assert.deepEqual(await client.read(), packets.rtcp(9));
    agent.close();
    assert.equal(await client.read(), undefined);
    client.close();
    await closeMux(mux);
    assert.equal(world.platform.pendingTimers, 0);
  });
}

Deno.test("TcpMux tells the agent when its connection goes away", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const { agent, local } = world.agent("abcd");
  const client = await connect(mux);
  await client.write(frame(check(local)));
  await client.read();
  assert.equal(agent.selectedPath?.protocol, "tcp");
  const path = agent.selectedPath as TcpPath;
  client.close();
  await path.done;
  assert.equal(agent.selectedPath, undefined);
  assert.equal(agent.pathCount, 0);
  await closeMux(mux);
});

Deno.test("IceLiteAgent falls back to its UDP path when the selected connection closes", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const { agent, local, events } = world.agent("abcd");
  const client = await connect(mux);
  await client.write(frame(check(local, { useCandidate: true })));
  await client.read();
  world.datagrams.arrive(check(local), udp("198.51.100.7", 50_001));
  const path = agent.selectedPath as TcpPath;
  assert.equal(path.protocol, "tcp");
  client.close();
  await path.done;
  assert.equal(events.at(-1), "selected udp 198.51.100.7:50001");
  assert.equal(agent.isNominated, false);
  await closeMux(mux);
});

Deno.test("TcpMux keeps frames whole and in order for a client that reads late", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const { agent, local } = world.agent("abcd");
  const client = await connect(mux);
  await client.write(frame(check(local)));
  await client.read();
  const rtp = padded(packets.rtp(0), 1200);
  let taken = 0;
  for (let i = 0; i < 300; i++) {
    new DataView(rtp.buffer).setUint16(2, i);
    if (agent.send(rtp, rtp.length)) taken++;
  }
  assert.equal(taken, Math.floor(DEFAULT_TCP_LIMITS.softQueueBytes / 1202));
  assert.equal(world.drops.get("tcp_rtp_for_slow_reader"), 300 - taken);
  for (let i = 0; i < taken; i++) {
    const bytes = (await client.read())!;
    assert.equal(bytes.length, 1200);
    assert.equal(new DataView(bytes.buffer).getUint16(2), i);
  }
  client.close();
  await closeMux(mux);
});

Deno.test("TcpMux closes a connection at a frame that is too long", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const client = await connect(mux);
  await client.write(Uint8Array.of(0xff, 0xff, 1, 2, 3));
  assert.equal(await client.read(), undefined);
  assert.equal(world.drops.get("tcp_frame_too_long"), 1);
  client.close();
  await closeMux(mux);
});

Deno.test("TcpMux closes a connection that sends data before it named a session", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const { received } = world.agent("abcd");
  const client = await connect(mux);
  await client.write(frame(packets.dtls(1)));
  assert.equal(await client.read(), undefined);
  assert.deepEqual(received, []);
  assert.equal(world.drops.get("tcp_not_validated"), 1);
  client.close();
  await closeMux(mux);
});

Deno.test("TcpMux closes a connection that names no session in time", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const { local } = world.agent("abcd");
  const idle = await connect(mux);
  const wrong = await connect(mux);
  const named = await connect(mux);
  await wrong.write(frame(check(local, { pwd: "guessed" })));
  await named.write(frame(check(local)));
  await named.read();
  // Connections are accepted in order, so all three are in by now.
  assert.deepEqual(mux.connections, { total: 3, unnamed: 2 });
  const { firstFrameMs, namingTimeoutMs } = DEFAULT_TCP_LIMITS;
  world.platform.advance(firstFrameMs - 1);
  assert.equal(mux.connections.total, 3);
  world.platform.advance(1);
  assert.equal(await idle.read(), undefined);
  assert.equal(world.drops.get("tcp_first_frame_timeout"), 1);
  assert.equal(mux.connections.total, 2);
  world.platform.advance(namingTimeoutMs - firstFrameMs - 1);
  assert.equal(mux.connections.total, 2);
  world.platform.advance(1);
  assert.equal(await wrong.read(), undefined);
  assert.deepEqual(mux.connections, { total: 1, unnamed: 0 });
  assert.equal(world.drops.get("tcp_unnamed_timeout"), 1);
  for (const client of [idle, wrong, named]) client.close();
  await closeMux(mux);
});

Deno.test("TcpMux bounds connections without a session, per address and in total", async () => {
  const cases: [Partial<TcpLimits>, string][] = [
    [{ unnamedPerAddress: 2 }, "tcp_too_many_unnamed_from_address"],
    [{ unnamed: 2 }, "tcp_too_many_unnamed"],
  ];
  for (const [limits, reason] of cases) {
    const world = new IceWorld();
    const mux = await openMux(world, "127.0.0.1", limits);
    const { local } = world.agent("abcd");
    const first = await connect(mux);
    const second = await connect(mux);
    const third = await connect(mux);
    // The oldest stranger gives way, and the newcomers are served.
    assert.equal(await first.read(), undefined);
    assert.equal(world.drops.get(reason), 1);
    assert.deepEqual(mux.connections, { total: 2, unnamed: 2 });
    for (const client of [second, third]) {
      await client.write(frame(check(local)));
      assert.equal(readAnswer((await client.read())!, local).isSuccess, true);
    }
    // Named ones count no more, and stay whoever comes.
    const later = [await connect(mux), await connect(mux), await connect(mux)];
    assert.equal(await later[0]!.read(), undefined);
    assert.deepEqual(mux.connections, { total: 4, unnamed: 2 });
    for (const client of [first, second, third, ...later]) client.close();
    await closeMux(mux);
  }
});

Deno.test("openTcpMux() refuses a port in use with address_in_use", async () => {
  const world = new IceWorld();
  const mux = await openMux(world);
  const { directory, drops, platform } = world;
  const { clock, timers, log } = platform;
  const { hostname, port } = mux.localAddress;
  await assert.rejects(
    openTcpMux({ hostname, port, directory, clock, timers, drops, log }),
    (error: unknown) => error instanceof SfuError && error.code === "address_in_use",
  );
  await closeMux(mux);
});

/** A reader that takes what it is told to and a peer that says nothing. */
class SlowStream implements ByteStream {
  readonly taken: number[] = [];
  isClosed = false;
  #pending: { bytes: Uint8Array; resolve: (written: number) => void } | undefined;
  #endRead = () => {};

  read(): Promise<null> {
    return new Promise((resolve) => this.#endRead = () => resolve(null));
  }
  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve) => this.#pending = { bytes, resolve });
  }
  close(): void {
    this.isClosed = true;
    this.#endRead();
    this.#pending?.resolve(0);
  }
  /** Lets the write that is pending take at most `most` bytes. */
  async take(most: number): Promise<void> {
    const { bytes, resolve } = this.#pending!;
    const taken = bytes.slice(0, most);
    this.taken.push(...taken);
    this.#pending = undefined;
    resolve(taken.length);
    await settle();
  }
}

function slowPath(world: IceWorld) {
  const stream = new SlowStream();
  const limits = { ...DEFAULT_TCP_LIMITS, softQueueBytes: 1000, hardQueueBytes: 2000 };
  let ended = 0;
  const host = {
    directory: world.directory,
    clock: world.platform.clock,
    timers: world.platform.timers,
    drops: world.drops,
    log: world.platform.log,
    limits,
    isPlain: true,
    onBatchEnd: () => {},
    unnamedDone: () => {},
    ended: () => void ended++,
  };
  const path = new TcpPath(stream, { transport: "tcp", hostname: "192.0.2.9", port: 9 }, host);
  path.openPath();
  return { stream, path, ended: () => ended };
}

/** A packet of `length` bytes that `packets` would make of `kind`. */
function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes);
  return out;
}

Deno.test("TcpPath.send() drops RTP for a slow reader, but neither DTLS nor RTCP", async () => {
  const world = new IceWorld();
  const { stream, path } = slowPath(world);
  const rtp = padded(packets.rtp(1), 598);
  assert.equal(path.send(rtp, 598), true);
  assert.equal(path.send(rtp, 598), false);
  assert.equal(world.drops.get("tcp_rtp_for_slow_reader"), 1);
  assert.equal(path.send(padded(packets.dtls(2), 598), 598), true);
  assert.equal(path.send(padded(packets.rtcp(3), 98), 98), true);
  assert.equal(path.queuedBytes, 1300);
  await stream.take(10_000);
  assert.equal(path.send(padded(packets.rtp(4), 98), 98), true);
  path.close();
  assert.equal(path.send(rtp, 598), false);
  await stream.take(150);
  await stream.take(10_000);
  assert.equal(stream.isClosed, false);
  await stream.take(10_000);
  assert.equal(stream.isClosed, true, "closed once the queue is written");
  await path.done;
  const kinds: number[] = [];
  new FrameSplitter(2000).push(
    Uint8Array.from(stream.taken),
    stream.taken.length,
    (bytes) => kinds.push(bytes[0]! === 22 ? bytes[13]! : bytes[bytes[1] === 201 ? 7 : 12]!),
  );
  assert.deepEqual(kinds, [1, 2, 3, 4]);
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("TcpPath.send() closes the connection beyond the hard bound", async () => {
  const world = new IceWorld();
  const { path, stream, ended } = slowPath(world);
  const dtls = padded(packets.dtls(1), 998);
  assert.equal(path.send(dtls, 998), true);
  assert.equal(path.send(dtls, 998), true);
  assert.equal(path.send(dtls, 998), false);
  assert.equal(stream.isClosed, true);
  assert.equal(ended(), 1);
  assert.equal(world.drops.get("tcp_reader_too_slow"), 1);
  await path.done;
});

Deno.test("TcpPath.send() closes a connection whose reader is stuck", async () => {
  const world = new IceWorld();
  const { path, stream } = slowPath(world);
  const rtcp = packets.rtcp(1);
  path.send(rtcp, rtcp.length);
  path.send(rtcp, rtcp.length);
  world.platform.advance(DEFAULT_TCP_LIMITS.stuckMs - 1);
  await stream.take(1);
  world.platform.advance(DEFAULT_TCP_LIMITS.stuckMs - 1);
  assert.equal(path.send(rtcp, rtcp.length), true, "one byte of progress is progress");
  world.platform.advance(1);
  assert.equal(path.send(rtcp, rtcp.length), false);
  assert.equal(world.drops.get("tcp_reader_stuck"), 1);
  assert.equal(stream.isClosed, true);
  await path.done;
});

Deno.test("TcpPath.close() does not wait for a reader longer than its linger time", async () => {
  const world = new IceWorld();
  const { path, stream } = slowPath(world);
  path.send(packets.rtcp(1), 8);
  path.close();
  world.platform.advance(DEFAULT_TCP_LIMITS.lingerMs - 1);
  assert.equal(stream.isClosed, false);
  world.platform.advance(1);
  assert.equal(stream.isClosed, true);
  await path.done;
});

/** What a slow stream has taken, each frame by its last byte. */
function framesOf({ taken }: SlowStream): number[] {
  const frames: number[] = [];
  const splitter = new FrameSplitter(4_000);
  splitter.push(Uint8Array.from(taken), taken.length, (bytes, n) => frames.push(bytes[n - 1]!));
  return frames;
}

/** RTP of one video, of `length` bytes of which the last says `number`. */
function video(number: number, length = 500): Uint8Array {
  const bytes = padded(packets.rtp(0), length);
  bytes[length - 1] = number;
  return bytes;
}

function commit(path: TcpPath, bytes: Uint8Array, kind: SendKind): void {
  path.reserve()!.set(bytes);
  path.commit(bytes.length, kind);
}

Deno.test("TcpPath lets audio overtake the video that waits for a slow reader", async () => {
  const world = new IceWorld();
  const { stream, path } = slowPath(world);
  commit(path, video(1), SendKind.video);
  commit(path, video(2, 300), SendKind.video);
  commit(path, video(3, 60), SendKind.other);
  while (stream.taken.length < 866) await stream.take(100);
  // The first one was being written before there was anything else.
  assert.deepEqual(framesOf(stream), [1, 3, 2]);
  path.close();
  await path.done;
});

Deno.test("TcpPath leaves out video that waited a second, and says when it takes it again", async () => {
  const world = new IceWorld();
  const { stream, path } = slowPath(world);
  let gaps = 0;
  path.owner = { receive() {}, videoGap: () => void gaps++ } satisfies PathOwner;
  commit(path, video(1, 100), SendKind.video);
  commit(path, video(2, 100), SendKind.video);
  commit(path, video(3, 100), SendKind.other);
  world.platform.advance(1_001);
  commit(path, video(4, 100), SendKind.video);
  commit(path, video(5, 100), SendKind.other);
  assert.equal(world.drops.get("tcp_video_too_old"), 1);
  assert.equal(world.drops.get("tcp_rtp_for_slow_reader"), 1);
  // (A frame's header was left out with each.)
  assert.equal(path.droppedBytes, 204);
  while (stream.taken.length < 306) {
    assert.equal(gaps, 0);
    await stream.take(102);
  }
  assert.deepEqual([framesOf(stream), gaps, path.queuedBytes], [[1, 3, 5], 1, 0]);
  commit(path, video(6, 100), SendKind.video);
  await stream.take(102);
  assert.deepEqual([framesOf(stream).at(-1), gaps], [6, 1]);
  path.close();
  await path.done;
});

Deno.test("TcpPath.outdate() takes out the video of which a new picture begins", async () => {
  const world = new IceWorld();
  const { stream, path } = slowPath(world);
  commit(path, video(1, 100), SendKind.video);
  commit(path, video(2, 100), SendKind.video);
  const ssrc = new DataView(video(1).buffer).getUint32(8);
  assert.equal(path.outdate(ssrc), false, "nobody is slow yet");
  world.platform.advance(200);
  assert.equal(path.outdate(ssrc + 1), false);
  assert.equal(path.outdate(ssrc), true);
  commit(path, video(3, 100), SendKind.video);
  while (stream.taken.length < 204) await stream.take(102);
  assert.deepEqual(framesOf(stream), [1, 3]);
  path.close();
  await path.done;
});
