/** What a pool makes of data tracks that cross between nodes: who asks, who sends, and to whom. */
import assert from "node:assert/strict";
import {
  type ConnectionId,
  type DataTrackId,
  dataTrackId,
  type NodeId,
} from "../../../../lib/base/ids.ts";
import type { EngineCommand } from "../../../../lib/engine/messages/engine_messages.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import type { NodeCommand } from "../../../../lib/engine/messages/node_messages.ts";
import type { CommandOf } from "../../../support/virtual/fake_engine.ts";
import { connection, FakePool, openConnection } from "../../../support/virtual/fake_pool.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const ENGINES = 3;
const HERE = "ND_here" as NodeId;
const THERE = "ND_there" as NodeId;
const HANDLE = 5;
const remote = (n: number) => dataTrackId(THERE, `DTR_${n}`);
const local = (n: number) => dataTrackId(HERE, `DTR_${n}`);

function setNode(secret = 1): NodeCommand {
  return {
    type: "set_node",
    node: THERE,
    self: HERE,
    slot: 1,
    theirSlot: 2,
    engines: [0, 1].map((i) => ({ addresses: [{ hostname: "192.0.2.9", port: 7000 + i }] })),
    secret: new Uint8Array(32).fill(secret),
  };
}

class DataPool {
  readonly fake = new FakePool(ENGINES);
  readonly homes = new Map<ConnectionId, number>();

  static async open(connections: number): Promise<DataPool> {
    const pool = new DataPool();
    await pool.fake.pool.start();
    for (let n = 0; n < connections; n++) pool.connect(n);
    pool.fake.pool.send(setNode());
    return pool;
  }

  connect(n: number): number {
    const id = connection(n);
    const opened = () => this.fake.engines.map((engine) => engine.of("open_connection").length);
    const before = opened();
    this.send(openConnection(id));
    const home = opened().findIndex((count, engine) => count > before[engine]!);
    if (home >= 0) this.homes.set(id, home);
    return home;
  }

  send(command: EngineCommand): void {
    this.fake.pool.send(command);
  }

  /** These have the track here, each under its own number as handle. */
  have(track: DataTrackId, ...receivers: number[]): void {
    this.send({
      type: "set_remote_data_track",
      track,
      handle: HANDLE,
      receivers: receivers.map((n) => ({ connection: connection(n), handle: n + 1 })),
    });
  }

  publish(n: number, tracks: readonly DataTrackId[], receivers: readonly number[] = []): void {
    this.send({
      type: "set_data_track_routes",
      connection: connection(n),
      routes: tracks.map((track, i) => ({
        handle: i + 1,
        track,
        receivers: receivers.map((n) => ({ connection: connection(n), handle: n + 1 })),
      })),
    });
  }

  /** What each engine knows last of a track of another node. */
  relayed(track: DataTrackId): (CommandOf<"set_relayed_data_track"> | undefined)[] {
    return this.fake.engines.map((engine) => {
      const last = engine.of("set_relayed_data_track").findLast((one) => one.track === track);
      return last?.route === undefined ? undefined : last;
    });
  }

  /** Where engines say that tracks published on `n` go among other nodes: `track hop`. */
  sent(n: number): string[] {
    const { commands } = this.fake.engines[this.homes.get(connection(n))!]!;
    const offered = new Set<string>();
    for (const command of commands) {
      if (command.type === "send_relay") offered.add(`${command.upTrack} ${command.to}`);
      if (command.type === "stop_relay") offered.delete(`${command.upTrack} ${command.to}`);
      if (command.type === "disconnect_relay") {
        for (const one of offered) if (one.endsWith(` ${command.index}`)) offered.delete(one);
      }
    }
    const routes = commands.findLast((command): command is CommandOf<"set_data_track_routes"> =>
      command.type === "set_data_track_routes" && command.connection === connection(n)
    );
    const routed = (routes?.routes ?? []).flatMap(({ track, nodes = [] }) =>
      nodes.map((node) => `${track} ${node}`)
    );
    assert.deepEqual(routed.toSorted(), [...offered].toSorted(), "what is offered is routed");
    return routed;
  }

