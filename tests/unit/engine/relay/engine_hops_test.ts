import assert from "node:assert/strict";
import { ManyHops, trackOf } from "../../../support/media/many_hops.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const HOPS = 50;
/** Of the one hop, and where an engine is after it has moved. */
const INDEX = 100;
const ELSEWHERE = "127.0.0.2";

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

/** A hop that something goes by, and how much of that has come. */
async function flowing(seed: number) {
  const world = new ManyHops(1, seed);
  world.share(0, true);
  await world.run(1_000);
  const comes = async (ms: number) => {
    const before = world.far.received.length;
    let sent = 0;
    await world.run(ms, () => {
      if (sent++ % 20 === 0) world.send(0);
    });
    return world.far.received.length - before;
  };
  assert.equal(await comes(200), 10);
  return { world, comes };
}

Deno.test("EngineHops: what goes by a socket whose address is gone goes by another at once", async () => {
  const { world, comes } = await flowing(6);
  world.near.open(ELSEWHERE);
  world.near.hops.socketsChanged(world.now);
  assert.equal(await comes(200), 10);
  // The far end has learnt from where it comes, and answers there.
  await world.run(3_000);
  assert.deepEqual(world.near.hops.stats().map(({ blocked }) => blocked), [false]);
  assert.equal(await comes(200), 10);
});

Deno.test("EngineHops: a socket that is still there is used on when others come", async () => {
  const { world, comes } = await flowing(7);
  const { sent } = world.near;
  world.near.hops.socketsChanged(world.now);
  assert.equal(await comes(20), 1);
  assert.equal(world.near.sent - sent, 1);
});

Deno.test("EngineHops: the other end is found where it is said to be, though nothing comes from it", async () => {
  const { world, comes } = await flowing(8);
  world.far.isMute = true;
  world.far.open(ELSEWHERE);
  assert.equal(await comes(100), 0);
  const { port } = world.far;
  world.near.hops.move(INDEX, [{ hostname: ELSEWHERE, port }], world.now);
  assert.ok(await comes(200) >= 10, "and what was lost before is sent again");
});

Deno.test("EngineHops: UDP that was blocked is tried at once when the other end moves", async () => {
  const { world } = await flowing(9);
  world.far.open(ELSEWHERE);
  world.far.isMute = true;
  await world.run(30_000);
  const blocked = () => world.near.hops.stats()[0]!.blocked;
  assert.equal(blocked(), true);
  world.far.isMute = false;
  const { port } = world.far;
  world.near.hops.move(INDEX, [{ hostname: ELSEWHERE, port }], world.now);
  await world.run(100);
  assert.equal(blocked(), false);
});
