/** What a pool makes of commands about other nodes: relays between engines, and who is asked. */
import assert from "node:assert/strict";
import type { ConnectionId, DownTrackId, NodeId, UpTrackId } from "../../../../lib/base/ids.ts";
import type { EngineCommand } from "../../../../lib/engine/messages/engine_messages.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import type { NodeCommand } from "../../../../lib/engine/messages/node_messages.ts";
import type { CommandOf } from "../../../support/virtual/fake_engine.ts";
import {
  addAudio,
  connection,
  downTrack,
  FakePool,
  openConnection,
  receiveAudio,
} from "../../../support/virtual/fake_pool.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { audioSection } from "../../../support/wire/wire_media.ts";

const ENGINES = 3;
const HERE = "ND_here" as NodeId;
const NODES = ["ND_a", "ND_b"] as NodeId[];
const ENGINES_THERE = 2;
const remoteTrack = (n: number) => `R${n}` as UpTrackId;
const localTrack = (n: number) => `L${n}` as UpTrackId;

function setNode(n: number, secret = 1): NodeCommand {
  return {
    type: "set_node",
    node: NODES[n]!,
    self: HERE,
    slot: 0x0a01 + n,
    theirSlot: 0x0b01 + n,
    engines: Array.from({ length: ENGINES_THERE }, (_, i) => ({
      addresses: [{ hostname: "192.0.2.9", port: 7000 + 10 * n + i }],
    })),
    secret: new Uint8Array(32).fill(secret),
  };
}

function addRemote(upTrack: UpTrackId): NodeCommand {
  return { type: "add_remote_track", upTrack, section: audioSection("0", upTrack) };
}

/** One engine's side of a relay, as commands left it: up-track → where it comes from. */
function receiving(commands: readonly EngineCommand[]): Map<string, number | undefined> {
  const live = new Map<string, number | undefined>();
  for (const command of commands) {
    if (command.type === "receive_relay") live.set(command.upTrack, command.from);
    if (command.type === "end_relay") live.delete(command.upTrack);
  }
  return live;
}

function sending(commands: readonly EngineCommand[], gone: ReadonlySet<number>): Set<string> {
  const live = new Set<string>();
  for (const command of commands) {
    if (command.type === "send_relay") live.add(`${command.upTrack} ${command.to}`);
    if (command.type === "stop_relay") live.delete(`${command.upTrack} ${command.to}`);
  }
  for (const relay of live) if (gone.has(Number(relay.split(" ")[1]))) live.delete(relay);
  return live;
}

function eventsOf<T extends MediaEvent["type"]>(
  world: FakePool,
  type: T,
): Extract<MediaEvent, { type: T }>[] {
  return world.events.filter((event): event is Extract<MediaEvent, { type: T }> =>
    event.type === type
  );
}

/** A subscriber on each of two engines, and a track of node 0. */
async function twoSubscribers(): Promise<{ world: FakePool; first: number; second: number }> {
  const world = await FakePool.started(ENGINES);
  for (const n of [0, 1]) world.pool.send(openConnection(connection(n)));
  world.pool.send(setNode(0));
  world.pool.send(addRemote(remoteTrack(0)));
  const [first, second] = [0, 1].map((n) => world.homeOf(connection(n))) as [number, number];
  assert.notEqual(first, second);
  return { world, first, second };
}

