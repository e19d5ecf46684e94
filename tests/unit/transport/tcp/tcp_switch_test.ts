import assert from "node:assert/strict";
import { DistantTcp } from "../../../../lib/transport/tcp/distant_tcp.ts";
import {
  HANDOVER_BYTES,
  type TcpFromSession,
  type TcpToSession,
} from "../../../../lib/transport/tcp/tcp_handover.ts";
import { SendKind } from "../../../../lib/transport/datagrams/datagrams.ts";
import type { ByteStream } from "../../../../lib/transport/tcp/stream_writer.ts";
import { DEFAULT_TCP_LIMITS } from "../../../../lib/transport/tcp/tcp_connection.ts";
import { TcpPath } from "../../../../lib/transport/tcp/tcp_path.ts";
import type { LendableOutlet, LentSocket } from "../../../../lib/transport/tcp/lent_socket.ts";
import {
  type Lending,
  type SwitchedPath,
  TcpSwitch,
} from "../../../../lib/transport/tcp/tcp_switch.ts";
import { FrameSplitter } from "../../../../lib/wire/stream_framing.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";
import { check, IceWorld, packets, readAnswer } from "../ice/ice_world.ts";

/** A client's TCP connection in memory. */
class MemoryStream implements ByteStream {
  readonly received: Uint8Array[] = [];
  readonly #splitter = new FrameSplitter(4096);
  #chunks: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  isClosed = false;

  /** Bytes the server has not read. */
  get unread(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0 && !this.isClosed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return null;
    into.set(chunk);
    return chunk.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    this.#splitter.push(bytes, bytes.length, (frame, n) => this.received.push(frame.slice(0, n)));
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.isClosed = true;
    this.#wake?.();
  }

  /** As the client sends one frame. */
  async send(bytes: Uint8Array): Promise<void> {
    this.#chunks.push(Uint8Array.of(bytes.length >> 8, bytes.length & 255, ...bytes));
    this.#wake?.();
    await settle();
  }
}

/** A switch, and threads as far as it knows them: each an ICE world. */
class SwitchWorld {
  readonly threads = [new IceWorld(), new IceWorld()];
  readonly ufrags = new Map<string, number>();
  readonly #distant: DistantTcp[];
  /** Messages are held back while set. */
  isSlow = false;
  readonly #held: (() => void)[] = [];
  readonly #main = new IceWorld();
  readonly sent: TcpToSession["type"][] = [];
  readonly switch = new TcpSwitch({
    threadOf: (ufrag) => this.ufrags.get(ufrag),
    post: (thread, message) => this.#post(thread, message),
    drops: this.#main.drops,
    clock: this.#main.platform.clock,
  });

  constructor() {
    this.#distant = this.threads.map(({ drops, directory, platform }, thread) => {
      const distant = new DistantTcp({
        post: (message: TcpFromSession) => this.switch.receive(thread, structuredClone(message)),
        clock: platform.clock,
        drops,
        log: platform.log,
      });
      distant.start(directory);
      return distant;
    });
  }

  get drops() {
    return this.#main.drops;
  }

  /** Connections each thread knows of. */
  get sizes(): number[] {
    return this.#distant.map(({ size }) => size);
  }

  connect() {
    const { drops, platform: { clock, timers, log } } = this.#main;
    const stream = new MemoryStream();
    const ended = { unnamed: 0, all: 0 };
    const path = new TcpPath(stream, { transport: "tcp", hostname: "192.0.2.9", port: 5000 }, {
      directory: this.switch,
      clock,
      timers,
      drops,
      log,
      limits: DEFAULT_TCP_LIMITS,
      isPlain: true,
      onBatchEnd() {},
      unnamedDone: () => ended.unnamed++,
      ended: () => ended.all++,
    });
    return { stream, path, ended };
  }

  agent(thread: number, name: string) {
    this.ufrags.set(name, thread);
    return this.threads[thread]!.agent(name);
  }

  goOn(): void {
    this.isSlow = false;
    for (const deliver of this.#held.splice(0)) deliver();
  }

  #post(thread: number, message: TcpToSession): void {
    this.sent.push(message.type);
    const copy = structuredClone(message);
    const deliver = () => this.#distant[thread]!.receive(copy);
    if (this.isSlow) this.#held.push(deliver);
    else deliver();
  }
}

