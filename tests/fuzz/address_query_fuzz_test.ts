/** Hostile answers to the question how this node is seen from outside. */
import assert from "node:assert/strict";
import { isPublicAddress } from "../../lib/wire/ip_address.ts";
import { readMappedAddress } from "../../lib/wire/stun_query.ts";
import { mutate } from "../support/hostile/mutate.ts";
import {
  errorAnswer,
  LOCAL,
  mappedAnswer,
  QueryWorld,
  SERVERS,
} from "../support/virtual/query_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const SEEDS = [1, 8489, 0xdeadbeef];
const ROUNDS = 5_000;

const HOSTS = [
  "10.1.2.3",
  "127.0.0.1",
  "0.0.0.0",
  "224.1.1.1",
  "255.255.255.255",
  "169.254.0.1",
  "fe80::1",
  "::1",
  "2001:db8::1",
  "::ffff:10.0.0.1",
];
const SENDERS = [...SERVERS, { hostname: "203.0.113.66", port: 3478 }];

Deno.test("AddressQuery believes no address that cannot be ours, whatever servers and strangers send", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const pick = <T>(of: readonly T[]) => of[random.below(of.length)]!;
    let ended = 0;
    let counted = 0;
    for (let round = 0; round < ROUNDS / 10; round++) {
      const world = new QueryWorld({ seed: random.uint32(), validates: random.chance(0.5) });
      for (let step = 0; step < 20; step++) {
        world.advance(random.below(700));
        const request = pick(world.sent).bytes;
        const answer = random.chance(0.2)
          ? errorAnswer(request, 300 + random.below(400))
          : mappedAnswer(request, pick(HOSTS), random.below(65_536));
        world.give(random.chance(0.7) ? mutate(random, answer) : answer, pick(SENDERS));
      }
      world.advance(10_000);
      const { outcome } = world;
      assert.ok(outcome !== undefined, "it ends");
      if (outcome !== "nothing") {
        ended++;
        // A damaged answer may name anything, as a server may that lies; but never what is not ours.
        assert.ok(isPublicAddress(outcome.address) && !outcome.address.includes(":"));
        assert.ok(outcome.port > 0 && outcome.port < 65_536);
        assert.notEqual(outcome.address, LOCAL.hostname);
        assert.equal(outcome.isProven, false);
      }
      for (const count of Object.values(world.drops.snapshot())) counted += count;
    }
    assert.ok(counted > ROUNDS / 20, `only ${counted} answers counted with seed ${seed}`);
    assert.ok(ended < ROUNDS / 20, "few damaged answers name a public address");
  }
});

Deno.test("AddressQuery is not moved by whoever has not seen its requests", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const world = new QueryWorld({ seed });
    world.advance(600);
    for (let round = 0; round < ROUNDS; round++) {
      const guess = random.bytes(20);
      guess.set([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
      const answer = mappedAnswer(guess, "203.0.113.9", 7882);
      const damaged = random.chance(0.5) ? mutate(random, answer) : answer;
      assert.equal(world.give(damaged, random.chance(0.5) ? SERVERS[0] : SENDERS[2]!), false);
    }
    assert.deepEqual(world.drops.snapshot(), {});
    assert.equal(world.outcome, undefined);
  }
});

Deno.test("readMappedAddress() survives random bytes and damaged answers, and stays inside them", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    let read = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const whole = mappedAnswer(
        random.bytes(20),
        round % 2 === 0 ? "203.0.113.9" : "2001:db8::9",
        9,
      );
      whole.set([0x21, 0x12, 0xa4, 0x42], 4);
      const bytes = random.chance(0.2) ? random.bytes(random.below(60)) : mutate(random, whole);
      if (random.chance(0.7) && bytes.length >= 20) bytes[3] = bytes.length - 20;
      const before = bytes.slice();
      const length = random.below(bytes.length + 1);
      for (const end of [length, bytes.length]) {
        const mapped = readMappedAddress(bytes, end);
        if (mapped === undefined) continue;
        read++;
        assert.ok(mapped.address.length === 4 || mapped.address.length === 16);
        assert.ok(mapped.port >= 0 && mapped.port < 65_536);
      }
      assert.deepEqual(bytes, before);
    }
    assert.ok(read > ROUNDS / 50, `only ${read} addresses read with seed ${seed}`);
  }
});