  events<T extends MediaEvent["type"]>(type: T): Extract<MediaEvent, { type: T }>[] {
    return this.fake.events.filter((event): event is Extract<MediaEvent, { type: T }> =>
      event.type === type
    );
  }
}

Deno.test("a data track of another node is asked for by one engine, while somebody has it", async () => {
  const pool = await DataPool.open(4);
  const [first, second] = [0, 1].map((n) => pool.homes.get(connection(n))!) as [number, number];
  assert.notEqual(first, second);
  pool.have(remote(0), 0);
  pool.have(remote(0), 0, 1);
  assert.deepEqual(pool.events("relay_wanted"), [
    { type: "relay_wanted", upTrack: remote(0), engine: first },
  ]);
  assert.equal(pool.relayed(remote(0))[first]!.from, undefined, "nobody sends it yet");
  pool.send({ type: "relay_from", upTrack: remote(0), node: THERE, engine: 1 });
  const [hop] = pool.fake.engines[first]!.of("connect_hop");
  assert.deepEqual(hop!.peer.other, { node: THERE, engine: 1 });
  const { from, source, route } = pool.relayed(remote(0))[first]!;
  assert.equal(from, hop!.peer.index);
  assert.deepEqual(route, {
    handle: HANDLE,
    receivers: [{ connection: connection(0), handle: 1 }],
    engines: [second],
  });
  const passed = pool.relayed(remote(0))[second]!;
  assert.deepEqual(passed.route!.receivers, [{ connection: connection(1), handle: 2 }]);
  assert.equal(passed.source, source);
  assert.equal(passed.from, undefined, "by the ring");
  pool.have(remote(0), 1);
  assert.deepEqual(pool.relayed(remote(0))[first]!.route!.receivers, []);
  pool.have(remote(0));
  assert.deepEqual(pool.relayed(remote(0)), [undefined, undefined, undefined]);
  assert.deepEqual(pool.events("relay_unwanted").map(({ upTrack }) => upTrack), [remote(0)]);
});

Deno.test("a data track is asked for when its first receiver has its place", async () => {
  const pool = await DataPool.open(0);
  pool.have(remote(0), 7);
  assert.deepEqual(pool.events("relay_wanted"), []);
  const home = pool.connect(7);
  assert.deepEqual(pool.events("relay_wanted").map(({ engine }) => engine), [home]);
  assert.equal(pool.relayed(remote(0))[home]!.route!.receivers.length, 1);
});

Deno.test("a data track goes to another node once, from its publisher's engine, until it ends", async () => {
  const pool = await DataPool.open(3);
  const home = pool.homes.get(connection(0))!;
  const want = (engine: number, upTrack = local(0)) =>
    pool.send({ type: "send_to_node", upTrack, node: THERE, engine });
  want(0);
  assert.deepEqual(pool.events("relay_sending"), [], "there is no such track");
  pool.publish(0, [local(0), local(1)], [1]);
  want(0);
  want(0);
  assert.deepEqual(pool.events("relay_sending").at(-1), {
    type: "relay_sending",
    upTrack: local(0),
    from: home,
    node: THERE,
    engine: 0,
  });
  const [hop] = pool.fake.engines[home]!.of("connect_hop");
  const order = pool.fake.engines[home]!.commands.map(({ type }) => type);
  assert.ok(order.indexOf("connect_hop") < order.indexOf("send_relay"));
  assert.deepEqual(pool.sent(0), [`${local(0)} ${hop!.peer.index}`]);
  pool.publish(0, [local(0), local(1)], [1, 2]);
  assert.deepEqual(pool.sent(0), [`${local(0)} ${hop!.peer.index}`], "others here come and go");
  want(1, local(1));
  assert.equal(pool.sent(0).length, 2);
  pool.publish(0, [local(1)], [1, 2]);
  assert.equal(pool.sent(0).length, 1, "the other was unpublished");
  pool.send({ type: "stop_to_node", upTrack: local(1), node: THERE, engine: 1 });
  assert.deepEqual(pool.sent(0), []);
  want(0, local(1));
  assert.equal(pool.sent(0).length, 1);
  pool.send({ type: "close_connection", connection: connection(0) });
  const stops = pool.fake.engines[home]!.of("stop_relay").map(({ upTrack }) => upTrack);
  assert.equal(stops.at(-1), local(1), "with its publisher");
});

