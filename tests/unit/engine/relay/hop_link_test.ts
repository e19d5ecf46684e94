/**
 * Two ends of a hop over networks that lose, delay, reorder and repeat: what must come comes, once,
 * in order and in time.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HOP_HELLO } from "../../../../lib/engine/relay/hop_datagram.ts";
import { RELAY } from "../../../../lib/engine/relay/relay_records.ts";
import { chooseMediaCrypto, PORTABLE_CRYPTO } from "../../../../lib/transport/media_crypto.ts";
import { type HopNetwork, HopWorld } from "../../../support/media/hop_world.ts";

/** Numbers a packet in its second word, and a control record in its first. */
const packetNumbers = (world: HopWorld) => world.far.of(RELAY.packet).map(({ words }) => words[1]!);

interface Traffic {
  readonly written: Map<number, number>;
  readonly control: number[];
}

/** A packet each ms and a control record each 37 ms, for so long. */
function traffic(world: HopWorld, ms: number): Traffic {
  const written = new Map<number, number>();
  const control: number[] = [];
  world.run(ms, (i) => {
    if (i % 37 === 0) {
      assert.ok(world.near.write(RELAY.state, [7, i, world.random.uint32() | 0]));
      control.push(i);
    }
    if (world.near.packet(i)) written.set(i, world.now);
  });
  world.run(3_000);
  return { written, control };
}

const networks: readonly [string, Partial<HopNetwork>, share: number][] = [
  ["nothing lost", {}, 1],
  ["1 % lost", { loss: 0.01 }, 0.9999],
  ["5 % lost", { loss: 0.05 }, 0.999],
  ["20 % lost", { loss: 0.2 }, 0.98],
  ["5 % lost, reordered and repeated", { loss: 0.05, jitterMs: 12, duplicates: 0.05 }, 0.999],
];

for (const [name, network, share] of networks) {
  Deno.test(`hop: control in order, packets once and in time: ${name}`, () => {
    for (const seed of [1, 2]) {
      const world = new HopWorld({ seed, network });
      world.connect();
      const { written, control } = traffic(world, 4_000);
      assert.deepEqual(world.far.of(RELAY.state).map(({ words }) => words[1]), control);
      const numbers = packetNumbers(world);
      assert.equal(new Set(numbers).size, numbers.length, "a packet came twice");
      let inTime = 0;
      for (const { words, at } of world.far.of(RELAY.packet)) {
        if (at - written.get(words[1]!)! <= 250) inTime++;
        assert.ok(words.every((word, i) => i === 0 || word === words[1]), "a packet changed");
      }
      assert.equal(written.size, 4_000);
      assert.ok(inTime / written.size >= share, `${inTime} of ${written.size} in time`);
    }
  });
}

Deno.test("hop: where nothing is lost, nothing is asked for or sent again", () => {
  for (const delayMs of [1, 25, 150]) {
    const world = new HopWorld({ seed: 4, network: { delayMs } });
    world.connect();
    traffic(world, 4_000);
    for (const { link, drops, events } of [world.near, world.far]) {
      const { asked, repairsOut, repeated, unrepaired, lost } = link.stats;
      assert.deepEqual([asked, repairsOut, repeated, unrepaired, lost], [0, 0, 0, 0, 0]);
      assert.deepEqual(drops.snapshot(), {});
      assert.deepEqual(events, []);
    }
    assert.ok(Math.abs(world.near.link.stats.rttMs - 2 * delayMs) <= 2);
  }
});

Deno.test("hop: an idle one sends a word each second while anything is relayed, and else nothing", () => {
  const world = new HopWorld({ seed: 5 });
  world.connect();
  const before = world.sent;
  world.run(20_000);
  const perSecond = (world.sent - before) / 20;
  assert.ok(perSecond >= 1 && perSecond <= 4.5, `${perSecond} datagrams a second`);
  world.near.link.setActive(false);
  world.far.link.setActive(false);
  world.run(2_000);
  const then = world.sent;
  world.run(60_000);
  assert.equal(world.sent, then);
  assert.equal(world.near.link.nextWakeAt(), Infinity);
  assert.ok(world.near.write(RELAY.state, [7, 1]));
  world.run(1_000);
  assert.equal(world.far.of(RELAY.state).length, 1);
  assert.deepEqual(world.near.events, []);
});

