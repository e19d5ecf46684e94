import assert from "node:assert/strict";
import { ReplayWindow } from "../../../../lib/transport/crypto/replay_window.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

for (const [first, most] of [[128, 128], [128, 2048], [32, 64]] as const) {
  Deno.test(`ReplayWindow of ${first} to ${most} agrees with a list of everything accepted`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      const window = new ReplayWindow(first, most);
      const accepted = new Set<number>();
      let highest = -1;
      // Around 2^32 and beyond, as 48-bit indices are.
      let base = seed % 2 === 0 ? 2 ** 32 - 400 : 0;
      for (let i = 0; i < 3000; i++) {
        base += random.chance(0.02) ? random.below(3 * most) : random.below(3);
        const index = base - random.below(most + most / 2);
        const fresh = index >= 0 && !accepted.has(index) && index > highest - most;
        assert.equal(window.isFresh(index), fresh, `seed ${seed}, index ${index}`);
        if (!fresh || random.chance(0.2)) continue; // "not authentic": must leave no trace
        window.accept(index);
        accepted.add(index);
        highest = Math.max(highest, index);
        assert.equal(window.highest, highest);
      }
    }
  });
}

Deno.test("ReplayWindow knows of all numbers that it remembers, whichever of them were accepted", () => {
  for (const step of [1, 2, 31, 33, 100, 2047, 2048, 2049]) {
    const window = new ReplayWindow(128, 2048);
    const accepted = new Set<number>();
    for (let index = 0; index < 10_000; index += step) {
      window.accept(index);
      accepted.add(index);
      if (index % 97 >= step) continue;
      for (let other = Math.max(0, index - 2100); other <= index; other++) {
        const fresh = !accepted.has(other) && other > index - 2048;
        assert.equal(window.isFresh(other), fresh, `steps of ${step}, ${other} at ${index}`);
      }
    }
  }
});
