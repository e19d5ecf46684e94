import assert from "node:assert/strict";
import type { NodeId } from "../../../../lib/base/ids.ts";
import {
  LinkError,
  type RoomPeerStream,
  type SharedRoom,
} from "../../../../lib/cluster/link/link_ports.ts";
import type { PackedValue } from "../../../../lib/wire/message_pack.ts";
import { type LinkNode, LinkWorld } from "../../../support/virtual/link_world.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const NODES = 4;
const ROOMS = ["r", "s", "t"];
const STEPS = 250;
const SEEDS = Array.from({ length: 30 }, (_, n) => 1 + n * 7919);

/** Stays (from, to) between which data may be missing, because one has given the other one up. */
const givenUp = new Set<string>();

/** One stay of a node in a room: what it says of itself is its number and how often it changed. */
class Stay implements RoomPeerStream {
  static count = 0;
  readonly life = ++Stay.count;
  changes = 0;
  room!: SharedRoom;
  /** What is known of the others. */
  readonly view = new Map<NodeId, { life: number; changes: number }>();
  readonly away = new Set<NodeId>();
  /** Data to the stay of another node, by its node; and last number from a stay, by that. */
  readonly sent = new Map<NodeId, number>();
  readonly received = new Map<number, number>();
  isOver = false;

  constructor(readonly node: LinkNode, readonly name: string) {}

  snapshot = (): PackedValue => [this.life, this.changes];

  onSnapshot = (peer: NodeId, value: PackedValue): void => {
    assert.equal(this.isOver, false);
    assert.equal(this.away.has(peer), false, "a snapshot of somebody away");
    const [life, changes] = value as [number, number];
    this.view.set(peer, { life, changes });
  };

  onChange = (peer: NodeId, value: PackedValue): void => {
    const known = this.view.get(peer);
    const [life, changes] = value as [number, number];
    assert.deepEqual({ life, changes }, { life: known?.life, changes: (known?.changes ?? 0) + 1 });
    known!.changes = changes;
  };

  onData = (_peer: NodeId, value: PackedValue): void => {
    const [life, number] = value as [number, number];
    const last = this.received.get(life);
    const isWhole = !givenUp.has(`${life} ${this.life}`);
    if (last !== undefined && isWhole) {
      assert.equal(number, last + 1, "data is missing or came twice");
    }
    assert.ok(number > (last ?? 0), "data came again");
    this.received.set(life, number);
  };

  onDatagram = (): void => {};

  onAway = (peer: NodeId): void => {
    assert.ok(this.view.has(peer) && !this.away.has(peer));
    this.away.add(peer);
  };

  onBack = (peer: NodeId): void => {
    assert.ok(this.away.delete(peer));
  };

  onGone = (peer: NodeId): void => {
    assert.ok(this.view.delete(peer));
    this.away.delete(peer);
  };

  onDrained = (): void => {};

  change(): void {
    this.changes++;
    this.room.change([this.life, this.changes]);
  }

  sendData(peer: NodeId): void {
    const number = (this.sent.get(peer) ?? 0) + 1;
    if (this.room.sendData(peer, [this.life, number])) this.sent.set(peer, number);
  }
}

