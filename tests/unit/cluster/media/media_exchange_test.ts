/**
 * Several nodes, each with a real pool over engines that only remember, exchange tracks over links
 * on virtual time.
 */
import assert from "node:assert/strict";
import type { ConnectionId, DownTrackId, NodeId, UpTrackId } from "../../../../lib/base/ids.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import type { NodeLinks, RpcMethod } from "../../../../lib/cluster/link/link_ports.ts";
import { readHello, readWants } from "../../../../lib/cluster/media/exchange_messages.ts";
import { MediaExchange, originOf } from "../../../../lib/cluster/media/media_exchange.ts";
import type { EngineCommand } from "../../../../lib/engine/messages/engine_messages.ts";
import { isNodeEvent } from "../../../../lib/engine/messages/node_messages.ts";
import { type PackedValue, packMessage, unpackMessage } from "../../../../lib/wire/message_pack.ts";
import { FakePool } from "../../../support/virtual/fake_pool.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { audioSection, sendSection } from "../../../support/wire/wire_media.ts";
import { EVERYTHING } from "../../../support/wire/wire_room.ts";

const ENGINES = 2;
const PUBLISHERS = "CN_publishers" as ConnectionId;

/** One node: its media plane, and its part of the exchange. */
class Node {
  readonly pool = new FakePool(ENGINES);
  readonly exchange: MediaExchange;
  readonly methods = new Map<string, RpcMethod>();
  readonly id: NodeId;
  /** Tracks it wants, and the engine that does. */
  readonly wanted = new Map<string, number>();
  readonly downs = new Map<DownTrackId, UpTrackId>();
  readonly known = new Set<UpTrackId>();
  /** Where its engines are. */
  hostname: string;

  constructor(readonly world: World, readonly index: number, readonly region: string) {
    this.id = `ND_n${index}` as NodeId;
    this.hostname = `10.0.0.${index}`;
    const links: Pick<NodeLinks, "call" | "serve" | "facts" | "sendDatagram"> = {
      serve: (method, answer) => void this.methods.set(method, answer),
      call: (peer, method, payload, { withinMs }) =>
        world.call(this, peer, method, payload, withinMs),
      facts: (peer) => ({
        isUp: world.isUp(this.id, peer),
        protocol: 1,
        rttMs: 10,
        queuedBytes: 0,
        mediaBytes: 0,
        secret: world.secretOf(this.id, peer),
      }),
      sendDatagram: (peer, _kind, bytes) => {
        world.node(peer)?.exchange.datagram(this.id, bytes);
        return true;
      },
    };
    this.exchange = new MediaExchange({
      self: this.id,
      region,
      timers: world.platform.timers,
      log: silentLog,
      links,
      endpoints: () =>
        Array.from({ length: ENGINES }, (_, i) => ({
          addresses: [{ hostname: this.hostname, port: 7000 + i }],
        })),
      regionOf: (node) => world.node(node)?.region,
      send: (command) => this.pool.pool.send(command),
    });
    this.pool.pool.onEvent = (event) => {
      if (!isNodeEvent(event)) return;
      if (event.type === "relay_wanted") this.wanted.set(event.upTrack, event.engine);
      if (event.type === "relay_unwanted") this.wanted.delete(event.upTrack);
      this.exchange.handle(event);
    };
  }

  async start(): Promise<void> {
    await this.pool.pool.start();
    this.pool.pool.send(open(PUBLISHERS));
    for (let n = 0; n < ENGINES; n++) this.pool.pool.send(open(subscriber(n)));
  }

  publish(tracks: readonly UpTrackId[]): void {
    const sections = tracks.map((track) => audioSection("0", track));
    this.pool.pool.send({ type: "set_receive", connection: PUBLISHERS, sections });
  }

  know(upTrack: UpTrackId): void {
    this.known.add(upTrack);
    const section = audioSection("0", upTrack);
    this.pool.pool.send({ type: "add_remote_track", upTrack, section });
  }

  subscribe(downTrack: DownTrackId, upTrack: UpTrackId, on: number): void {
    if (this.downs.has(downTrack)) return;
    this.downs.set(downTrack, upTrack);
    this.pool.pool.send({
      type: "add_down_track",
      connection: subscriber(on),
      downTrack,
      upTrack,
      section: sendSection("s", "audio", 5000),
      target: EVERYTHING,
    });
  }

