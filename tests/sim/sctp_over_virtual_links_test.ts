/** Two SCTP associations on links that lose, repeat, overtake, and change their rate. */
import assert from "node:assert/strict";
import { CHUNK } from "../../lib/transport/sctp/sctp_packet.ts";
import { type LinkDirection, SctpLink, type SctpSide } from "../support/virtual/sctp_link.ts";

/** What a packet of data carries of itself on the wire, at most. */
const PAYLOAD_SHARE = 1124 / (1152 + 65);

/** A message with its number in front. */
function numbered(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** The numbers of what came, on one stream or all. */
function numbers({ taken }: SctpSide, streamId?: number): number[] {
  return taken.filter((message) => streamId === undefined || message.streamId === streamId)
    .map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

const WEATHER: readonly (readonly [string, Partial<LinkDirection>])[] = [
  ["nothing goes wrong", {}],
  ["5 % are lost", { lossRate: 0.05 }],
  ["20 % are lost", { lossRate: 0.2 }],
  ["5 % are overtaken", { reorderRate: 0.05 }],
  ["10 % come twice", { duplicateRate: 0.1 }],
  ["a queue of four packets", { queueBytes: 4_800, bps: 1_000_000 }],
  ["everything at once", { lossRate: 0.08, reorderRate: 0.1, duplicateRate: 0.1, delayMs: 80 }],
];

for (const [weather, link] of WEATHER) {
  Deno.test(`SctpAssociation brings each reliable message once and in order where ${weather}`, () => {
    for (let seed = 1; seed <= 8; seed++) {
      const world = new SctpLink(seed, link).connect();
      const { left, right, random } = world;
      const count = [0, 0, 0];
      for (let round = 0; round < 30; round++) {
        for (let burst = random.below(12); burst >= 0; burst--) {
          const streamId = random.below(3);
          const length = random.chance(0.2) ? 4 + random.below(65_000) : 4 + random.below(400);
          left.send(numbered(count[streamId]!++, length), { streamId });
          right.send(numbered(0, 4 + random.below(3_000)));
        }
        world.run(random.below(200));
      }
      const total = count[0]! + count[1]! + count[2]!;
      const all = () => right.taken.length >= total && left.taken.length >= total;
      assert.ok(world.run(600_000, all), `seed ${seed}: ${right.taken.length} of ${total}`);
      assert.ok(world.run(10_000, () => world.isQuiet), `seed ${seed}: nothing is left to be done`);
      for (const streamId of [0, 1, 2]) {
        assert.deepEqual(numbers(right, streamId), upTo(count[streamId]!), `seed ${seed}`);
      }
      assert.equal(left.taken.length, total);
    }
  });
}

/** Sends for 20 s as fast as the association takes. Returns the share of the rate that came. */
function goodput(seed: number, link: Partial<LinkDirection>): { share: number; world: SctpLink } {
  const world = new SctpLink(seed, link).connect();
  const { left, right } = world;
  const sizeBytes = 15_000;
  const bps = left.link.bps;
  const count = Math.floor(bps * 20 / 8 / sizeBytes);
  for (let i = 0; i < count; i++) left.send(numbered(i, sizeBytes));
  const startedAt = world.now;
  assert.ok(world.run(600_000, () => right.taken.length === count), `seed ${seed}`);
  assert.deepEqual(numbers(right), upTo(count));
  const carried = count * sizeBytes * 8_000 / (world.now - startedAt);
  return { share: carried / (bps * PAYLOAD_SHARE), world };
}

for (
  const [bps, delayMs] of [[1_000_000, 20], [5_000_000, 20], [10_000_000, 30], [20_000_000, 10]]
) {
  Deno.test(`SctpAssociation fills ${bps! / 1e6} Mbit/s at ${2 * delayMs!} ms to 80 % with 1 % lost`, () => {
    for (let seed = 1; seed <= 3; seed++) {
      const { share } = goodput(seed, { bps: bps!, delayMs: delayMs!, lossRate: 0.01 });
      assert.ok(share > 0.8, `seed ${seed}: ${share}`);
    }
  });
}

Deno.test("SctpAssociation sends nothing twice where nothing is lost", () => {
  // The queue holds all that the receiver has room for.
  const { share, world } = goodput(1, { bps: 5_000_000, queueBytes: 2 << 20 });
  assert.equal(world.left.resent, 0);
  assert.ok(share > 0.95, `${share}`);
  // And of many small ones, with pauses.
  const small = new SctpLink(2).connect();
  for (let i = 0; i < 500; i++) {
    small.left.send(numbered(i, 100));
    small.run(small.random.below(30));
  }
  small.run(5_000);
  assert.equal(small.left.resent, 0);
  assert.deepEqual(numbers(small.right), upTo(500));
});

Deno.test("SctpAssociation follows a rate that falls to a tenth and comes back", () => {
  const world = new SctpLink(3, { bps: 10_000_000, lossRate: 0.002 }).connect();
  const { left, right } = world;
  for (let i = 0; i < 3_000; i++) left.send(numbered(i, 15_000));
  const carried: number[] = [];
  for (const bps of [10_000_000, 1_000_000, 10_000_000]) {
    left.link.bps = bps;
    world.run(2_000);
    const before = right.taken.length;
    world.run(8_000);
    carried.push((right.taken.length - before) * 15_000 / 1_000 / (bps * PAYLOAD_SHARE / 1e6));
  }
  // kB in 8 s for each Mbit/s: 1,000 is all.
  for (const kB of carried) assert.ok(kB > 750 && kB < 1_100, carried.join());
});

Deno.test("SctpAssociation is back within 3 s after a path was away for a minute", () => {
  const world = new SctpLink(4).connect();
  const { left, right } = world;
  left.link.loses = right.link.loses = () => true;
  for (let i = 0; i < 50; i++) left.send(numbered(i, 500));
  world.run(60_000);
  left.link.loses = right.link.loses = () => false;
  world.run(3_500);
  assert.deepEqual(numbers(right), upTo(50));
});

for (const ordered of [true, false]) {
  Deno.test(`SctpAssociation gives lost messages up and says so, ${ordered ? "" : "un"}ordered`, () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new SctpLink(seed, { lossRate: 0.1, reorderRate: 0.02 }).connect();
      const { left, right } = world;
      for (let i = 0; i < 400; i++) {
        left.send(numbered(i, 4 + world.random.below(2_500)), {
          streamId: 2,
          ordered,
          maxRetransmits: 0,
        });
        left.send(numbered(i, 50), { streamId: 1 });
        world.run(20);
      }
      assert.ok(world.run(2_500, () => world.isQuiet), `seed ${seed}: nothing is left to be done`);
      assert.deepEqual(numbers(right, 1), upTo(400), "the reliable ones are whole");
      const lossy = numbers(right, 2);
      assert.ok(lossy.length > 250 && lossy.length < 395, `seed ${seed}: ${lossy.length} came`);
      assert.equal(new Set(lossy).size, lossy.length, "none twice");
      if (ordered) assert.deepEqual(lossy, lossy.toSorted((a, b) => a - b));
    }
  });
}