Deno.test("TcpSwitch brings a connection to the thread its first request names, both ways", async () => {
  const world = new SwitchWorld();
  world.agent(0, "other");
  const { agent, local, events, received } = world.agent(1, "here");
  const { stream, path, ended } = world.connect();
  await stream.send(check(local, { useCandidate: true }));
  const answer = readAnswer(stream.received[0]!, local);
  assert.equal(answer.isSuccess, true);
  assert.deepEqual(answer.mapped, ["192.0.2.9", 5000]);
  assert.deepEqual(events, ["selected tcp 192.0.2.9:5000"]);
  assert.deepEqual([world.sizes, ended.unnamed], [[0, 1], 1]);
  await stream.send(packets.rtp(7));
  await stream.send(packets.dtls(8));
  assert.deepEqual(received, ["rtp 7 192.0.2.9:5000", "dtls 8 192.0.2.9:5000"]);
  const rtcp = packets.rtcp(9);
  assert.equal(agent.send(rtcp, rtcp.length), true);
  await settle();
  assert.deepEqual(stream.received[1], rtcp);
  agent.close();
  await path.done;
  assert.equal(stream.isClosed, true);
  assert.deepEqual([world.sizes, world.switch.size, ended.all], [[0, 0], 0, 1]);
});

Deno.test("TcpSwitch tells the session of a connection that ends", async () => {
  const world = new SwitchWorld();
  const { agent, local } = world.agent(0, "here");
  const { stream, path } = world.connect();
  await stream.send(check(local));
  assert.equal(agent.pathCount, 1);
  stream.close();
  await path.done;
  assert.deepEqual([agent.pathCount, world.sizes, world.switch.size], [0, [0, 0], 0]);
});

Deno.test("TcpSwitch lets nothing but STUN through before the session's thread let it in", async () => {
  const world = new SwitchWorld();
  const { agent, local } = world.agent(0, "here");
  const { stream, path, ended } = world.connect();
  await stream.send(check(local, { pwd: "not the password of this one" }));
  assert.equal(world.threads[0]!.drops.get("stun_bad_integrity"), 1);
  assert.deepEqual([stream.received, ended.unnamed], [[], 0]);
  await stream.send(packets.dtls(1));
  await path.done;
  assert.equal(world.drops.get("tcp_not_validated"), 1);
  assert.deepEqual([agent.pathCount, world.sizes, world.switch.size], [0, [0, 0], 0]);
});

Deno.test("TcpSwitch drops requests for nobody, and follows a stranger to another thread", async () => {
  const world = new SwitchWorld();
  const [first, second] = [world.agent(0, "first"), world.agent(1, "second")];
  const { stream, path } = world.connect();
  await stream.send(check({ ufrag: "nobody", pwd: "p".repeat(24) }));
  assert.equal(world.drops.get("stun_unknown_ufrag"), 1);
  assert.equal(world.switch.size, 0);
  await stream.send(check(first.local, { pwd: "not the password of this one" }));
  await stream.send(check(second.local));
  assert.deepEqual([first.agent.pathCount, second.agent.pathCount], [0, 1]);
  assert.deepEqual(world.sizes, [0, 1]);
  path.close();
  await path.done;
});

Deno.test("TcpSwitch does not read a client further than its thread follows", async () => {
  const world = new SwitchWorld();
  const { local, received } = world.agent(0, "here");
  const { stream, path } = world.connect();
  await stream.send(check(local));
  world.isSlow = true;
  const frame = new Uint8Array(1_200).fill(0x80, 0, 1);
  const count = 2 * HANDOVER_BYTES / frame.length | 0;
  for (let i = 0; i < count; i++) await stream.send(frame);
  assert.equal(received.length, 0);
  const unread = stream.unread;
  assert.ok(unread > 0.9 * HANDOVER_BYTES, `${unread} bytes wait in the socket`);
  world.goOn();
  await settle();
  for (let i = 0; stream.unread > 0 && i < count; i++) await settle();
  assert.equal(received.length, count);
  path.close();
  await path.done;
});

