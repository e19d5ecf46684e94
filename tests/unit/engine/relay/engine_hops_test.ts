import assert from "node:assert/strict";
import { ManyHops, trackOf } from "../../../support/media/many_hops.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const HOPS = 50;

function connected({ near }: ManyHops): number[] {
  return near.hops.stats().flatMap(({ connected, theirEngine }) => connected ? [theirEngine] : []);
}

Deno.test("EngineHops: a hop that nothing goes by has nothing to do and says nothing", async () => {
  const world = new ManyHops(HOPS, 1);
  await world.run(2_000);
  assert.deepEqual([world.near.sent, world.far.sent], [0, 0]);
  assert.equal(world.near.hops.nextWakeAt, Infinity);
  world.share(7, true);
  await world.run(1_000);
  assert.deepEqual(connected(world), [7]);
  assert.ok(world.near.hops.nextWakeAt < Infinity, "it is kept known");
});

Deno.test("EngineHops: what goes by one hop arrives, whatever the others do", async () => {
  const world = new ManyHops(HOPS, 2);
  const random = new SeededRandom(3);
  const shared = new Set<number>();
  const sent = new Map<number, number>();
  for (let step = 0; step < 300; step++) {
    const n = random.below(HOPS);
    if (random.chance(0.3)) {
      if (shared.delete(n)) world.share(n, false);
      else {
        world.share(n, true);
        shared.add(n);
        await world.run(600);
      }
    } else if (shared.has(n)) {
      world.send(n);
      sent.set(n, (sent.get(n) ?? 0) + 1);
    }
    await world.run(20);
  }
  await world.run(500);
  assert.ok(sent.size > 10);
  for (const [n, count] of sent) {
    const came = world.far.received.filter((track) => track === trackOf(n)).length;
    assert.equal(came, count, `hop ${n}`);
  }
  for (const { drops } of [world.near, world.far]) assert.deepEqual(drops.snapshot(), {});
});

Deno.test("EngineHops: hops that nothing goes by any more fall silent", async () => {
  const world = new ManyHops(HOPS, 4);
  for (let n = 0; n < HOPS; n++) world.share(n, true);
  await world.run(1_500);
  assert.equal(connected(world).length, HOPS);
  for (let n = 0; n < HOPS; n++) world.share(n, false);
  await world.run(5_000);
  const before = world.near.sent + world.far.sent;
  await world.run(5_000);
  assert.equal(world.near.sent + world.far.sent, before);
  assert.equal(world.near.hops.nextWakeAt, Infinity);
  assert.equal(world.far.hops.nextWakeAt, Infinity);
});

Deno.test("EngineHops: a hop that ends, or is made anew, is due no more under its old name", async () => {
  const world = new ManyHops(3, 5);
  for (let n = 0; n < 3; n++) world.share(n, true);
  await world.run(1_000);
  for (let n = 0; n < 3; n++) world.near.hops.disconnect(100 + n);
  assert.equal(world.near.hops.nextWakeAt, Infinity);
  const { sent } = world.near;
  await world.run(2_000);
  assert.equal(world.near.sent, sent);
});