Deno.test("hop: after an outage of 3 s everything that must come comes", () => {
  for (const hasFallback of [false, true]) {
    const world = new HopWorld({ seed: 6, network: { loss: 0.02, hasFallback } });
    world.connect();
    const control: number[] = [];
    const written: number[] = [];
    world.run(9_000, (i) => {
      if (i === 2_000) world.network.isDown = true;
      if (i === 5_000) world.network.isDown = false;
      if (i % 37 === 0 && world.near.write(RELAY.state, [7, i])) control.push(i);
      if (world.near.packet(i)) written.push(i);
    });
    world.run(12_000);
    assert.deepEqual(world.far.of(RELAY.state).map(({ words }) => words[1]), control);
    const numbers = packetNumbers(world);
    assert.equal(new Set(numbers).size, numbers.length);
    const late = numbers.filter((number) => number >= 6_100).length;
    assert.ok(late >= 2_890, `${late} of 2900 after the outage`);
    assert.deepEqual(world.near.events, ["blocked", "free"]);
    assert.equal(world.near.link.stats.blocked, false);
  }
});

Deno.test("hop: where UDP is blocked records go by the second way, and UDP is tried again", () => {
  const world = new HopWorld({ seed: 7, network: { isDown: true, hasFallback: true } });
  world.connect();
  world.run(2_500);
  assert.deepEqual(world.near.events, ["blocked"]);
  for (let i = 0; i < 50; i++) world.near.write(RELAY.state, [7, i]);
  world.run(2_000);
  assert.equal(world.far.of(RELAY.state).length, 50);
  const before = world.sent;
  world.run(30_000, (i) => i % 10 === 0 && world.near.packet(i));
  assert.ok(world.sent - before <= 12, `${world.sent - before} tries by UDP in 30 s`);
  assert.ok(packetNumbers(world).length >= 2_900);
  world.network.isDown = false;
  world.run(11_000);
  assert.deepEqual(world.near.events, ["blocked", "free"]);
  assert.deepEqual(world.far.events, ["blocked", "free"]);
});

Deno.test("hop: keys change under way, both ways, and nothing is lost by it", () => {
  for (const [seed, crypto] of [[8, PORTABLE_CRYPTO], [9, chooseMediaCrypto("auto")]] as const) {
    const world = new HopWorld({
      seed,
      crypto,
      network: { loss: 0.03, jitterMs: 20 },
      epochDatagrams: 700,
    });
    world.connect();
    const { written, control } = traffic(world, 3_000);
    assert.deepEqual(world.far.of(RELAY.state).map(({ words }) => words[1]), control);
    assert.ok(packetNumbers(world).length >= 0.998 * written.size);
    assert.ok(world.near.link.stats.epochs >= 3, `${world.near.link.stats.epochs} epochs`);
    for (const { drops } of [world.near, world.far]) {
      assert.equal(drops.get("hop_not_authentic"), 0);
    }
  }
});

Deno.test("hop: an end that begins anew is heard of, and what was recorded before is of no use", () => {
  const world = new HopWorld({ seed: 10, network: { loss: 0.1 } });
  const recorded: Uint8Array[] = [];
  const heard: Uint8Array[] = [];
  world.tap = (bytes, to) => (to === world.far ? recorded : heard).push(bytes.slice());
  world.connect();
  world.run(500, (i) => {
    world.near.write(RELAY.state, [7, i]);
    world.near.packet(i);
  });
  world.far.link.close();
  world.far.link = world.far.makeLink();
  world.far.link.setActive(true);
  world.far.records.length = 0;
  world.tap = () => {};
  for (const bytes of recorded) {
    world.far.link.receive(bytes.slice(), bytes.length, world.far.now);
    world.far.read();
  }
  assert.deepEqual(world.far.records, []);
  world.run(3_000);
  assert.deepEqual(world.near.events, ["restarted"]);
  assert.deepEqual(world.far.events, []);
  for (const bytes of recorded) world.far.link.receive(bytes.slice(), bytes.length, world.far.now);
  const answers = heard.filter((bytes) => bytes[0] === HOP_HELLO);
  assert.ok(answers.length > 0);
  for (const bytes of answers) {
    assert.equal(world.near.link.receive(bytes.slice(), bytes.length, world.near.now), false);
  }
  world.far.records.length = 0;
  for (let i = 0; i < 100; i++) world.near.write(RELAY.state, [8, i]);
  for (let i = 0; i < 100; i++) world.far.write(RELAY.demand, [8, i]);
  world.run(2_000);
  assert.deepEqual(world.far.of(RELAY.state).map(({ words }) => words[1]), [...Array(100).keys()]);
  assert.deepEqual(world.near.of(RELAY.demand).map(({ words }) => words[1]), [
    ...Array(100).keys(),
  ]);
  assert.deepEqual(world.near.events, ["restarted"]);
});