Deno.test("SctpAssociation sends a message with a lifetime again while it lasts", () => {
  const world = new SctpLink(5, { delayMs: 10 }).connect();
  const { left, right } = world;
  let lost = 0;
  // Every packet with a message is lost at first.
  left.link.loses = (packet) => packet[12] === CHUNK.data && lost++ < 2;
  left.send(numbered(1, 50), { streamId: 2, maxRetransmits: -1, expiresAt: world.now + 10_000 });
  world.run(8_000);
  assert.deepEqual(numbers(right), [1]);
  lost = -1_000;
  left.link.loses = (packet) => packet[12] === CHUNK.data;
  left.send(numbered(2, 50), { streamId: 2, maxRetransmits: -1, expiresAt: world.now + 300 });
  world.run(3_000);
  left.link.loses = () => false;
  left.send(numbered(3, 50), { streamId: 2 });
  world.run(3_000);
  assert.deepEqual(numbers(right), [1, 3]);
});

Deno.test("SctpAssociation gives a long message up in its middle, and the next one comes", () => {
  const world = new SctpLink(6, { bps: 1_000_000, queueBytes: 3_000 }).connect();
  const { left, right } = world;
  for (let i = 0; i < 40; i++) {
    left.send(numbered(i, 60_000), { streamId: 2, maxRetransmits: 0, ordered: i % 2 === 0 });
  }
  left.send(numbered(99, 60_000), { streamId: 1 });
  left.link.queueBytes = 3_000;
  assert.ok(world.run(120_000, () => numbers(right, 1).length === 1));
  assert.ok(world.run(10_000, () => world.isQuiet));
  assert.deepEqual(right.drops.snapshot(), {}, "nothing looks broken to the peer");
});

