import assert from "node:assert/strict";
import { type PackedValue, packMessage, unpackMessage } from "../../lib/wire/message_pack.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const SEEDS = [5, 911, 0xfeed];
const ROUNDS = 40_000;
const MAX_ELEMENTS = 200;

Deno.test("unpackMessage() gives back what was packed, within its weight", () => {
  const random = new SeededRandom(12);
  for (let round = 0; round < 5_000; round++) {
    const value = anyValue(random, 0);
    const bytes = packMessage(value);
    const elements = weigh(value);
    assert.deepEqual(unpackMessage(bytes, elements), value);
    assert.equal(unpackMessage(bytes, elements - 1), undefined);
  }
});

Deno.test("unpackMessage() survives random and damaged messages, none heavier than allowed", () => {
  let sound = 0;
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = random.chance(0.3)
        ? random.bytes(random.below(48))
        : mutate(random, packMessage(anyValue(random, 0)));
      const value = unpackMessage(bytes, MAX_ELEMENTS);
      if (value === undefined) continue;
      sound++;
      assert.ok(weigh(value) <= MAX_ELEMENTS);
      assert.ok(packMessage(value).length > 0);
    }
  }
  assert.ok(sound > SEEDS.length * ROUNDS / 20, "the generator must reach the accepting path");
});

function anyValue(random: SeededRandom, depth: number): PackedValue {
  switch (random.below(depth > 3 ? 7 : 9)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.below(2) === 0 ? random.uint32() : -random.below(70_000);
    case 3:
      return random.below(1000) / 8;
    case 4:
      return "é".repeat(random.below(40));
    case 5:
      return random.uint32() * 2 ** 20 + random.below(1000);
    case 6:
      return random.bytes(random.below(300));
    case 7:
      return Array.from({ length: random.below(6) }, () => anyValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(5) }, (_, n) => [`n${n}`, anyValue(random, depth + 1)]),
      );
  }
}

/** Values and names. */
function weigh(value: PackedValue): number {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return 1;
  if (Array.isArray(value)) return value.reduce((sum, each) => sum + weigh(each), 1);
  return Object.values(value).reduce((sum: number, each) => sum + 1 + weigh(each ?? null), 1);
}