Deno.test("hop: a packet waits for what was written before it, and for nothing else", () => {
  const world = new HopWorld({ seed: 11 });
  world.connect();
  let first = true;
  world.near.link.channel.writer.wake();
  world.network.isDown = true;
  world.near.write(RELAY.state, [7, 1]);
  world.run(1);
  world.network.isDown = false;
  world.run(300, (i) => {
    world.near.packet(i);
    if (world.far.of(RELAY.packet).length > 0 && first) {
      first = false;
      assert.equal(world.far.of(RELAY.state).length, 1);
    }
  });
  world.run(200);
  assert.equal(packetNumbers(world).length, 300);
  assert.deepEqual([...packetNumbers(world)].sort((a, b) => a - b), [...Array(300).keys()]);
});

Deno.test("hop: what fits no datagram is divided and put together", () => {
  const world = new HopWorld({ seed: 12, network: { loss: 0.05, jitterMs: 10 } });
  world.connect();
  const sizes = [1_330, 1_340, 1_341, 1_400, 1_500];
  world.run(500, (i) => world.near.packet(i, sizes[i % sizes.length]));
  const long = Array.from({ length: 16_000 }, (_, i) => i);
  assert.ok(world.near.write(RELAY.data, [1, 2, 0, 4 * 15_997, ...long.slice(4)]));
  world.run(2_000);
  const packets = world.far.of(RELAY.packet);
  assert.equal(packets.length, 500);
  for (const { words } of packets) {
    const number = words[1]!;
    assert.equal(words.length, 4 + Math.ceil(sizes[number % sizes.length]! / 4));
    assert.ok(words.every((word) => word === number));
  }
  assert.deepEqual(world.far.of(RELAY.data)[0]?.words.slice(4), long.slice(4));
});

Deno.test("hop: reliable data comes whole, and holds its writer rather than fill memory", () => {
  const world = new HopWorld({ seed: 13, network: { loss: 0.05 } });
  world.connect();
  const { writer } = world.near.link.channel;
  let sent = 0;
  const words = Math.floor(writer.size / 8);
  const share = { isLossy: false, words, wordsOfAll: words };
  const write = () => {
    while (sent < 4_000) {
      const at = writer.reserve(RELAY.data, 254, share);
      if (at < 0) return;
      writer.words.fill(sent, at, at + 254);
      writer.words[at + 2] = 0;
      writer.commit();
      sent++;
    }
  };
  write();
  assert.ok(sent > 100 && sent < 1_000, `${sent} at once`);
  world.run(20_000, write);
  assert.deepEqual(
    world.far.of(RELAY.data).map(({ words }) => words[0]),
    [...Array(4_000).keys()],
  );
});

Deno.test("hop: a forged datagram, or a changed or repeated one, is counted and nothing else", () => {
  const world = new HopWorld({ seed: 14 });
  world.connect();
  const kept: Uint8Array[] = [];
  world.tap = (bytes, to) => to === world.far && kept.push(bytes.slice());
  world.run(100, (i) => world.near.packet(i));
  world.run(200);
  const { length } = world.far.records;
  const before = world.far.drops.get("hop_replayed");
  for (const bytes of kept) world.far.link.receive(bytes.slice(), bytes.length, world.far.now);
  assert.equal(world.far.drops.get("hop_replayed") - before, kept.length);
  for (const bytes of kept) {
    const changed = bytes.slice();
    changed[2] = 1; // a number that was not there
    world.far.link.receive(changed, changed.length, world.far.now);
  }
  assert.equal(world.far.drops.get("hop_not_authentic"), kept.length);
  world.far.read();
  assert.equal(world.far.records.length, length);
});
