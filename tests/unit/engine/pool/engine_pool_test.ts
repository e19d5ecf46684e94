import assert from "node:assert/strict";
import { DataPacket } from "@livekit/protocol";
import { SfuError } from "../../../../lib/base/errors.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import type { EngineCommand } from "../../../../lib/engine/messages/engine_messages.ts";
import { DEFAULT_PLACEMENT } from "../../../../lib/engine/pool/placement.ts";
import { dataMember } from "../../../support/virtual/data_plane_world.ts";
import { type CommandOf, FAKE_ENGINE_READY } from "../../../support/virtual/fake_engine.ts";
import {
  addAudio,
  connection,
  downTrack,
  FakePool,
  type FakePooledEngine,
  openConnection,
  receiveAudio,
} from "../../../support/virtual/fake_pool.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";

const ENGINES = 3;
const upTrack = (n: number) => `U${n}` as UpTrackId;

const open = (id: ConnectionId, placement = "room") => openConnection(id, placement);
const started = (placement?: typeof DEFAULT_PLACEMENT) => FakePool.started(ENGINES, placement);

/** Up-tracks that an engine makes of what another sends, as `up-track from`. */
function receiving(engine: FakePooledEngine): string[] {
  const live = new Set<string>();
  for (const command of engine.commands) {
    if (command.type === "receive_relay") live.add(`${command.upTrack} ${command.from}`);
    if (command.type !== "end_relay") continue;
    for (const relay of live) if (relay.startsWith(`${command.upTrack} `)) live.delete(relay);
  }
  return [...live].sort();
}

/** Up-tracks that an engine sends to others, as `up-track to`. */
function sending(engine: FakePooledEngine): string[] {
  const live = new Set<string>();
  for (const command of engine.commands) {
    if (command.type === "send_relay") live.add(`${command.upTrack} ${command.to}`);
    if (command.type === "stop_relay") live.delete(`${command.upTrack} ${command.to}`);
  }
  return [...live].sort();
}

/** What should be: the naive model keeps everything and derives each engine's part anew. */
class Model {
  readonly homes = new Map<ConnectionId, number>();
  readonly ups = new Map<UpTrackId, ConnectionId>();
  readonly downs = new Map<DownTrackId, { to: ConnectionId; up: UpTrackId }>();

  close(id: ConnectionId): void {
    this.homes.delete(id);
    for (const [up, from] of this.ups) if (from === id) this.ups.delete(up);
    for (const [down, { to }] of this.downs) if (to === id) this.downs.delete(down);
  }

  lose(engine: number): ConnectionId[] {
    const lost = [...this.homes].filter(([, home]) => home === engine).map(([id]) => id);
    for (const id of lost) this.close(id);
    return lost;
  }

  /** `up-track from to` for each crossing there should be. */
  crossings(): { up: UpTrackId; from: number; to: number }[] {
    const found = new Map<string, { up: UpTrackId; from: number; to: number }>();
    for (const { to, up } of this.downs.values()) {
      const publisher = this.ups.get(up);
      if (publisher === undefined) continue;
      const [from, there] = [this.homes.get(publisher)!, this.homes.get(to)!];
      if (from !== there) found.set(`${up} ${there}`, { up, from, to: there });
    }
    return [...found.values()];
  }
}