Deno.test("A track of another node costs nothing until a down-track uses it, and then one engine asks", async () => {
  const { world, first, second } = await twoSubscribers();
  const quiet = () => world.engines.map(({ commands }) => commands.length);
  const before = quiet();
  world.pool.send(addRemote(remoteTrack(1)));
  assert.deepEqual(quiet(), before);
  world.pool.send(addAudio(connection(0), downTrack(0), remoteTrack(0)));
  world.pool.send(addAudio(connection(1), downTrack(1), remoteTrack(0)));
  assert.deepEqual(eventsOf(world, "relay_wanted"), [
    { type: "relay_wanted", upTrack: remoteTrack(0), engine: first },
  ]);
  const order = world.engines[first]!.commands.map(({ type }) => type);
  assert.ok(order.indexOf("receive_relay") < order.indexOf("add_down_track"));
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), node: NODES[0]!, engine: 1 });
  const [hop] = world.engines[first]!.of("connect_hop");
  assert.deepEqual(hop!.peer.other, { node: NODES[0], engine: 1 });
  assert.deepEqual(hop!.peer.own, { node: HERE, engine: first });
  assert.equal(hop!.peer.sendId, (0x0b01 << 16 | first << 8 | 1) >>> 0);
  assert.equal(hop!.peer.receiveId, (0x0a01 << 16 | 1 << 8 | first) >>> 0);
  assert.deepEqual(hop!.peer.addresses, [{ hostname: "192.0.2.9", port: 7001 }]);
  assert.ok(hop!.peer.index >= ENGINES);
  assert.equal(
    receiving(world.engines[first]!.commands).get(remoteTrack(0)),
    hop!.peer.index,
    "from the other node",
  );
  assert.equal(receiving(world.engines[second]!.commands).get(remoteTrack(0)), first, "by a ring");
  world.pool.send({ type: "remove_down_track", downTrack: downTrack(0) });
  assert.deepEqual(eventsOf(world, "relay_unwanted"), [], "the other still uses it");
  world.pool.send({ type: "remove_down_track", downTrack: downTrack(1) });
  assert.deepEqual(eventsOf(world, "relay_unwanted").map(({ upTrack }) => upTrack), ["R0"]);
  for (const { commands } of world.engines) assert.equal(receiving(commands).size, 0);
});

Deno.test("What crosses to a node's engines goes on when they are reached elsewhere", async () => {
  const { world, first, second } = await twoSubscribers();
  world.pool.send(addAudio(connection(0), downTrack(0), remoteTrack(0)));
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), node: NODES[0]!, engine: 1 });
  const [hop] = world.engines[first]!.of("connect_hop");
  const engines = [7, 8].map((n) => ({ addresses: [{ hostname: "192.0.2.77", port: 7000 + n }] }));
  world.pool.send({ type: "move_node", node: NODES[0]!, engines });
  world.pool.send({ type: "move_node", node: NODES[1]!, engines });
  const moves = world.engines.map((engine) => engine.of("move_hop"));
  const { index } = hop!.peer;
  assert.deepEqual(moves[first], [{ type: "move_hop", index, addresses: engines[1]!.addresses }]);
  assert.equal(moves.flat().length, 1, "nobody else is joined to it");
  assert.deepEqual(world.engines[first]!.of("disconnect_relay"), []);
  // Whoever is joined later is told the new place.
  world.pool.send({ type: "remove_down_track", downTrack: downTrack(0) });
  world.pool.send(receiveAudio(connection(1), localTrack(1)));
  const there = { node: NODES[0]!, engine: 0 };
  world.pool.send({ type: "send_to_node", upTrack: localTrack(1), ...there });
  const [later] = world.engines[second]!.of("connect_hop");
  assert.deepEqual(later!.peer.addresses, engines[0]!.addresses);
});

Deno.test("A track goes to another node's engine, from wherever it is, until it is unwanted", async () => {
  const { world, first } = await twoSubscribers();
  const there = { node: NODES[0]!, engine: 0 };
  world.pool.send(receiveAudio(connection(0), localTrack(0)));
  world.pool.send({ type: "send_to_node", upTrack: localTrack(0), ...there });
  world.pool.send({ type: "send_to_node", upTrack: localTrack(9), ...there });
  assert.deepEqual(eventsOf(world, "relay_sending"), [
    { type: "relay_sending", upTrack: localTrack(0), from: first, ...there },
  ]);
  const [hop] = world.engines[first]!.of("connect_hop");
  const sent = () => [...sending(world.engines[first]!.commands, new Set())];
  assert.deepEqual(sent(), [`L0 ${hop!.peer.index}`]);
  const order = world.engines[first]!.commands.map(({ type }) => type);
  assert.ok(order.indexOf("connect_hop") < order.indexOf("send_relay"));
  world.pool.send({ type: "stop_to_node", upTrack: localTrack(0), ...there });
  assert.deepEqual(sent(), []);
  world.pool.send({ type: "send_to_node", upTrack: localTrack(0), ...there });
  assert.equal(world.engines[first]!.of("connect_hop").length, 1, "joined once");
  world.pool.send(receiveAudio(connection(0)));
  assert.deepEqual(sent(), [], "it has ended");
});

