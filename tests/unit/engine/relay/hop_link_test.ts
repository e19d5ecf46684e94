/**
 * Two ends of a hop over networks that lose, delay, reorder and repeat: what must come comes, once,
 * in order and in time.
 *
 * @module
 */
import assert from "node:assert/strict";
import { RELAY } from "../../../../lib/engine/relay/relay_records.ts";
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
  ["20 % lost", { loss: 0.2 }, 0.97],
  ["5 % lost, reordered and repeated", { loss: 0.05, jitterMs: 12, duplicates: 0.05 }, 0.99],
];

for (const [name, network, share] of networks) {
  Deno.test(`hop: control in order, packets once and in time: ${name}`, () => {
    for (const seed of [1, 2, 3]) {
      const world = new HopWorld({ seed, network });
      world.connect();
      const { written, control } = traffic(world, 8_000);
      assert.deepEqual(world.far.of(RELAY.state).map(({ words }) => words[1]), control);
      const numbers = packetNumbers(world);
      assert.equal(new Set(numbers).size, numbers.length, "a packet came twice");
      let inTime = 0;
      for (const { words, at } of world.far.of(RELAY.packet)) {
        if (at - written.get(words[1]!)! <= 250) inTime++;
        assert.ok(words.every((word, i) => i === 0 || word === words[1]), "a packet changed");
      }
      assert.equal(written.size, 8_000);
      assert.ok(inTime / written.size >= share, `${inTime} of ${written.size} in time`);
    }
  });
}