  unsubscribe(downTrack: DownTrackId): void {
    this.downs.delete(downTrack);
    this.pool.pool.send({ type: "remove_down_track", downTrack });
  }

  /** A node is given up, and its tracks with it. */
  forget(gone: Node): void {
    this.exchange.forget(gone.id);
    for (const upTrack of this.known) {
      if (originOf(upTrack) === gone.id) {
        this.pool.pool.send({ type: "remove_remote_track", upTrack });
      }
    }
  }

  /** From where a track comes to this node: node and engine; absent if from nowhere. */
  sourceOf(upTrack: UpTrackId): { node: NodeId; engine: number; own: number } | undefined {
    for (const [own, { commands }] of this.pool.engines.entries()) {
      let from: number | undefined;
      const hops = new Map<number, { node: NodeId; engine: number }>();
      for (const command of commands) {
        if (command.type === "connect_hop") hops.set(command.peer.index, command.peer.other);
        if (command.type === "disconnect_relay") hops.delete(command.index);
        if (command.type === "receive_relay" && command.upTrack === upTrack) from = command.from;
        if (command.type === "end_relay" && command.upTrack === upTrack) from = undefined;
      }
      const hop = from === undefined ? undefined : hops.get(from);
      if (hop !== undefined) return { ...hop, own };
    }
    return undefined;
  }

  /** What goes to other nodes: `up-track node engine`. */
  sends(): string[] {
    return this.pool.engines.flatMap(({ commands }) => {
      const live = new Set<string>();
      const hops = new Map<number, { node: NodeId; engine: number }>();
      const name = (upTrack: string, to: number) => {
        const hop = hops.get(to);
        return hop && `${upTrack} ${hop.node} ${hop.engine}`;
      };
      for (const command of commands) {
        if (command.type === "connect_hop") hops.set(command.peer.index, command.peer.other);
        if (command.type === "disconnect_relay") {
          const gone = hops.get(command.index);
          for (const one of live) {
            if (gone && one.endsWith(` ${gone.node} ${gone.engine}`)) live.delete(one);
          }
          hops.delete(command.index);
        }
        if (command.type !== "send_relay" && command.type !== "stop_relay") continue;
        const relay = name(command.upTrack, command.to);
        if (relay === undefined) continue;
        if (command.type === "send_relay") live.add(relay);
        else live.delete(relay);
      }
      return [...live];
    });
  }
}

function subscriber(n: number): ConnectionId {
  return `CN_s${n}` as ConnectionId;
}

function open(connection: ConnectionId): EngineCommand {
  const local = { ufrag: `u${connection}`, pwd: "p".repeat(24) };
  return { type: "open_connection", connection, local, dataChannels: "accept" };
}

/** Nodes with links between all of them. */
class World {
  readonly platform = new VirtualPlatform();
  readonly nodes: Node[] = [];
  readonly #down = new Set<string>();
  readonly #dead = new Set<NodeId>();
  delayMs = 10;

  static async of(regions: readonly string[]): Promise<World> {
    const world = new World();
    for (const [index, region] of regions.entries()) {
      world.nodes.push(new Node(world, index, region));
    }
    for (const node of world.nodes) await node.start();
    for (const node of world.nodes) {
      for (const peer of world.nodes) if (peer !== node) node.exchange.linkUp(peer.id);
    }
    await world.run(500);
    return world;
  }

  node(id: NodeId): Node | undefined {
    return this.#dead.has(id) ? undefined : this.nodes.find((node) => node.id === id);
  }

  isUp(a: NodeId, b: NodeId): boolean {
    return !this.#down.has([a, b].sort().join(" ")) && !this.#dead.has(a) && !this.#dead.has(b);
  }

  secretOf(a: NodeId, b: NodeId): Uint8Array {
    const secret = new Uint8Array(32);
    new TextEncoder().encodeInto([a, b].sort().join(""), secret);
    return secret;
  }

  cut(a: Node, b: Node): void {
    this.#down.add([a.id, b.id].sort().join(" "));
    a.exchange.linkDown(b.id);
    b.exchange.linkDown(a.id);
  }

  mend(a: Node, b: Node): void {
    this.#down.delete([a.id, b.id].sort().join(" "));
    a.exchange.linkUp(b.id);
    b.exchange.linkUp(a.id);
  }