Deno.test("A region's head asks for a track that only other nodes use, and stops with them", async () => {
  const { world } = await twoSubscribers();
  world.pool.send(setNode(1));
  const there = { node: NODES[1]!, engine: 1 };
  world.pool.send({ type: "send_to_node", upTrack: remoteTrack(0), ...there });
  const [wanted] = eventsOf(world, "relay_wanted");
  const [answer] = eventsOf(world, "relay_sending");
  assert.equal(answer!.from, wanted!.engine);
  const { commands } = world.engines[wanted!.engine]!;
  assert.ok(receiving(commands).has(remoteTrack(0)));
  assert.equal(receiving(commands).get(remoteTrack(0)), undefined);
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), node: NODES[0]!, engine: 0 });
  assert.notEqual(receiving(commands).get(remoteTrack(0)), undefined);
  world.pool.send({ type: "stop_to_node", upTrack: remoteTrack(0), ...there });
  assert.equal(eventsOf(world, "relay_unwanted").length, 1);
  assert.equal(receiving(commands).size, 0);
});

Deno.test("A node's new secret begins everything between the two anew, and its end leaves down-tracks waiting", async () => {
  const { world, first } = await twoSubscribers();
  world.pool.send(receiveAudio(connection(0), localTrack(0)));
  world.pool.send(addAudio(connection(0), downTrack(0), remoteTrack(0)));
  const from = { node: NODES[0]!, engine: 0 };
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), ...from });
  world.pool.send({ type: "send_to_node", upTrack: localTrack(0), ...from });
  const { commands } = world.engines[first]!;
  const before = receiving(commands).get(remoteTrack(0));
  world.pool.send(setNode(0, 2));
  assert.deepEqual(world.engines[first]!.of("disconnect_relay").map(({ index }) => index), [
    before,
  ]);
  assert.equal(eventsOf(world, "relay_wanted").length, 2, "asked again");
  assert.ok(receiving(commands).has(remoteTrack(0)));
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), ...from });
  const hops = world.engines[first]!.of("connect_hop").map(({ peer }) => peer);
  assert.deepEqual(hops.map(({ secret }) => secret[0]), [1, 2]);
  assert.equal(receiving(commands).get(remoteTrack(0)), hops[1]!.index);
  assert.notEqual(hops[1]!.index, before);
  world.pool.send({ type: "forget_node", node: NODES[0]! });
  assert.equal(receiving(commands).get(remoteTrack(0)), undefined);
  assert.ok(receiving(commands).has(remoteTrack(0)));
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), ...from });
  assert.equal(receiving(commands).get(remoteTrack(0)), undefined, "nobody is known there");
});

Deno.test("When the engine that received a track is lost another does, and other nodes are told", async () => {
  const { world, first, second } = await twoSubscribers();
  world.pool.send(addAudio(connection(0), downTrack(0), remoteTrack(0)));
  world.pool.send(addAudio(connection(1), downTrack(1), remoteTrack(0)));
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), node: NODES[0]!, engine: 0 });
  world.engines[first]!.onLost("the test said so");
  assert.deepEqual(eventsOf(world, "relay_wanted").map(({ engine }) => engine), [first, second]);
  assert.equal(receiving(world.engines[second]!.commands).get(remoteTrack(0)), undefined);
  assert.deepEqual(eventsOf(world, "relay_engine_lost").map(({ engine }) => engine), [first]);
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), node: NODES[0]!, engine: 0 });
  const { commands } = world.engines[second]!;
  assert.equal(
    receiving(commands).get(remoteTrack(0)),
    world.engines[second]!.of("connect_hop").at(-1)!.peer.index,
  );
});

