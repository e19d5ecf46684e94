import assert from "node:assert/strict";
import { WakeEntry, WakeQueue } from "../../../lib/base/wake_queue.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

Deno.test("WakeQueue takes what is due, earliest first, and nothing twice", () => {
  const queue = new WakeQueue<string>();
  const [a, b, c] = ["a", "b", "c"].map((name) => new WakeEntry(name)) as [
    WakeEntry<string>,
    WakeEntry<string>,
    WakeEntry<string>,
  ];
  queue.move(a, 30);
  queue.move(b, 10);
  queue.move(c, 20);
  assert.equal(queue.nextAt, 10);
  assert.equal(queue.take(9), undefined);
  assert.equal(queue.take(20), "b");
  assert.equal(queue.take(20), "c");
  assert.equal(queue.take(20), undefined);
  queue.move(a, Infinity);
  assert.equal(queue.nextAt, Infinity);
  assert.equal(queue.size, 0);
});

Deno.test("WakeQueue agrees with a sorted list over random moves", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const queue = new WakeQueue<number>();
    const entries = Array.from({ length: 40 }, (_, owner) => new WakeEntry(owner));
    const model = new Map<number, number>();
    for (let step = 0; step < 2_000; step++) {
      const entry = entries[random.below(entries.length)]!;
      if (random.below(4) > 0) {
        const at = random.below(5) === 0 ? Infinity : random.below(1_000);
        queue.move(entry, at);
        if (at === Infinity) model.delete(entry.owner);
        else model.set(entry.owner, at);
      } else {
        const now = random.below(1_000);
        const earliest = Math.min(Infinity, ...model.values());
        const taken = queue.take(now);
        assert.equal(taken !== undefined, earliest <= now, `seed ${seed} step ${step}`);
        if (taken !== undefined) {
          assert.equal(model.get(taken), earliest, `seed ${seed} step ${step}`);
          model.delete(taken);
        }
      }
      assert.equal(queue.nextAt, Math.min(Infinity, ...model.values()));
      assert.equal(queue.size, model.size);
    }
  }
});