  kill(node: Node): void {
    this.#dead.add(node.id);
    node.exchange.close();
    for (const other of this.alive()) other.exchange.linkDown(node.id);
  }

  alive(): Node[] {
    return this.nodes.filter(({ id }) => !this.#dead.has(id));
  }

  async call(
    from: Node,
    to: NodeId,
    method: string,
    payload: PackedValue,
    withinMs: number,
  ): Promise<PackedValue> {
    const deadline = this.platform.clock.now() + withinMs;
    await this.#wait(this.delayMs);
    if (!this.isUp(from.id, to)) {
      await this.#wait(deadline - this.platform.clock.now());
      throw new Error("timeout");
    }
    const value = unpackMessage(packMessage(payload), 1000)!;
    const answer = await this.node(to)!.methods.get(method)!(from.id, value, withinMs);
    await this.#wait(this.delayMs);
    if (!this.isUp(from.id, to)) throw new Error("lost");
    return answer;
  }

  async run(ms: number): Promise<void> {
    await this.platform.advanceAsync(ms, 5);
    await settle();
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.platform.timers.after(Math.max(0, ms), resolve));
  }
}

function track(node: number, n: number): UpTrackId {
  return `UT_n${node}.${n}` as UpTrackId;
}

const down = (n: number) => `DT_${n}` as DownTrackId;

/** Whoever uses a track gets it by a way that begins where it is published, and nothing else goes. */
function assertConverged(world: World, step: string): void {
  const sent = new Map(world.alive().map((node) => [node.id, new Set(node.sends())]));
  const expected = new Set<string>();
  for (const node of world.alive()) {
    for (const [upTrack, engine] of node.wanted) {
      const origin = originOf(upTrack as UpTrackId);
      if (world.node(origin) === undefined) continue;
      let at = node;
      for (let hops = 0; at.id !== origin; hops++) {
        assert.ok(hops < 3, `${step}: ${upTrack} goes round`);
        const source = at.sourceOf(upTrack as UpTrackId);
        assert.ok(source !== undefined, `${step}: ${upTrack} comes from nowhere to ${at.id}`);
        const relay = `${upTrack} ${at.id} ${source.own}`;
        assert.ok(sent.get(source.node)?.has(relay), `${step}: ${source.node} sends ${relay}`);
        expected.add(`${source.node}: ${relay}`);
        at = world.node(source.node)!;
      }
      assert.ok(node.sourceOf(upTrack as UpTrackId)!.own === engine);
    }
  }
  const all = [...sent].flatMap(([node, relays]) =>
    [...relays].map((relay) => `${node}: ${relay}`)
  );
  assert.deepEqual(all.sort(), [...expected].sort(), `${step}: nothing goes that nobody wants`);
}

/** Between two regions a track crosses once. */
function assertRegions(world: World): void {
  const crossings = new Map<string, number>();
  for (const node of world.alive()) {
    for (const relay of node.sends()) {
      const [upTrack, to] = relay.split(" ");
      const there = world.node(to as NodeId)?.region;
      if (there === undefined || there === node.region) continue;
      const key = `${upTrack} ${node.region} ${there}`;
      crossings.set(key, (crossings.get(key) ?? 0) + 1);
    }
  }
  for (const [key, count] of crossings) assert.equal(count, 1, key);
}

Deno.test("A track crosses to a node while somebody there wants it, once", async () => {
  const world = await World.of(["eu", "eu"]);
  const [a, b] = world.nodes as [Node, Node];
  a.publish([track(0, 1)]);
  b.know(track(0, 1));
  await world.run(500);
  assert.deepEqual(a.sends(), []);
  for (const n of [0, 1]) b.subscribe(down(n), track(0, 1), n);
  await world.run(100);
  assert.equal(a.sends().length, 1);
  assertConverged(world, "subscribed");
  for (const n of [0, 1]) b.unsubscribe(down(n));
  await world.run(100);
  assert.deepEqual(a.sends(), []);
});

