import assert from "node:assert/strict";
import { PacketCache } from "../../../../lib/media/layer/packet_cache.ts";
import type { ExtSeq } from "../../../../lib/wire/seq.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** A packet whose every byte depends on its number. */
function packetOf(seq: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seq * 31 + i * 7) & 0xff);
}

function store(cache: PacketCache, seq: number, length: number, now = 0): void {
  cache.stage(seq as ExtSeq, packetOf(seq, length), length);
  cache.storeStaged(seq as ExtSeq, length, seq, now);
}

function stored(cache: PacketCache, seq: number): Uint8Array {
  const slot = cache.find(seq);
  assert.ok(slot >= 0, `${seq} is kept`);
  return cache.slotBytes(slot).slice(0, cache.lengthOf(slot));
}

Deno.test("PacketCache.grow() and shrink() keep the newest packets whole, whatever was lost", () => {
  const random = new SeededRandom(9);
  const cache = new PacketCache(32, 256);
  const lengths = new Map<number, number>();
  let highest = 0x1_fff0; // crosses a cycle
  const receive = (count: number) => {
    for (let i = 0; i < count; i++) {
      highest += random.chance(0.1) ? 1 + random.below(5) : 1;
      const length = 12 + random.below(1400);
      lengths.set(highest, length);
      store(cache, highest, length);
    }
  };
  /** Those at most `capacity` numbers back are there, and are what was stored. */
  const check = (capacity: number) => {
    assert.equal(cache.capacity, capacity);
    for (let seq = highest - capacity + 1; seq <= highest; seq++) {
      const length = lengths.get(seq);
      if (length === undefined) assert.equal(cache.find(seq), -1, `${seq} was lost`);
      else assert.deepEqual(stored(cache, seq), packetOf(seq, length));
    }
  };
  for (const capacity of [32, 64, 128, 256]) {
    receive(300);
    check(capacity);
    if (capacity === 256) break;
    const before = [...lengths.keys()].filter((seq) => seq > highest - capacity);
    cache.grow();
    for (const seq of before) {
      assert.deepEqual(stored(cache, seq), packetOf(seq, lengths.get(seq)!));
    }
  }
  assert.ok(cache.hasGrown);
  cache.shrink();
  assert.ok(!cache.hasGrown);
  check(32);
  receive(100);
  check(32);
});

Deno.test("PacketCache keeps views on slots and addresses of memory while it grows", () => {
  const cache = new PacketCache(32, 64);
  store(cache, 5, 100);
  const view = cache.slotBytes(cache.find(5));
  const memory = cache.memoryOf(cache.find(5));
  cache.grow();
  assert.equal(cache.slotBytes(5), view);
  assert.equal(cache.memoryOf(cache.find(5)), memory);
  const words = new Int32Array(30);
  store(cache, 40, 99);
  cache.copyWords(cache.find(40), words, 2);
  assert.deepEqual(new Uint8Array(words.buffer, 8, 99), packetOf(40, 99));
  const { buffer } = cache.memoryOf(cache.find(40));
  assert.notEqual(buffer, memory.buffer, "what it grows by is memory of its own");
});

Deno.test("PacketCache says of a slot whether its packet is less than a second old", () => {
  const cache = new PacketCache(32, 64);
  assert.ok(!cache.overwritesRecent(33 as ExtSeq, 0), "there was none");
  store(cache, 1, 20, 500);
  assert.ok(cache.overwritesRecent(33 as ExtSeq, 1499));
  assert.ok(!cache.overwritesRecent(33 as ExtSeq, 1500));
  assert.ok(!cache.overwritesRecent(34 as ExtSeq, 500));
});
