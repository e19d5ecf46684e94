/**
 * Hops that carry less than is wanted, lose, or tell late, between whole relays on virtual time:
 * who behind them sees what, and how calmly.
 */
import assert from "node:assert/strict";
import { type FarSubscriber, HopRoom } from "../support/media/hop_room.ts";
import { EVERYTHING } from "../support/media/relay_world.ts";
import { HopArrivals } from "../../lib/engine/relay/hop_arrivals.ts";
import { RELAY } from "../../lib/engine/relay/relay_records.ts";

const PUBLISHERS = 3;
/** Of a record of data. */
const DATA_WORDS = 469;
const NARROW_BPS = 2_000_000;
/** Behind a bottleneck of the size of a home router's. */
const QUEUE_MS = 200;

/** A room of three publishers, with a subscriber of each behind every hop, that has settled. */
function settledRoom(seed: number, hops = 1, loss = 0): HopRoom {
  const room = new HopRoom({ seed, hops, network: { loss } });
  for (let i = 0; i < PUBLISHERS; i++) {
    const publisher = room.publish();
    for (let behind = 1; behind <= hops; behind++) {
      room.subscribe(publisher, EVERYTHING, behind);
    }
  }
  room.run(5_000);
  for (const { sink } of room.subscribers) assert.equal(sink.received.at(-1)?.spatial, 2);
  return room;
}

/** The longest time without a packet since `since`, ms. */
function longestGap(room: HopRoom, { sink, publisher }: FarSubscriber, since: number): number {
  let before = since;
  let longest = 0;
  for (const { at } of sink.received) {
    if (at <= since) continue;
    longest = Math.max(longest, at - before);
    before = at;
  }
  return Math.max(longest, room.worlds[publisher]!.now - before);
}

/** The layer that came last. */
function layerOf({ sink }: FarSubscriber): number {
  return sink.received.at(-1)!.spatial;
}

/** Changes of layer since `since`. */
function changes({ sink }: FarSubscriber, since: number): number {
  return sink.layers.filter(({ at }) => at > since).length;
}

function assertWhole(subscribers: readonly FarSubscriber[]): void {
  assert.deepEqual(subscribers.map(layerOf), subscribers.map(() => 2));
}

function narrow(room: HopRoom, hop: number, rateBps: number): void {
  room.hops[hop]!.toFar.queueMs = QUEUE_MS;
  room.hops[hop]!.toFar.rateBps = rateBps;
}

for (const seed of [1, 2]) {
  Deno.test(`A hop of 2 Mbit/s leaves each of three a lower layer, calmly, and all when it is wide again, seed ${seed}`, () => {
    const room = settledRoom(seed);
    narrow(room, 0, NARROW_BPS);
    room.run(5_000);
    const settled = room.now;
    const queues: number[] = [];
    room.run(20_000, () => queues.push(room.hops[0]!.near.link.stats.queueMs));
    for (const subscriber of room.subscribers) {
      assert.ok(longestGap(room, subscriber, settled) < 200, "a picture stands");
      assert.ok(changes(subscriber, settled) <= 4, "layers go up and down");
      assert.ok(layerOf(subscriber) < 2);
    }
    assert.ok(queues.sort((a, b) => a - b)[queues.length * 0.95]! < 60, "a queue stands");
    assert.ok(room.hops[0]!.near.link.stats.loss < 0.01);
    narrow(room, 0, Infinity);
    room.run(20_000);
    assertWhole(room.subscribers);
  });
}

Deno.test("A hop that becomes narrow is left to what it carries within 2 s", () => {
  const room = settledRoom(3);
  narrow(room, 0, NARROW_BPS);
  room.run(2_000);
  const { lost } = room.hops[0]!.toFar;
  room.run(3_000);
  assert.ok(room.hops[0]!.toFar.lost - lost <= 5, "it still overflows");
  assert.equal(room.hops[0]!.near.link.isOpen, true);
});