Deno.test("A node that is reached elsewhere says so, and what crosses goes on there", async () => {
  const world = await World.of(["eu", "eu", "eu"]);
  const [a, b, c] = world.nodes as [Node, Node, Node];
  a.publish([track(0, 1)]);
  b.know(track(0, 1));
  b.subscribe(down(0), track(0, 1), 0);
  await world.run(500);
  const moves = ({ pool: { engines } }: Node) =>
    engines.flatMap((engine) => engine.of("move_hop").map(({ addresses }) => addresses));
  const before = b.sourceOf(track(0, 1));
  a.exchange.moved();
  await world.run(100);
  assert.deepEqual([moves(b), moves(c)], [[], []], "it is where it was");
  a.hostname = "10.0.0.77";
  world.cut(a, c);
  a.exchange.moved();
  await world.run(100);
  const { engine } = before!;
  assert.deepEqual(moves(b), [[{ hostname: "10.0.0.77", port: 7000 + engine }]]);
  assert.deepEqual(b.sourceOf(track(0, 1)), before);
  for (const { pool: { engines } } of world.nodes) {
    for (const one of engines) assert.deepEqual(one.of("disconnect_relay"), []);
  }
  // Whose link was down hears of it when that is back.
  world.mend(a, c);
  await world.run(3_000);
  c.know(track(0, 1));
  c.subscribe(down(1), track(0, 1), 0);
  await world.run(500);
  const joined = c.pool.engines.flatMap((one) => one.of("connect_hop"));
  assert.deepEqual(joined.map(({ peer }) => peer.addresses[0]!.hostname), ["10.0.0.77"]);
});

Deno.test("A track crosses between two regions once, to whoever of the region asked first", async () => {
  const world = await World.of(["eu", "us", "us", "us", "eu"]);
  world.nodes[0]!.publish([track(0, 1)]);
  for (const node of world.nodes.slice(1)) {
    node.know(track(0, 1));
    node.subscribe(down(1), track(0, 1), 0);
    await world.run(5);
  }
  await world.run(1000);
  assertConverged(world, "all");
  assertRegions(world);
  assert.equal(world.nodes[0]!.sends().length, 2, "to its neighbour and to one head");
  assert.equal(world.nodes[1]!.sends().length, 2, "the head sends on");
  // Who wants no more is head all the same, as long as others get it there.
  world.nodes[1]!.unsubscribe(down(1));
  await world.run(1000);
  assertConverged(world, "the head itself wants nothing");
  for (const n of [2, 3]) world.nodes[n]!.unsubscribe(down(1));
  await world.run(1000);
  assert.equal(world.nodes[0]!.sends().length, 1);
  world.nodes[3]!.subscribe(down(2), track(0, 1), 1);
  await world.run(1000);
  assertConverged(world, "another head");
  assert.equal(world.nodes[3]!.sourceOf(track(0, 1))!.node, world.nodes[0]!.id);
});

Deno.test("When a region's head is gone the region asks the origin, within its link's end and a round trip", async () => {
  const world = await World.of(["eu", "us", "us", "us"]);
  world.nodes[0]!.publish([track(0, 1)]);
  for (const node of world.nodes.slice(1)) {
    node.know(track(0, 1));
    node.subscribe(down(1), track(0, 1), 0);
    await world.run(50);
  }
  world.kill(world.nodes[1]!);
  await world.run(100);
  for (const n of [2, 3]) {
    assert.equal(world.nodes[n]!.sourceOf(track(0, 1))!.node, world.nodes[0]!.id, `node ${n}`);
  }
  for (const node of world.alive()) node.forget(world.nodes[1]!);
  await world.run(1000);
  assertConverged(world, "without it");
});

Deno.test("A link that ends stops no media of its own node, and what changed meanwhile is made good", async () => {
  const world = await World.of(["eu", "eu"]);
  const [a, b] = world.nodes as [Node, Node];
  a.publish([track(0, 1), track(0, 2)]);
  for (const n of [1, 2]) b.know(track(0, n));
  b.subscribe(down(1), track(0, 1), 0);
  await world.run(100);
  world.cut(a, b);
  await world.run(3000);
  assert.equal(a.sends().length, 1, "media goes on");
  b.unsubscribe(down(1));
  b.subscribe(down(2), track(0, 2), 0);
  await world.run(10_000);
  world.mend(a, b);
  await world.run(500);
  assertConverged(world, "mended");
});