Deno.test("when the engine that took a data track is lost another does", async () => {
  const pool = await DataPool.open(2);
  const [first, second] = [0, 1].map((n) => pool.homes.get(connection(n))!) as [number, number];
  pool.have(remote(0), 0, 1);
  pool.have(remote(1), 0);
  for (const n of [0, 1]) {
    pool.send({ type: "relay_from", upTrack: remote(n), node: THERE, engine: 0 });
  }
  pool.fake.engines[first]!.onLost("the test said so");
  assert.deepEqual(
    pool.events("relay_wanted").map(({ upTrack, engine }) => [upTrack, engine]),
    [[remote(0), first], [remote(1), first], [remote(0), second]],
  );
  assert.deepEqual(pool.events("relay_unwanted").map(({ upTrack }) => upTrack), [remote(1)]);
  const { route, from } = pool.relayed(remote(0))[second]!;
  assert.deepEqual([route!.receivers.length, from], [1, undefined]);
});

Deno.test("a node that begins anew is asked again, and not sent what the former one wanted", async () => {
  const pool = await DataPool.open(2);
  const home = pool.homes.get(connection(0))!;
  pool.have(remote(0), 0);
  pool.publish(0, [local(0)]);
  pool.send({ type: "relay_from", upTrack: remote(0), node: THERE, engine: 0 });
  pool.send({ type: "send_to_node", upTrack: local(0), node: THERE, engine: 0 });
  pool.send(setNode(2));
  assert.equal(pool.events("relay_wanted").length, 2);
  assert.equal(pool.relayed(remote(0))[home]!.from, undefined);
  assert.deepEqual(pool.sent(0), []);
});

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`data tracks of nodes go where receivers are, whatever comes, seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const pool = await DataPool.open(2);
    const has = new Map<DataTrackId, number[]>();
    const wanted = new Map<string, number>();
    pool.fake.pool.onEvent = (event) => {
      if (event.type === "relay_wanted") wanted.set(event.upTrack, event.engine);
      if (event.type === "relay_unwanted") assert.ok(wanted.delete(event.upTrack), "was wanted");
    };
    for (let step = 0; step < 200; step++) {
      const track = remote(random.below(3));
      const kind = random.below(8);
      if (kind <= 3) {
        const receivers = [0, 1, 2, 3, 4, 5].filter(() => random.chance(0.3));
        pool.have(track, ...receivers);
        has.set(track, receivers);
      } else if (kind === 4) {
        pool.connect(random.below(6));
      } else if (kind === 5) {
        const id = connection(random.below(6));
        pool.send({ type: "close_connection", connection: id });
        pool.homes.delete(id);
        for (const [track, receivers] of has) {
          const left = receivers.filter((n) => connection(n) !== id);
          pool.have(track, ...left);
          has.set(track, left);
        }
      } else if (kind === 6) {
        pool.send({ type: "relay_from", upTrack: track, node: THERE, engine: random.below(2) });
      } else if (random.chance(0.3)) pool.send(setNode(step));
      for (const [track, receivers] of has) {
        const placed = receivers.filter((n) => pool.homes.has(connection(n)));
        const at = pool.relayed(track).map((one) => one?.route?.receivers ?? []);
        const got = at.flatMap((receivers, engine) =>
          receivers.map(({ connection, handle }) => [connection, handle, engine])
        );
        const should = placed.map((n) => [
          connection(n),
          n + 1,
          pool.homes.get(connection(n))!,
        ]);
        assert.deepEqual(got.toSorted(), should.toSorted(), `step ${step}: ${track}`);
        assert.equal(wanted.has(track), placed.length > 0 || wanted.has(track) && has.size > 0);
        const home = wanted.get(track);
        if (placed.length === 0) continue;
        const others = new Set(placed.map((n) => pool.homes.get(connection(n))!));
        others.delete(home!);
        const route = pool.relayed(track)[home!]!.route!;
        assert.deepEqual((route.engines ?? []).toSorted(), [...others].toSorted());
      }
    }
    await pool.fake.pool.close();
  });
}