Deno.test("A way to another node that nothing crosses for a minute is let go, and made again when it is used", async () => {
  const { world, first } = await twoSubscribers();
  world.pool.send(receiveAudio(connection(0), localTrack(0), localTrack(1)));
  const there = { node: NODES[0]!, engine: 0 };
  const send = (n: number) =>
    world.pool.send({ type: "send_to_node", upTrack: localTrack(n), ...there });
  const stop = (n: number) =>
    world.pool.send({ type: "stop_to_node", upTrack: localTrack(n), ...there });
  const { engines, platform } = world;
  const ways = () => engines[first]!.commands.filter(({ type }) => /connect/.test(type));
  const types = () => ways().map(({ type }) => type).filter((type) => type !== "open_connection");
  for (const n of [0, 1]) send(n);
  platform.advance(120_000);
  assert.deepEqual(types(), ["connect_hop"], "used");
  stop(0);
  platform.advance(120_000);
  assert.deepEqual(types(), ["connect_hop"], "another track uses it");
  stop(1);
  platform.advance(59_000);
  send(0);
  platform.advance(120_000);
  assert.deepEqual(types(), ["connect_hop"], "used again in time");
  stop(0);
  world.pool.send(addAudio(connection(0), downTrack(0), remoteTrack(0)));
  world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), ...there });
  platform.advance(120_000);
  assert.deepEqual(types(), ["connect_hop"], "something comes from there");
  world.pool.send({ type: "remove_down_track", downTrack: downTrack(0) });
  platform.advance(61_000);
  assert.deepEqual(types(), ["connect_hop", "disconnect_relay"]);
  send(1);
  assert.deepEqual(types(), ["connect_hop", "disconnect_relay", "connect_hop"]);
  const order = engines[first]!.commands.slice(-2).map(({ type }) => type);
  assert.deepEqual(order, ["connect_hop", "send_relay"]);
});

Deno.test("A datagram that took another way reaches the engine it is for", async () => {
  const { world, first } = await twoSubscribers();
  world.pool.send(receiveAudio(connection(0), localTrack(0)));
  world.pool.send({ type: "send_to_node", upTrack: localTrack(0), node: NODES[0]!, engine: 1 });
  const bytes = new Uint8Array([80, 1, 2]);
  const command = { type: "relay_datagram", node: NODES[0]!, ownEngine: first, bytes } as const;
  world.pool.send({ ...command, theirEngine: 1 });
  world.pool.send({ ...command, theirEngine: 9 });
  world.pool.send({ ...command, theirEngine: 1, ownEngine: 99 });
  const [hop] = world.engines[first]!.of("connect_hop");
  assert.deepEqual(world.engines[first]!.of("hop_datagram"), [
    { type: "hop_datagram", index: hop!.peer.index, bytes },
  ]);
});

/** Who uses what, kept naively; each engine's part is derived anew. */
class Model {
  readonly homes = new Map<ConnectionId, number>();
  readonly remotes = new Set<UpTrackId>();
  readonly downs = new Map<DownTrackId, { to: ConnectionId; up: UpTrackId }>();
  /** `up-track node engine` */
  readonly out = new Set<string>();

  usersOf(up: UpTrackId): Set<number> {
    const engines = new Set<number>();
    for (const down of this.downs.values()) {
      if (down.up === up) engines.add(this.homes.get(down.to)!);
    }
    return engines;
  }

  isUsed(up: UpTrackId): boolean {
    return this.usersOf(up).size > 0 || [...this.out].some((one) => one.startsWith(`${up} `));
  }
}