Deno.test("DistantTcp drops RTP, not DTLS, while the listening thread does not follow", () => {
  const world = new IceWorld();
  const { agent, local } = world.agent("here");
  const posted: TcpFromSession[] = [];
  const { drops, directory, platform: { clock, log } } = world;
  const distant = new DistantTcp({ post: (message) => posted.push(message), clock, drops, log });
  distant.start(directory);
  const from = { path: 1, hostname: "192.0.2.9", port: 5000 };
  distant.receive({ type: "tcp_received", protocol: "tcp", ...from, bytes: check(local) });
  const rtp = new Uint8Array(1_200).fill(0x80, 0, 1);
  let taken = 0;
  while (agent.send(rtp, rtp.length)) taken++;
  assert.ok(taken * rtp.length > HANDOVER_BYTES - 2 * rtp.length);
  assert.equal(drops.get("tcp_rtp_for_slow_reader"), 1);
  const dtls = packets.dtls(1);
  assert.equal(agent.send(dtls, dtls.length), true);
  distant.receive({ type: "tcp_taken", path: 1, bytes: HANDOVER_BYTES / 2 });
  assert.equal(agent.send(rtp, rtp.length), true);
  const large = new Uint8Array(1_200).fill(22, 0, 1);
  while (agent.send(large, large.length)) taken++;
  assert.equal(drops.get("tcp_reader_too_slow"), 1);
  assert.deepEqual(posted.at(-1), { type: "tcp_close", path: 1 });
  assert.equal(agent.pathCount, 0);
});

Deno.test("TcpSwitch.threadLost() closes the connections of that thread alone", async () => {
  const world = new SwitchWorld();
  const clients = [];
  for (const [thread, name] of ["first", "second"].entries()) {
    const { local } = world.agent(thread, name);
    const client = world.connect();
    await client.stream.send(check(local));
    clients.push(client);
  }
  world.switch.threadLost(0);
  assert.deepEqual(clients.map(({ stream }) => stream.isClosed), [true, false]);
  assert.equal(world.switch.size, 1);
  for (const { path } of clients) path.close();
  await Promise.all(clients.map(({ path }) => path.done));
});

/** A relayed address as a switch sees it, with a channel that is bound and lasts a second. */
class RelayedPath implements SwitchedPath {
  readonly protocol = "udp";
  readonly remote = { transport: "udp", hostname: "192.0.2.1", port: 50_000 } as const;
  owner: SwitchedPath["owner"];
  validator: SwitchedPath["validator"];
  pause: SwitchedPath["pause"];
  isClosed = false;
  sent = 0;

  get path(): SwitchedPath | undefined {
    return this.validator === undefined ? undefined : this;
  }

  lendable(): LendableOutlet {
    const local = { hostname: "192.0.2.1", port: 3478 };
    const remote = { hostname: "198.51.100.7", port: 40_000 };
    return { kind: "datagrams", local, remote, channel: 0x4000, forMs: 1_000 };
  }

  send(): boolean {
    this.sent++;
    return true;
  }

  reply(): void {}

  openPath(): SwitchedPath {
    return this;
  }

  reserve(): undefined {}

  commit(): void {}

  close(): void {
    this.isClosed = true;
  }
}

