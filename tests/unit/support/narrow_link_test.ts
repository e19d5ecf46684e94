/** What a link with a bottleneck does to what is sent over it. */
import assert from "node:assert/strict";
import { NarrowLink } from "../../support/virtual/narrow_link.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

/** 1,000 bytes with headers. */
const BYTES = 972;

Deno.test("NarrowLink lets one datagram after the other through, and drops what would wait too long", () => {
  const link = new NarrowLink(new SeededRandom(1));
  assert.equal(link.arrival(BYTES, 5), 5, "wide at first");
  link.rateBps = 800_000; // 10 ms each
  link.delayMs = 50;
  link.queueMs = 30;
  const arrivals = Array.from({ length: 6 }, () => link.arrival(BYTES, 100));
  assert.deepEqual(arrivals, [160, 170, 180, 190, undefined, undefined]);
  assert.equal(link.lost, 2);
  assert.equal(link.arrival(BYTES, 200), 260, "the queue is empty again");
});

Deno.test("NarrowLink whose user was late has done meanwhile what it had time for", () => {
  const link = new NarrowLink(new SeededRandom(1));
  link.rateBps = 800_000; // 10 ms each
  link.delayMs = 50;
  link.queueMs = 30;
  const late = Array.from({ length: 6 }, () => link.arrival(BYTES, 140, 100));
  assert.deepEqual(late, [160, 170, 180, 190, 200, 210], "they had 40 ms");
  assert.equal(link.arrival(BYTES, 140), 220, "what comes on time waits behind them");
  assert.equal(link.lost, 0);
});

Deno.test("NarrowLink loses by its seed, and jitter makes nothing overtake", () => {
  const run = (seed: number) => {
    const link = new NarrowLink(new SeededRandom(seed));
    link.loss = 0.1;
    link.delayMs = 20;
    link.jitterMs = 30;
    return Array.from({ length: 2_000 }, (_, i) => link.arrival(BYTES, i * 2));
  };
  const arrivals = run(3);
  assert.deepEqual(run(3), arrivals);
  const lost = arrivals.filter((at) => at === undefined).length;
  assert.ok(lost > 150 && lost < 250, `${lost}`);
  let last = 0;
  for (const [i, at] of arrivals.entries()) {
    if (at === undefined) continue;
    assert.ok(at >= last && at >= i * 2 + 20);
    last = at;
  }
});