function assertCrossings(world: FakePool, model: Model, step: string): void {
  const wanted = model.crossings();
  for (const [index, engine] of world.engines.entries()) {
    const inbound = wanted.filter(({ to }) => to === index).map(({ up, from }) => `${up} ${from}`);
    const outbound = wanted.filter(({ from }) => from === index).map(({ up, to }) => `${up} ${to}`);
    assert.deepEqual(receiving(engine), inbound.sort(), `${step}: received by ${index}`);
    assert.deepEqual(sending(engine), outbound.sort(), `${step}: sent by ${index}`);
  }
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`EnginePool carries out random commands as the model says, seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const below = (n: number) => random.uint32() % n;
    const world = await started();
    const model = new Model();
    const anyConnection = () => connection(below(12));
    for (let step = 0; step < 300; step++) {
      const before = world.engines.map((engine) => engine.commands.length);
      const told = (type: EngineCommand["type"]) =>
        world.engines.flatMap((engine, index) =>
          engine.commands.slice(before[index]).filter((command) => command.type === type)
            .map(() => index)
        );
      const kind = below(9);
      if (kind <= 1) {
        const id = anyConnection();
        const fresh = !model.homes.has(id);
        world.pool.send(open(id, `room ${below(3)}`));
        const [home] = told("open_connection");
        assert.equal(home !== undefined, fresh, `step ${step}`);
        if (home !== undefined) model.homes.set(id, home);
      } else if (kind === 2) {
        const id = anyConnection();
        const kept = [...model.ups].filter(([, from]) => from === id).map(([up]) => up)
          .filter(() => below(2) === 0);
        const all = below(2) === 0 ? kept : [...kept, upTrack(step)];
        world.pool.send(receiveAudio(id, ...all));
        const home = model.homes.get(id);
        assert.deepEqual(told("set_receive"), home === undefined ? [] : [home], `step ${step}`);
        if (home === undefined) continue;
        for (const [up, from] of model.ups) {
          if (from === id && !all.includes(up)) model.ups.delete(up);
        }
        for (const up of all) model.ups.set(up, id);
      } else if (kind <= 5) {
        const [to, down] = [anyConnection(), downTrack(below(40))];
        const ups = [...model.ups.keys()];
        const up = ups[below(ups.length + 1)] ?? upTrack(-1);
        const home = model.homes.get(to);
        const taken = home !== undefined && model.ups.has(up) && !model.downs.has(down);
        world.pool.send(addAudio(to, down, up));
        assert.deepEqual(told("add_down_track"), taken ? [home] : [], `step ${step}`);
        if (taken) model.downs.set(down, { to, up });
      } else if (kind === 6) {
        const down = downTrack(below(40));
        const ups = [...model.ups.keys()];
        const up = ups[below(ups.length + 1)] ?? upTrack(-1);
        const known = model.downs.get(down);
        world.pool.send({ type: "set_down_track_source", downTrack: down, upTrack: up });
        const taken = known !== undefined && model.ups.has(up);
        const home = known && model.homes.get(known.to);
        assert.deepEqual(told("set_down_track_source"), taken ? [home] : [], `step ${step}`);
        if (taken) model.downs.set(down, { ...known, up });
      } else if (kind === 7) {
        const down = downTrack(below(40));
        const known = model.downs.get(down);
        world.pool.send({ type: "remove_down_track", downTrack: down });
        const home = known && model.homes.get(known.to);
        assert.deepEqual(told("remove_down_track"), known ? [home] : [], `step ${step}`);
        model.downs.delete(down);
      } else if (below(4) > 0) {
        const id = anyConnection();
        const home = model.homes.get(id);
        if (below(2) === 0) world.pool.send({ type: "close_connection", connection: id });
        else if (home !== undefined) {
          world.engines[home]!.emit({
            type: "connection_failed",
            connection: id,
            reason: "ice_timeout",
          });
        }
        model.close(id);
      } else {
        const index = below(ENGINES);
        const events = world.events.length;
        const lost = model.lose(index);
        world.engines[index]!.onLost("the test said so");
        assert.deepEqual(
          world.events.slice(events).map((event) => "connection" in event && event.connection),
          lost,
        );
        await world.platform.advanceAsync(30_000, 10_000);
      }
      assertCrossings(world, model, `step ${step}`);
    }
    await world.pool.close();
    assert.equal(world.platform.pendingTimers, 0);
  });
}

Deno.test("EnginePool joins two engines by rings once, and anew when one was lost", async () => {
  const world = await started();
  const rings = () =>
    world.engines.map((engine) => engine.of("connect_relay").map(({ peer }) => peer.index));
  for (const n of [0, 1]) world.pool.send(open(connection(n)));
  world.pool.send(receiveAudio(connection(0), upTrack(0), upTrack(1)));
  for (const n of [0, 1]) world.pool.send(addAudio(connection(1), downTrack(n), upTrack(n)));
  assert.deepEqual(rings(), [[1], [0], []]);
  const order = world.engines[1]!.commands.map(({ type }) => type);
  assert.ok(order.indexOf("connect_relay") < order.indexOf("receive_relay"));
  assert.ok(order.indexOf("receive_relay") < order.indexOf("add_down_track"));
  world.engines[1]!.onLost("gone");
  await world.platform.advanceAsync(1_000, 100);
  world.pool.send(open(connection(2)));
  world.pool.send(open(connection(3)));
  const back = [2, 3].map(connection).find((id) => world.homeOf(id) === 1)!;
  world.pool.send(addAudio(back, downTrack(9), upTrack(0)));
  assert.deepEqual(rings()[1], [0], "the new engine is told");
  assert.deepEqual(rings()[0], [1, 1], "the old one is told again");
});

/** Member `n` publishes on connection 2n and receives on 2n + 1. */
function member(n: number, room = 1): EngineCommand {
  const [publisher, receiver] = [connection(2 * n), connection(2 * n + 1)];
  const data = dataMember(`m${n}`, { member: n, room, publisher, receiver });
  return { type: "set_data_member", data, placement: `room ${room}` };
}

/** What an engine knows now: member → where its receiver is, `here` or an engine. */
function membersOf(engine: FakePooledEngine): Record<number, number | "here"> {
  const known: Record<number, number | "here"> = {};
  for (const command of engine.commands) {
    if (command.type === "set_data_member") {
      known[command.data.member] = command.data.elsewhere ?? "here";
    } else if (command.type === "remove_data_member") delete known[command.member];
  }
  return known;
}

Deno.test("EnginePool tells of a room's members every engine that has a connection of it", async () => {
  const world = await started();
  for (const n of [1, 3, 5]) world.pool.send(open(connection(n)));
  const [a, b, c] = [1, 3, 5].map((n) => world.homeOf(connection(n))) as [number, number, number];
  assert.equal(new Set([a, b, c]).size, ENGINES);
  for (const n of [0, 1]) world.pool.send(member(n));
  const known = () => world.engines.map(membersOf);
  assert.deepEqual(known()[a], { 0: "here", 1: b });
  assert.deepEqual(known()[b], { 0: a, 1: "here" });
  assert.deepEqual(known()[c], {});
  const order = world.engines[a]!.commands.map(({ type }) => type);
  assert.ok(order.indexOf("connect_relay") < order.lastIndexOf("set_data_member"));
  world.pool.send({
    type: "send_room_data",
    room: 1,
    kind: "reliable",
    bytes: new DataPacket().toBinary(),
  });
  assert.deepEqual(world.engines.map((engine) => engine.of("send_room_data").length), [
    ...[0, 1, 2].map((index) => index === c ? 0 : 1),
  ]);
  // In another room: only who has something to do with that knows it.
  world.pool.send(member(2, 2));
  world.pool.send(member(0, 2));
  assert.deepEqual(known()[a], { 0: "here", 2: c });
  assert.deepEqual(known()[b], { 1: "here" });
  assert.deepEqual(known()[c], { 0: a, 2: "here" });
  world.pool.send({ type: "remove_data_member", member: 0 });
  assert.deepEqual(known()[a], {});
  assert.deepEqual(known()[c], { 2: "here" });
});

Deno.test("EnginePool lets a moved member keep its place where both rooms are known", async () => {
  const world = await started();
  for (const n of [1, 3]) world.pool.send(open(connection(n)));
  for (const [n, room] of [[0, 1], [1, 2]] as const) world.pool.send(member(n, room));
  const home = world.engines[world.homeOf(connection(1))]!;
  world.pool.send(member(0, 2));
  assert.equal(home.of("remove_data_member").filter(({ member }) => member === 0).length, 0);
  assert.equal(home.of("set_data_member").findLast(({ data }) => data.member === 0)!.data.room, 2);
});

Deno.test("EnginePool keeps a place for a member's receiving connection, until it goes", async () => {
  const world = await started();
  world.pool.send(member(0));
  const home = world.engines.findIndex((engine) => engine.of("set_data_member").length > 0);
  assert.deepEqual(membersOf(world.engines[home]!), { 0: "here" });
  world.pool.send(open(connection(1), "room 1"));
  assert.equal(world.homeOf(connection(1)), home);
  // The publisher's comes on another engine: that one must know where its data goes.
  world.pool.send(open(connection(0), "room 1"));
  const away = world.homeOf(connection(0));
  assert.notEqual(away, home);
  assert.deepEqual(membersOf(world.engines[away]!), { 0: home });
  world.pool.send({ type: "close_connection", connection: connection(0) });
  assert.deepEqual(membersOf(world.engines[away]!), {});
  world.pool.send(member(7));
  assert.notEqual(world.pool.addressesOf(connection(15)).length, 0);
  world.pool.send({ type: "remove_data_member", member: 7 });
  assert.deepEqual(world.pool.addressesOf(connection(15)), [], "its place is free again");
});

Deno.test("EnginePool tells the others of a lost engine, and of its rooms when it is back", async () => {
  const world = await started();
  for (const n of [1, 3]) world.pool.send(open(connection(n)));
  for (const n of [0, 1]) world.pool.send(member(n));
  const [a, b] = [1, 3].map((n) => world.homeOf(connection(n))) as [number, number];
  world.engines[b]!.onLost("gone");
  assert.deepEqual(membersOf(world.engines[a]!), { 0: "here", 1: -1 });
  assert.deepEqual(world.engines[a]!.of("disconnect_relay").map(({ index }) => index), [b]);
  await world.platform.advanceAsync(1_000, 100);
  for (const n of [20, 21, 22]) world.pool.send(open(connection(n)));
  const back = [20, 21, 22].find((n) => world.homeOf(connection(n)) === b)!;
  const data = dataMember("new", { member: 9, receiver: connection(back) });
  world.pool.send({ type: "set_data_member", data });
  assert.deepEqual(membersOf(world.engines[b]!), { 0: a, 1: -1, 9: "here" });
  assert.deepEqual(membersOf(world.engines[a]!), { 0: "here", 1: -1, 9: b });
  assert.equal(world.engines[a]!.of("connect_relay").length, 2, "joined anew");
});

Deno.test("EnginePool completes routes of data tracks when a receiver is placed, and ends them", async () => {
  const world = await started();
  const [publisher, early, late] = [0, 1, 2].map(connection) as [
    ConnectionId,
    ConnectionId,
    ConnectionId,
  ];
  world.pool.send(open(publisher));
  world.pool.send(open(early));
  const receivers = [early, late].map((id, i) => ({ connection: id, handle: 10 + i }));
  const type = "set_data_track_routes";
  world.pool.send({ type, connection: publisher, routes: [{ handle: 1, receivers }] });
  world.pool.send(open(late));
  const last = (index: number) => world.engines[index]!.of(type).at(-1)?.routes;
  const [home, first, second] = [publisher, early, late].map((id) => world.homeOf(id));
  assert.equal(new Set([home, first, second]).size, 3);
  assert.deepEqual(last(home!), [{ handle: 1, receivers: [], engines: [first, second] }]);
  const sources = world.engines.map((engine) => engine.of(type).at(-1)?.source);
  assert.ok(sources[0] !== undefined && sources.every((source) => source === sources[0]));
  assert.deepEqual(last(first!), [{ handle: 1, receivers: [receivers[0]] }]);
  assert.deepEqual(last(second!), [{ handle: 1, receivers: [receivers[1]] }]);
  const engines = [first!, second!];
  const joined = world.engines[home!]!.of("connect_relay").map(({ peer }) => peer.index);
  assert.deepEqual(joined.sort(), engines.toSorted());
  world.pool.send({ type: "close_connection", connection: publisher });
  for (const index of engines) assert.deepEqual(last(index), []);
});

Deno.test("EnginePool tells all engines how much audio a room forwards, and those that come back", async () => {
  const world = await started();
  const limit = (room: string, tracks: number) =>
    world.pool.send({ type: "limit_audio", room, tracks });
  const told = (index: number) =>
    world.engines[index]!.of("limit_audio").map(({ room, tracks }) => `${room} ${tracks}`);
  limit("RM_a", 8);
  limit("RM_b", 3);
  limit("RM_b", 0);
  for (const index of [0, 1, 2]) assert.deepEqual(told(index), ["RM_a 8", "RM_b 3", "RM_b 0"]);
  world.engines[1]!.onLost("gone");
  await world.platform.advanceAsync(1_000, 100);
  assert.deepEqual(told(1), ["RM_a 8"]);
});

Deno.test("EnginePool answers one request for figures with those of all engines, dead ones left out", async () => {
  const world = await started();
  world.drops.count("at_the_pool", 2);
  world.pool.send({ type: "request_stats", request: 5 });
  const stats = (name: string) => ({
    connections: 1,
    sockets: 2,
    datagramsSent: 10,
    messagesSent: 3,
    forwardLatencyUs: [name === "a" ? 100 : 200],
    sendPaths: [],
    relays: [],
    upTracks: [{ upTrack: name as UpTrackId, layers: [] }],
    downTracks: [],
    drops: { in_a_track: 1 },
  });
  world.engines[0]!.emit({ type: "stats", request: 5, stats: stats("a") });
  world.engines[1]!.emit({ type: "stats", request: 5, stats: stats("b") });
  assert.deepEqual(world.events, []);
  world.engines[2]!.onLost("gone");
  assert.deepEqual(world.events, [{
    type: "stats",
    request: 5,
    stats: {
      connections: 2,
      sockets: 4,
      datagramsSent: 20,
      messagesSent: 6,
      forwardLatencyUs: [100, 200],
      sendPaths: [],
      relays: [],
      upTracks: ["a", "b"].map((upTrack) => ({ upTrack, layers: [] })),
      downTracks: [],
      drops: { in_a_track: 2, at_the_pool: 2, media_worker_lost: 1 },
    },
  }]);
});

Deno.test("EnginePool describes connections with the addresses that its engines found last", async () => {
  const world = await started();
  const ids = [connection(0), connection(1), connection(2)];
  for (const [index, id] of ids.entries()) world.pool.send(open(id, `room ${index}`));
  const addresses = [{ protocol: "udp", hostname: "203.0.113.7", port: 7883 }] as const;
  const changed = ids.find((id) => world.homeOf(id) === 1)!;
  const other = ids.find((id) => world.homeOf(id) !== 1)!;
  const before = world.pool.addressesOf(other);
  const hosts = ["203.0.113.7"];
  const relays = [{ addresses: [{ hostname: "203.0.113.7", port: 7883 }] }];
  world.engines[1]!.emit({ type: "addresses_changed", addresses, hosts, relays });
  const tcp = { protocol: "tcp", hostname: "203.0.113.7", port: 7881 } as const;
  assert.deepEqual(world.pool.addressesOf(changed), [...addresses, tcp]);
  assert.deepEqual(world.pool.addressesOf(other), [...before, tcp]);
  const told = world.events.find(({ type }) => type === "addresses_changed");
  assert.ok(told?.type === "addresses_changed");
  assert.deepEqual(told.hosts, hosts);
  const others = world.engines.slice(1).flatMap(() => FAKE_ENGINE_READY.relays);
  assert.deepEqual(told.relays, [others[0], ...relays, ...others.slice(1)]);
  assert.deepEqual(told.addresses, [
    ...world.engines.flatMap((_, index) => index === 1 ? addresses : FAKE_ENGINE_READY.addresses),
    tcp,
  ]);
});

Deno.test("EnginePool fails connections while no engine lives, and tries again after longer and longer", async () => {
  const world = await started(DEFAULT_PLACEMENT);
  world.refusal = new SfuError("address_in_use", "taken");
  for (const engine of [...world.engines]) engine.onLost("gone");
  world.pool.send(open(connection(0)));
  assert.deepEqual(world.pool.addressesOf(connection(0)), []);
  assert.deepEqual(world.events, []);
  await world.platform.advanceAsync(90, 10);
  assert.deepEqual(world.events, [
    { type: "connection_failed", connection: connection(0), reason: "worker_lost" },
  ]);
  await world.platform.advanceAsync(10, 10);
  assert.deepEqual(world.taken, [0, 1, 2]);
  await world.platform.advanceAsync(390, 10);
  assert.equal(world.taken.length, 3);
  world.refusal = undefined;
  await world.platform.advanceAsync(20, 10);
  world.pool.send(open(connection(1)));
  assert.ok(world.homeOf(connection(1)) >= 0);
  assert.equal(world.drops.get("media_worker_lost"), 3);
});

Deno.test("EnginePool.start() closes what was started when one engine refuses", async () => {
  const world = new FakePool(ENGINES);
  world.refusal = new SfuError("address_in_use", "taken");
  await assert.rejects(world.pool.start(), { code: "address_in_use" });
  await settle();
  const command: CommandOf<"request_stats"> = { type: "request_stats", request: 1 };
  world.pool.send(command);
  assert.deepEqual(world.engines.flatMap(({ commands }) => commands), []);
});