Deno.test("SctpAssociation waits for a reader that stops for 30 s, and goes on at once", () => {
  const world = new SctpLink(7, { lossRate: 0.01 }).connect();
  const { left, right } = world;
  const count = 400; // 6 MB, six windows
  for (let i = 0; i < count; i++) left.send(numbered(i, 15_000));
  world.run(1_000);
  right.reads = false;
  world.run(30_000);
  const before = left.packets;
  world.run(10_000);
  assert.ok(left.packets - before < 10, "few questions while it is stopped");
  right.reads = true;
  right.take();
  const had = right.taken.length;
  assert.ok(had > 0 && had < count);
  world.run(1_000);
  assert.ok(right.taken.length > had + 10, `${right.taken.length - had} in the first second`);
  assert.ok(world.run(60_000, () => right.taken.length === count));
  assert.deepEqual(numbers(right), upTo(count));
});

Deno.test("SctpAssociation brings lossy messages within half a second through a full reliable stream", () => {
  const world = new SctpLink(8, { bps: 2_000_000, queueBytes: 30_000 }).connect();
  const { left, right } = world;
  for (let i = 0; i < 300; i++) left.send(numbered(i, 15_000));
  world.run(3_000);
  const waits: number[] = [];
  for (let i = 0; i < 50; i++) {
    const before = numbers(right, 2).length;
    const sentAt = world.now;
    left.send(numbered(i, 100), { streamId: 2, ordered: false, maxRetransmits: 0 });
    if (world.run(500, () => numbers(right, 2).length > before)) waits.push(world.now - sentAt);
  }
  assert.ok(waits.length > 40, `${waits.length} came`);
});

Deno.test("Two runs of one seed send the same packets", () => {
  const log = () => {
    const world = new SctpLink(9, { lossRate: 0.1, reorderRate: 0.1 });
    const packets: string[] = [];
    world.left.onPacket = (packet) => packets.push(`${world.now} ${packet.join()}`);
    world.connect();
    for (let i = 0; i < 50; i++) world.left.send(numbered(i, 900));
    world.run(5_000);
    return packets;
  };
  assert.deepEqual(log(), log());
});

/** Delays of who writes 100 bytes each 20 ms beside 10,000 tiny messages written at once, ms. */
function delaysBesideBurst(seed: number, link: Partial<LinkDirection>, talker: number): number[] {
  const world = new SctpLink(seed, link).connect();
  const { left, right } = world;
  for (let i = 0; i < 200; i++) left.send(numbered(0, 1_100), { sender: 1 });
  world.run(10_000, () => right.taken.length === 200); // so that the window is as large as it gets
  for (let i = 0; i < 10_000; i++) left.send(numbered(0, 60), { sender: 1 });
  const sentAt: number[] = [];
  const delays: number[] = [];
  let seen = right.taken.length;
  const look = () => {
    for (; seen < right.taken.length; seen++) {
      if (right.taken[seen]!.bytes.length === 100) delays.push(world.now - sentAt[delays.length]!);
    }
    return false;
  };
  for (let i = 0; i < 100; i++) {
    sentAt.push(world.now);
    left.send(numbered(0, 100), { sender: talker });
    world.run(20, look);
  }
  world.run(60_000, () => look() || delays.length === 100);
  assert.equal(delays.length, 100, `seed ${seed}`);
  return delays.sort((a, b) => a - b);
}

for (const lossRate of [0, 0.02]) {
  Deno.test(`SctpAssociation lets somebody else's messages pass a burst that waits (${lossRate} lost)`, () => {
    for (let seed = 1; seed <= 4; seed++) {
      const link = { bps: 8_000_000, delayMs: 10, queueBytes: 64 * 1024, lossRate };
      const behind = delaysBesideBurst(seed, link, 1);
      const beside = delaysBesideBurst(seed, link, 2);
      // A full queue on the way takes 64 ms, and the way itself 10. What is lost takes longer.
      const place = lossRate === 0 ? 99 : 80;
      const said = `seed ${seed}: ${beside[place]} ms, and ${behind[place]} behind the burst`;
      assert.ok(beside[place]! <= 64 + 10 + 5, said);
      assert.ok(behind[place]! > 400, said);
    }
  });
}