/** What the control plane of this node and its peers would do, with whatever the pool says. */
function assertAsModel(world: FakePool, model: Model, wanted: Map<string, number>, step: string) {
  for (const up of model.remotes) {
    const users = model.usersOf(up);
    assert.equal(wanted.has(up), model.isUsed(up), `${step}: ${up} is wanted iff it is used`);
    const head = wanted.get(up);
    const has = world.engines.map((engine) => receiving(engine.commands).has(up));
    const should = world.engines.map((_, index) => index === head || users.has(index));
    assert.deepEqual(has, should, `${step}: who has ${up}`);
    for (const user of users) {
      if (user === head) continue;
      assert.equal(receiving(world.engines[user]!.commands).get(up), head, `${step}: ${up}`);
    }
  }
}

for (let seed = 1; seed <= 12; seed++) {
  Deno.test(`A pool among nodes does what the model says, seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const below = (n: number) => random.uint32() % n;
    const world = await FakePool.started(ENGINES);
    const model = new Model();
    const wanted = new Map<string, number>();
    world.pool.onEvent = (event) => {
      if (event.type === "relay_wanted") wanted.set(event.upTrack, event.engine);
      if (event.type === "relay_unwanted") {
        assert.ok(wanted.delete(event.upTrack), "what was wanted");
      }
    };
    for (const n of NODES.keys()) world.pool.send(setNode(n));
    for (let step = 0; step < 300; step++) {
      const up = remoteTrack(below(6));
      const there = { node: NODES[below(2)]!, engine: below(ENGINES_THERE) };
      const kind = below(10);
      if (kind === 0) {
        const id = connection(below(8));
        world.pool.send(openConnection(id));
        model.homes.set(id, world.homeOf(id));
      } else if (kind === 1) {
        world.pool.send(addRemote(up));
        model.remotes.add(up);
      } else if (kind === 2 && below(3) === 0) {
        world.pool.send({ type: "remove_remote_track", upTrack: up });
        model.remotes.delete(up);
        for (const [down, place] of model.downs) if (place.up === up) model.downs.delete(down);
        for (const out of model.out) if (out.startsWith(`${up} `)) model.out.delete(out);
        // Their down-tracks stay without a source; clients' are removed by the rooms.
        for (let n = 0; n < 30; n++) {
          if (![...model.downs.keys()].includes(downTrack(n))) {
            world.pool.send({ type: "remove_down_track", downTrack: downTrack(n) });
          }
        }
      } else if (kind <= 5) {
        const [to, down] = [connection(below(8)), downTrack(below(30))];
        const taken = model.homes.has(to) && model.remotes.has(up) && !model.downs.has(down);
        world.pool.send(addAudio(to, down, up));
        if (taken) model.downs.set(down, { to, up });
      } else if (kind === 6) {
        const down = downTrack(below(30));
        world.pool.send({ type: "remove_down_track", downTrack: down });
        model.downs.delete(down);
      } else if (kind === 7) {
        const name = `${up} ${there.node} ${there.engine}`;
        if (below(2) === 0) {
          world.pool.send({ type: "send_to_node", upTrack: up, ...there });
          if (model.remotes.has(up)) model.out.add(name);
        } else {
          world.pool.send({ type: "stop_to_node", upTrack: up, ...there });
          model.out.delete(name);
        }
      } else if (kind === 8) {
        world.pool.send({ type: "relay_from", upTrack: up, ...there });
      } else if (below(4) === 0) {
        const n = below(2);
        world.pool.send(setNode(n, step));
        for (const out of model.out) if (out.includes(NODES[n]!)) model.out.delete(out);
      }
      assertAsModel(world, model, wanted, `step ${step}`);
    }
    await world.pool.close();
  });
}

Deno.test("Engines of two nodes are joined once, however often something crosses", async () => {
  const { world } = await twoSubscribers();
  for (let round = 0; round < 5; round++) {
    world.pool.send(addAudio(connection(0), downTrack(round), remoteTrack(0)));
    world.pool.send({ type: "relay_from", upTrack: remoteTrack(0), node: NODES[0]!, engine: 0 });
    world.pool.send({ type: "remove_down_track", downTrack: downTrack(round) });
  }
  const hops: CommandOf<"connect_hop">[] = world.engines.flatMap((engine) =>
    engine.of("connect_hop")
  );
  assert.equal(hops.length, 1);
});
