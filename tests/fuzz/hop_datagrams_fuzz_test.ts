/**
 * Hostile datagrams to a hop: from strangers, and from another node that has the keys. Nothing
 * throws, memory stays, and what is not the other end's is counted and changes nothing.
 */
import assert from "node:assert/strict";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { CONTENT_WORDS, FRAME, frameWord, OF_DATA } from "../../lib/engine/relay/hop_datagram.ts";
import { HopSession } from "../../lib/engine/relay/hop_session.ts";
import { RELAY } from "../../lib/engine/relay/relay_records.ts";
import { chooseMediaCrypto } from "../../lib/transport/media_crypto.ts";
import { HopWorld } from "../support/media/hop_world.ts";
import type { SeededRandom } from "../support/virtual/seeded_random.ts";

const FROM_STRANGERS = 150_000;
const FROM_A_PEER = 60_000;
/** What a hop may keep more after all that, bytes. */
const MAX_GROWTH = 64 << 20;

const crypto = chooseMediaCrypto("auto");

function changed(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  switch (random.below(4)) {
    case 0:
      return bytes.slice(0, random.below(bytes.length));
    case 1: {
      const longer = new Uint8Array(bytes.length + 1 + random.below(2_100 - bytes.length));
      longer.set(bytes);
      return longer;
    }
    case 2: {
      const noise = random.bytes(random.below(120));
      if (noise.length > 0) noise[0] = 80 + random.below(16);
      return noise;
    }
    default: {
      const copy = bytes.slice();
      for (let i = 1 + random.below(4); i > 0; i--) {
        copy[random.below(copy.length)]! ^= 1 + random.below(255);
      }
      return copy;
    }
  }
}

Deno.test("hop fuzz: datagrams of strangers are counted, each once, and nothing else", () => {
  const world = new HopWorld({ seed: 20, crypto });
  const recorded: Uint8Array[] = [];
  world.tap = (bytes, to) => to === world.far && recorded.push(bytes.slice());
  world.connect();
  world.run(200, (i) => {
    world.near.write(RELAY.state, [7, i]);
    world.near.packet(i, i % 300);
  });
  world.run(300);
  world.tap = () => {};
  const { drops, link, records } = world.far;
  const before = records.length;
  const counted = () => Object.values(drops.snapshot()).reduce((sum, count) => sum + count, 0);
  const sum = counted();
  for (let i = 0; i < FROM_STRANGERS; i++) {
    const original = recorded[world.random.below(recorded.length)]!;
    const bytes = changed(original, world.random);
    link.receive(bytes, bytes.length, world.far.now);
  }
  assert.equal(counted() - sum, FROM_STRANGERS);
  world.far.read();
  assert.equal(records.length, before);
  world.near.write(RELAY.state, [8, 1]);
  world.run(300);
  assert.deepEqual(world.far.of(RELAY.state).at(-1)!.words, [8, 1]);
  assert.deepEqual(world.near.events, []);
});

/** The numbers of its streams, and of its media. */
const numbers = Int32Array.of(0, 0, 0);

/** Frames that are almost right. */
function hostileFrames(words: Int32Array, random: SeededRandom): number {
  let length = 0;
  let isRead = true;
  for (let i = random.below(4); i >= 0; i--) {
    const size = 1 + random.below(random.chance(0.9) ? 24 : CONTENT_WORDS);
    if (length + size > CONTENT_WORDS) break;
    const claimed = random.chance(0.97) ? size : random.below(0x1_0000);
    const flags = random.below(16) << 4;
    const type = random.below(6);
    words[length] = frameWord(type, flags, claimed, random.below(128));
    for (let at = 1; at < size; at++) {
      words[length + at] = random.chance(0.6) ? random.below(300) : random.uint32() | 0;
    }
    const which = type === FRAME.stream ? Number((flags & OF_DATA) !== 0) : 2;
    isRead &&= claimed === size && size > 2;
    if (isRead && (type === FRAME.stream || type === FRAME.media)) {
      if (which === 2 && random.chance(0.0005)) numbers[which] = random.uint32() | 0;
      words[length + 1] = numbers[which]!++;
      if (which === 2 && random.chance(0.7)) words[length + 2] = numbers[0]! - 2;
    }
    length += size;
  }
  return length;
}

Deno.test("hop fuzz: frames of a peer that means harm neither throw nor fill memory", () => {
  const world = new HopWorld({ seed: 21, crypto });
  const { far, random } = world;
  world.near.link.close();
  const nonce = random.bytes(16);
  const drops = new DropCounters();
  const peer = new HopSession({ crypto, secret: world.secret, nonce, theirId: 22, drops });
  const hello = peer.hello(true);
  let answer: Uint8Array | undefined;
  world.tap = (bytes, to) => to === world.near && bytes[0] === 81 && (answer = bytes);
  far.link.setActive(true);
  far.link.receive(hello, hello.length, far.now);
  const ours = peer.receiveHello(answer!, answer!.length, true, 0)!.answer!;
  far.link.receive(ours, ours.length, far.now);
  assert.ok(far.link.stats.connected);
  world.tap = () => {};
  const words = new Int32Array(CONTENT_WORDS);
  const bytes = new Uint8Array(words.buffer);
  const out = new Uint8Array(1536);
  const { reader } = far.link.channel;
  let read = 0;
  far.read = () => {
    while (reader.next()) read++;
    reader.release();
  };
  let before = 0;
  for (let i = 0; i < FROM_A_PEER; i++) {
    if (i === 1_000) before = memory();
    const length = hostileFrames(words, random);
    const sealed = peer.seal(out, bytes, 0, 4 * length, world.now);
    far.link.receive(out, sealed, far.now);
    if (i % 8 === 0) far.packet(i, random.below(1_200));
    if (i % 200 === 0) far.write(RELAY.demand, [1, i]);
    if (i % 20 === 0) world.run(1);
  }
  assert.equal(reader.corrupted, 0);
  assert.ok(read > 1_000, `${read} records came of it`);
  assert.ok(memory() - before < MAX_GROWTH, `${memory() - before} bytes more`);
  const { hop_malformed = 0, hop_unknown_frame = 0 } = far.drops.snapshot();
  assert.ok(hop_malformed > 1_000 && hop_unknown_frame > 1_000);
  far.link.close();
  peer.close();
});

function memory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
