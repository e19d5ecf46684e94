import assert from "node:assert/strict";
import { ReplayWindow } from "../../../../lib/transport/crypto/replay_window.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

Deno.test("ReplayWindow agrees with a list of everything accepted", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const window = new ReplayWindow(128);
    const accepted = new Set<number>();
    let highest = -1;
    // Around 2^32 and beyond, as 48-bit indices are.
    let base = seed % 2 === 0 ? 2 ** 32 - 400 : 0;
    for (let i = 0; i < 3000; i++) {
      base += random.chance(0.02) ? random.below(400) : random.below(3);
      const index = base - random.below(200);
      const fresh = index >= 0 && !accepted.has(index) && index > highest - 128;
      assert.equal(window.isFresh(index), fresh, `seed ${seed}, index ${index}`);
      if (!fresh || random.chance(0.2)) continue; // "not authentic": must leave no trace
      window.accept(index);
      accepted.add(index);
      highest = Math.max(highest, index);
      assert.equal(window.highest, highest);
    }
  }
});