Deno.test("A clean hop holds nothing back, proves nothing, and gives each at once what it wants", () => {
  const room = new HopRoom({ seed: 4 });
  const joins: number[] = [];
  for (let i = 0; i < 8; i++) {
    room.subscribe(room.publish());
    joins.push(room.now);
    room.run(400);
  }
  room.run(3_000);
  assertWhole(room.subscribers);
  for (const [i, { sink, publisher }] of room.subscribers.entries()) {
    const first = sink.layers.find(({ spatial }) => spatial === 2)!;
    // The publisher's own layers are there after 60 ms; then a key frame is asked for.
    assert.ok(first.at - joins[i]! < 400, `${first.at - joins[i]!} ms for ${publisher}`);
  }
  assert.equal(room.near[0]!.link.lowered, 0);
  const { bytesOut } = room.hops[0]!.near.link.stats;
  const video = room.subscribers.reduce((sum, { sink }) => sum + sink.received.length, 0) * 1_030;
  assert.ok(bytesOut < 1.12 * video, `${bytesOut} bytes for ${video} of video: no padding`);
});

Deno.test("A hop that loses 5 % by chance carries all layers", () => {
  const room = settledRoom(5, 1, 0.05);
  const since = room.now;
  room.run(40_000);
  assert.equal(room.near[0]!.link.lowered, 0);
  for (const subscriber of room.subscribers) assert.equal(changes(subscriber, since), 0);
});

Deno.test("A hop whose answers queue and get lost carries all layers", () => {
  const room = settledRoom(6);
  const since = room.now;
  const { toNear } = room.hops[0]!;
  toNear.queueMs = 300;
  toNear.rateBps = 12_000;
  room.run(20_000);
  assert.ok(toNear.lost > 50, `${toNear.lost} answers lost`);
  assert.equal(room.near[0]!.link.lowered, 0);
  for (const subscriber of room.subscribers) assert.equal(changes(subscriber, since), 0);
});

Deno.test("A path's stop of 0.3 s each 5 s, as of a thread without a core, costs no layer for long", () => {
  const room = settledRoom(7);
  const since = room.now;
  const { far } = room.hops[0]!;
  const held: (() => void)[] = [];
  const receive = far.link.receive.bind(far.link);
  let isStopped = false;
  far.link.receive = (bytes, length, _now, byUdp) => {
    const take = () => receive(bytes, length, far.now, byUdp);
    if (!isStopped) return take();
    held.push(take);
    return true;
  };
  room.run(30_000, () => {
    isStopped = (room.now - since) % 5_000 > 4_700;
    if (!isStopped) { for (const take of held.splice(0)) take(); }
  });
  for (const subscriber of room.subscribers) {
    const high = subscriber.sink.received.filter(({ at }) => at > since);
    const share = high.filter(({ spatial }) => spatial === 2).length / high.length;
    assert.ok(share > 0.8, `${share} of the packets are of the highest layer`);
  }
});

for (const hop of [0, 1]) {
  Deno.test(`Of two hops in a chain ${hop === 0 ? "the first" : "the second"} is narrow: who is behind it has less, and nobody else`, () => {
    const room = settledRoom(8, 2);
    const since = room.now;
    narrow(room, hop, NARROW_BPS);
    room.run(15_000);
    for (const subscriber of room.subscribers) {
      const isBehind = subscriber.hops > hop;
      assert.ok(longestGap(room, subscriber, since + 5_000) < 200);
      assert.equal(layerOf(subscriber) < 2, isBehind);
      if (!isBehind) assert.equal(changes(subscriber, since), 0);
    }
    // What finds no room on the second does not take the first one's.
    assert.equal(room.near[1 - hop]!.link.lowered, 0);
    narrow(room, hop, Infinity);
    room.run(25_000);
    assertWhole(room.subscribers);
  });
}

Deno.test("Of a narrow hop those get more whose subscribers said that they matter, and screens first", () => {
  const room = new HopRoom({ seed: 9 });
  const [plain, first, screen] = [room.publish(), room.publish(), room.publish()];
  const ofPlain = room.subscribe(plain);
  const ofFirst = room.subscribe(first, { ...EVERYTHING, priority: 1 });
  const ofScreen = room.subscribe(screen, { ...EVERYTHING, isScreen: true });
  narrow(room, 0, 4_000_000);
  room.run(20_000);
  const layers = [ofPlain, ofFirst, ofScreen].map(layerOf);
  assert.equal(layers[2], 2, "the screen");
  assert.ok(layers[1]! >= layers[0]!, `${layers}`);
  assert.ok(layers[0]! < 2);
});