/** A world at work, and what it should be like. */
class Model {
  readonly world: LinkWorld;
  readonly random: SeededRandom;
  /** Who is in which room: what the directory knows. */
  readonly stays = new Map<string, Map<NodeId, Stay>>(ROOMS.map((name) => [name, new Map()]));
  readonly ran = new Map<number, number>();
  tags = 0;
  givenUp = 0;
  readonly pending = new Set<number>();

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.world = new LinkWorld(seed, {
      delayMs: this.random.below(60),
      jitterMs: this.random.below(40),
      bytesPerMs: this.random.chance(0.5) ? Infinity : 50 + this.random.below(1000),
    });
    for (let n = 0; n < NODES; n++) {
      const { links } = this.world.add("abcdefgh"[n]!, {
        skewMs: this.random.below(20_000) - 10_000,
      });
      links.serve("echo", async (_peer, payload) => {
        const tag = payload as number;
        this.ran.set(tag, (this.ran.get(tag) ?? 0) + 1);
        await new Promise<void>((done) =>
          this.world.platform.timers.after(this.random.below(200), done)
        );
        return payload;
      });
    }
  }

  get node(): LinkNode {
    return this.world.nodes[this.random.below(NODES)]!;
  }

  async step(): Promise<void> {
    const { random, world: { network } } = this;
    const [a, b] = [this.node, this.node];
    const room = ROOMS[random.below(ROOMS.length)]!;
    const stay = this.stays.get(room)!.get(a.id);
    const kind = random.below(200) / 10;
    if (kind < 4) stay === undefined ? this.#enter(a, room) : stay.change();
    else if (kind < 5) this.#leave(stay);
    else if (kind < 9) stay?.change();
    else if (kind < 12) stay?.sendData(b.id);
    else if (kind < 14 && a !== b) this.#call(a, b);
    else if (kind < 15 && a !== b) this.#barrier(a, b);
    else if (kind < 16 && a !== b) network.cut(a.id, b.id);
    else if (kind < 17 && a !== b) network.halfOpen(a.id, b.id);
    else if (kind < 18 && a !== b) network.partition(a.id, b.id);
    else if (kind < 19) network.heal(a.id, b.id);
    else if (kind < 19.3) this.#giveUp(a, b, room);
    else if (kind < 19.6) network.healAll();
    else network.deafen(a.id, random.chance(0.3));
    await this.world.advance(random.chance(0.1) ? random.below(3_000) : random.below(60));
    this.#check();
  }

  /** All is well from now on: everybody must know everything, and nobody more. */
  async settle(): Promise<void> {
    this.world.network.healAll();
    // As the directory is looked at again when a node is back that was given up.
    for (const stays of this.stays.values()) {
      for (const stay of stays.values()) {
        for (const { node } of stays.values()) {
          if (node !== stay.node) stay.room.share(node.id, node.address);
        }
      }
    }
    await this.world.advance(12_000);
    for (const [name, stays] of this.stays) {
      for (const stay of stays.values()) {
        const others = [...stays.values()].filter((other) => other !== stay);
        const living = others.map(({ node, life, changes }) => [node.id, { life, changes }]);
        const seen = [...stay.view].sort();
        assert.deepEqual(seen, living.sort(), `members of ${name} at ${stay.node.id}`);
        assert.equal(stay.away.size, 0);
        for (const other of others) {
          const last = stay.received.get(other.life);
          if (last === undefined || givenUp.has(`${other.life} ${stay.life}`)) continue;
          assert.equal(last, other.sent.get(stay.node.id));
        }
      }
    }
    assert.equal(this.pending.size, 0);
  }

  async end(): Promise<void> {
    await this.world.close();
    assert.equal(this.world.platform.pendingTimers, 0);
    assert.equal(this.world.network.connections, 0);
  }

  #enter(node: LinkNode, name: string): void {
    const stay = new Stay(node, name);
    stay.room = node.links.openRoom(name, stay);
    const stays = this.stays.get(name)!;
    for (const { node: other } of stays.values()) stay.room.share(other.id, other.address);
    stays.set(node.id, stay);
  }

  #leave(stay: Stay | undefined): void {
    if (stay === undefined) return;
    stay.isOver = true;
    stay.room.close();
    this.stays.get(stay.name)!.delete(stay.node.id);
  }

  /** A node takes another one to be dead, or out of a room, and is wrong. */
  #giveUp(a: LinkNode, b: LinkNode, room: string): void {
    if (a === b) return;
    const isNode = this.random.chance(0.5);
    for (const [name, stays] of this.stays) {
      const [here, there] = [stays.get(a.id), stays.get(b.id)];
      if (here === undefined || there === undefined || !isNode && name !== room) continue;
      givenUp.add(`${here.life} ${there.life}`).add(`${there.life} ${here.life}`);
      if (isNode) continue;
      here.room.unshare(b.id);
      here.view.delete(b.id);
      here.away.delete(b.id);
    }
    if (isNode) a.links.forget(b.id);
    this.givenUp++;
  }

  #call(from: LinkNode, to: LinkNode): void {
    const { platform: { clock } } = this.world;
    const tag = ++this.tags;
    const withinMs = 1 + this.random.below(4_000);
    const deadline = clock.now() + withinMs;
    this.pending.add(tag);
    from.links.call(to.id, "echo", tag, { withinMs, address: to.address }).then(
      (answer) => {
        assert.equal(answer, tag);
        assert.equal(this.ran.get(tag), 1);
      },
      (error) => assert.match((error as LinkError).code, /^(?:timeout|closed|lost)$/),
    ).finally(() => {
      assert.ok(clock.now() <= deadline + 1, "a call outlived its deadline");
      this.pending.delete(tag);
    });
  }

  #barrier(from: LinkNode, to: LinkNode): void {
    // What is in the books of the other side now must be known when the barrier is passed.
    const before = [...this.stays].map(([name, stays]) =>
      [stays.get(from.id), stays.get(to.id), stays.get(to.id)?.changes, name] as const
    );
    const tag = ++this.tags;
    this.pending.add(tag);
    from.links.barrier(to.id, 2_000).then(() => {
      for (const [here, there, changes] of before) {
        if (here === undefined || there === undefined || here.isOver || there.isOver) continue;
        const known = here.view.get(to.id);
        if (known?.life === there.life) assert.ok(known.changes >= changes!);
      }
    }, (error) => assert.match((error as LinkError).code, /^(?:timeout|closed|lost)$/))
      .finally(() => this.pending.delete(tag));
  }

  /** What holds at any time. */
  #check(): void {
    for (const count of this.ran.values()) assert.equal(count, 1, "a call ran twice");
    for (const stays of this.stays.values()) {
      for (const stay of stays.values()) {
        for (const [peer, { life, changes }] of stay.view) {
          const other = stays.get(peer);
          if (other?.life === life) assert.ok(changes <= other.changes);
        }
      }
    }
    for (const { counters } of this.world.nodes) {
      const counts = counters.snapshot();
      for (const bug of ["link_observer_bug", "link_frame_unreadable", "link_change_gap"]) {
        assert.equal(counts[bug] ?? 0, 0, bug);
      }
    }
  }
}

Deno.test("ClusterLinks: through cuts, half-open connections, partitions and deaf nodes each change is applied once and in order, and after them all know all", async () => {
  let [ups, calls, givenUps] = [0, 0, 0];
  for (const seed of SEEDS) {
    const model = new Model(seed);
    try {
      for (let step = 0; step < STEPS; step++) await model.step();
      await model.settle();
      ups += model.world.nodes.flatMap(({ events }) => events)
        .filter((event) => event.startsWith("up")).length;
      calls += model.ran.size;
      givenUps += model.givenUp;
      await model.end();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  // The schedule must reach what it is about.
  const each = SEEDS.length;
  assert.ok(ups > 20 * each && calls > 5 * each && givenUps > 0, `${[ups, calls, givenUps]}`);
});