/** A switch with one relayed path that its thread has let in. */
function relayedWorld(lend: (outlet: LendableOutlet) => LentSocket | undefined) {
  const { drops, platform } = new IceWorld();
  const posted: TcpToSession[] = [];
  const steered: string[] = [];
  const lender: Lending = {
    lend,
    receivedBy: (thread, { channel }) => void steered.push(`${channel} to ${thread}`),
    notReceivedBy: (thread, { channel }) => void steered.push(`${channel} not to ${thread}`),
    takeBack() {},
    threadLost() {},
  };
  const all = new TcpSwitch({
    threadOf: () => 3,
    post: (_thread, message) => void posted.push(message),
    drops,
    clock: platform.clock,
    lender: () => lender,
  });
  const path = new RelayedPath();
  const request = check({ ufrag: "here", pwd: "p".repeat(24) });
  all.receiveStun(request, request.length, path, 0);
  const number = posted[0]!.type === "tcp_received" ? posted[0]!.path : -1;
  all.receive(3, { type: "tcp_opened", path: number });
  const [type, kind] = ["tcp_send", SendKind.other] as const;
  const send = () => all.receive(3, { type, kind, path: number, bytes: packets.rtcp(1) });
  const lent = () => posted.filter(({ type }) => type === "tcp_lent").length;
  return { all, path, number, posted, steered, platform, send, lent };
}

function channelOf(outlet: LendableOutlet): LentSocket {
  assert.ok(outlet.kind === "datagrams");
  return { ...outlet, fd: 9, reports: 10, family: 2 };
}

Deno.test("TcpSwitch lends a channel at once, and again when it does not hold any more", () => {
  const { platform, send, lent, path } = relayedWorld(channelOf);
  for (let i = 0; i < 20; i++) send();
  assert.deepEqual([lent(), path.sent], [1, 20]);
  platform.advance(999);
  send();
  assert.equal(lent(), 1);
  platform.advance(1);
  send();
  assert.equal(lent(), 2);
  platform.advance(1_000);
  path.owner!.receive("rtp", packets.rtp(1), 12, path, 0, 0);
  assert.equal(lent(), 3, "whoever only sends has one, too");
});

Deno.test("TcpSwitch has a channel's datagrams go to its thread from its word until the path is gone", () => {
  const { all, number, posted, steered, send, path } = relayedWorld(channelOf);
  all.receive(3, { type: "turn_receives", path: number });
  assert.deepEqual(steered, [], "nothing was lent");
  send();
  assert.deepEqual(steered, []);
  all.receive(3, { type: "turn_receives", path: number });
  all.receive(3, { type: "turn_receives", path: number });
  assert.deepEqual(steered, ["16384 to 3"]);
  all.receive(3, { type: "tcp_close", path: number });
  assert.deepEqual(steered, ["16384 to 3", "16384 not to 3"]);
  assert.deepEqual(posted.at(-1), { type: "tcp_ended", path: number });
  assert.deepEqual([all.size, path.isClosed, path.owner], [0, true, undefined]);
});

Deno.test("TcpSwitch keeps nothing of the relayed paths of a thread that is gone", () => {
  const { all, path } = relayedWorld(channelOf);
  all.threadLost(3);
  assert.deepEqual([all.size, path.isClosed], [0, true]);
});

Deno.test("TcpSwitch tries to lend ever more seldom where that fails", () => {
  let tries = 0;
  const { send } = relayedWorld(() => void tries++);
  for (let i = 0; i < 1_000; i++) send();
  // After the first message, after 32, 64, and so on.
  assert.equal(tries, 6);
});

Deno.test("TcpSwitch hands on what a thread received for the TURN server, and says so", () => {
  const { drops, platform: { clock } } = new IceWorld();
  const posted: unknown[] = [];
  const strays: Uint8Array[] = [];
  const all = new TcpSwitch({
    threadOf: () => undefined,
    post: (thread, message) => void posted.push([thread, message]),
    drops,
    clock,
    onStray: ({ bytes }) => void strays.push(bytes),
  });
  const [local, remote] = [{ hostname: "192.0.2.1", port: 3478 }, {
    hostname: "198.51.100.7",
    port: 40_000,
  }];
  const bytes = Uint8Array.of(0x40, 0, 0, 1, 7);
  all.receive(2, { type: "turn_stray", local, remote, bytes });
  assert.deepEqual(strays, [bytes]);
  assert.deepEqual(posted, [[2, { type: "turn_strays_taken", bytes: 5 }]]);
});