Deno.test("A hop that carries less than all lowest layers lets as many cross as it carries", () => {
  const room = settledRoom(10);
  narrow(room, 0, 700_000);
  room.run(10_000);
  const since = room.now;
  room.run(10_000);
  const gaps = room.subscribers.map((subscriber) => longestGap(room, subscriber, since));
  assert.ok(gaps.filter((gap) => gap < 200).length >= 1, `${gaps}`);
  assert.ok(room.hops[0]!.near.link.stats.loss < 0.02, "it is not flooded");
  narrow(room, 0, Infinity);
  room.run(30_000);
  assertWhole(room.subscribers);
});

Deno.test("Pictures leave a hop to the data that crosses beside them, and have it again after", () => {
  const room = settledRoom(12);
  const { link } = room.hops[0]!.near;
  narrow(room, 0, 4_000_000);
  room.run(6_000);
  const before = room.subscribers.map(layerOf);
  // 1.5 Mbit/s, which nobody over there takes.
  const words = new Int32Array(DATA_WORDS);
  const write = () => {
    if (room.now % 10 !== 0) return;
    const at = link.channel.writer.reserve(RELAY.data, DATA_WORDS);
    assert.ok(at >= 0, "data finds no room");
    link.channel.writer.words.set(words, at);
    link.channel.writer.commit();
    link.channel.writer.wake();
  };
  room.run(5_000, write);
  const since = room.now;
  const queues: number[] = [];
  room.run(12_000, () => {
    write();
    queues.push(link.stats.queueMs);
  });
  for (const subscriber of room.subscribers) {
    assert.ok(longestGap(room, subscriber, since) < 200, "a picture stands");
    assert.ok(changes(subscriber, since) <= 4, "layers go up and down");
  }
  assert.ok(queues.sort((a, b) => a - b)[queues.length * 0.95]! < 60, "a queue stands");
  assert.ok(link.stats.loss < 0.01);
  room.run(12_000);
  const after = room.subscribers.map(layerOf);
  assert.ok(after.reduce((a, b) => a + b) >= before.reduce((a, b) => a + b), `${before} ${after}`);
});

Deno.test("A hop to an older node, which tells of no arrivals, does not flood a narrow way", () => {
  const { write } = HopArrivals.prototype;
  HopArrivals.prototype.write = () => 0;
  try {
    const room = settledRoom(13);
    assert.equal(room.near[0]!.link.lowered, 0, "a wide one is left as it is");
    const { toFar } = room.hops[0]!;
    narrow(room, 0, NARROW_BPS);
    room.run(4_000);
    const [settled, { lost }] = [room.now, toFar];
    room.run(8_000);
    assert.ok(toFar.lost - lost < 50, `${toFar.lost - lost} are lost still`);
    for (const subscriber of room.subscribers) {
      assert.ok(longestGap(room, subscriber, settled) < 300, "a picture stands");
    }
    const total = () => room.subscribers.reduce((sum, one) => sum + layerOf(one), 0);
    const before = total();
    narrow(room, 0, Infinity);
    room.run(15_000);
    assert.ok(total() > before, "what finds room again comes back");
  } finally {
    HopArrivals.prototype.write = write;
  }
});

Deno.test("Where UDP is blocked the way by TCP gets what it carries, and UDP all layers again", () => {
  const room = settledRoom(11);
  const [hop] = room.hops;
  hop!.otherBps = NARROW_BPS;
  Object.assign(hop!.network, { hasFallback: true, isDown: true });
  room.run(12_000);
  const since = room.now;
  const waits: number[] = [];
  room.run(15_000, () => waits.push(hop!.waiting(hop!.far) * 8_000 / NARROW_BPS));
  for (const subscriber of room.subscribers) {
    assert.ok(longestGap(room, subscriber, since) < 300, "a picture stands");
    assert.ok(changes(subscriber, since) <= 4);
  }
  const wait = waits.sort((a, b) => a - b)[waits.length * 0.95]!;
  assert.ok(wait < 150, `${wait} ms in front of the socket`);
  hop!.network.isDown = false;
  room.run(25_000);
  assert.equal(hop!.near.link.stats.blocked, false);
  assertWhole(room.subscribers);
});