Deno.test("An engine that is lost on either side is made good", async () => {
  const world = await World.of(["eu", "eu", "us", "us"]);
  world.nodes[0]!.publish([track(0, 1)]);
  for (const node of world.nodes.slice(1)) {
    node.know(track(0, 1));
    for (const n of [0, 1]) node.subscribe(down(n), track(0, 1), n);
  }
  await world.run(1000);
  assertConverged(world, "before");
  const head = world.nodes.find(({ region, pool }) =>
    region === "us" &&
    pool.engines.some(({ commands }) => commands.some(({ type }) => type === "send_relay"))
  )!;
  head.pool.engines[head.wanted.get(track(0, 1))!]!.onLost("the test said so");
  await world.run(5000);
  for (const { pool } of world.nodes) await pool.platform.advanceAsync(2000, 100);
  await world.run(5000);
  assertConverged(world, "after");
});

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`Nodes that come to want and go, with links that end, agree at last, seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const below = (n: number) => random.uint32() % n;
    const world = await World.of(["eu", "eu", "us", "us", "ap"]);
    const tracks = world.nodes.flatMap((node, n) => {
      const own = [1, 2, 3].map((i) => track(n, i));
      node.publish(own);
      return own;
    });
    for (const node of world.nodes) {
      for (const one of tracks) if (originOf(one) !== node.id) node.know(one);
    }
    for (let step = 0; step < 150; step++) {
      const alive = world.alive();
      const node = alive[below(alive.length)]!;
      const kind = below(20);
      if (kind < 10) {
        const one = tracks[below(tracks.length)]!;
        const isOthers = originOf(one) !== node.id && world.node(originOf(one)) !== undefined;
        if (isOthers) node.subscribe(down(below(12)), one, below(ENGINES));
      } else if (kind < 16) node.unsubscribe(down(below(12)));
      else if (kind < 19) {
        const other = alive[below(alive.length)]!;
        if (other !== node) {
          world.cut(node, other);
          await world.run(below(2000));
          world.mend(node, other);
        }
      } else if (alive.length > 3 && below(3) === 0) {
        world.kill(node);
        for (const other of world.alive()) other.forget(node);
      }
      await world.run(below(60));
    }
    await world.run(10_000);
    assertConverged(world, "at the end");
    for (const node of world.alive()) {
      for (const id of [...node.downs.keys()]) node.unsubscribe(id);
    }
    await world.run(3000);
    for (const node of world.alive()) assert.deepEqual(node.sends(), [], "nothing is left");
  });
}

Deno.test("What another node says of media is believed only as far as it makes sense", () => {
  const random = new SeededRandom(5);
  const values: (() => PackedValue)[] = [
    () => null,
    () => random.uint32(),
    () => -1.5,
    () => "UT_n0.1",
    () => "x".repeat(random.uint32() % 200),
    () => new Uint8Array(4),
    () => Array.from({ length: random.uint32() % 4 }, () => any(0)),
    () => ({ upTrack: any(1), engine: any(1), slot: any(1), engines: any(1), from: any(1) }),
  ];
  const any = (depth: number): PackedValue =>
    depth > 3 ? null : values[random.uint32() % values.length]!();
  for (let i = 0; i < 20_000; i++) {
    const hello = readHello(any(0));
    if (hello !== undefined) {
      assert.ok(Number.isInteger(hello.slot) && hello.slot >= 0 && hello.slot < 65_536);
    }
    for (const { upTrack, engine } of readWants(any(0)) ?? []) {
      assert.ok(upTrack.length <= 64 && engine >= 0 && engine < 256);
    }
  }
});

Deno.test("Whoever got a track from a region's head gets it elsewhere when the head leaves the room", async () => {
  const world = await World.of(["eu", "us", "us", "us"]);
  const [origin, head, ...others] = world.nodes as [Node, Node, Node, Node];
  const upTrack = track(0, 1);
  origin.publish([upTrack]);
  for (const node of [head, ...others]) {
    node.know(upTrack);
    node.subscribe(down(1), upTrack, 0);
    await world.run(200);
  }
  for (const node of others) assert.equal(node.sourceOf(upTrack)?.node, head.id);
  // Nobody there is in the room any more; it lives on, and so do its links.
  head.unsubscribe(down(1));
  head.pool.pool.send({ type: "remove_remote_track", upTrack });
  await world.run(1_000);
  assertConverged(world, "without its head");
  assertRegions(world);
});
