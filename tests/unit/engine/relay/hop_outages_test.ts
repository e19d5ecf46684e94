/**
 * How long media of a hop stands still when a way to the other end is lost, and what is made of it:
 * the bounds that `docs/cluster.md` states.
 *
 * @module
 */
import assert from "node:assert/strict";
import { RELAY } from "../../../../lib/engine/relay/relay_records.ts";
import { type HopEnd, type HopNetwork, HopWorld } from "../../../support/media/hop_world.ts";

const VOICE_MS = 20;

/** Packets as of voice, both ways, for `ms`; `at` changes the network or an end. */
function talk(world: HopWorld, ms: number, at: (i: number) => void): void {
  world.run(ms, (i) => {
    at(i);
    if (i % VOICE_MS !== 0) return;
    world.near.packet(world.now, 120);
    world.far.packet(world.now, 120);
  });
}

/** The longest time between two packets that an end got, ms. */
function longestGap({ records }: HopEnd): number {
  const packets = records.filter(({ kind }) => kind === RELAY.packet);
  return packets.reduce(
    ([longest, before], { at }) => [Math.max(longest, at - before), at] as const,
    [0, packets[0]!.at] as readonly [number, number],
  )[0];
}

/** Talks for 15 s; `change` happens after two. */
function outage(
  network: Partial<HopNetwork>,
  change: Partial<HopNetwork>,
  lastsMs = Infinity,
): HopWorld {
  const world = new HopWorld({ seed: 11, network });
  world.connect();
  const before = { ...world.network };
  talk(world, 15_000, (i) => {
    if (i === 2_000) Object.assign(world.network, change);
    if (i === 2_000 + lastsMs) Object.assign(world.network, before);
  });
  return world;
}

for (const delayMs of [1, 50, 250]) {
  Deno.test(`hop: UDP that becomes blocked is an outage of 0.6 s and two ways, ${delayMs} ms each`, () => {
    const world = outage({ delayMs, hasFallback: true }, { isDown: true });
    const most = Math.max(600, 4 * delayMs) + 2 * delayMs + 2 * VOICE_MS;
    for (const end of [world.near, world.far]) {
      const gap = longestGap(end);
      assert.ok(gap <= most, `${gap} ms`);
      assert.deepEqual(end.events, ["blocked"], "once, and no layer gives way for it");
    }
  });
}

Deno.test("hop: UDP that is blocked one way only is left on that way", () => {
  const world = new HopWorld({ seed: 12, network: { delayMs: 20, hasFallback: true } });
  world.connect();
  let isBlocked = false;
  world.block = (to) => isBlocked && to === world.far;
  talk(world, 8_000, (i) => {
    if (i === 2_000) isBlocked = true;
  });
  assert.ok(longestGap(world.far) <= 700, `${longestGap(world.far)} ms`);
  assert.equal(longestGap(world.near), VOICE_MS);
  assert.deepEqual([world.near.events, world.far.events], [["blocked"], []]);
});

Deno.test("hop: UDP that is blocked and free again goes on without a pause, and with all layers", () => {
  const world = outage({ delayMs: 20, hasFallback: true }, { isDown: true }, 5_000);
  for (const end of [world.near, world.far]) {
    assert.ok(longestGap(end) <= 700, `${longestGap(end)} ms`);
    assert.deepEqual(end.events, ["blocked", "free"]);
  }
});

Deno.test("hop: what takes both ways while UDP is in doubt comes once", () => {
  const world = new HopWorld({ seed: 13, network: { delayMs: 20, hasFallback: true } });
  world.connect();
  // Nothing but answers is lost, so UDP is in doubt and carries all the same.
  world.block = (to) => to === world.near;
  const control: number[] = [];
  talk(world, 1_800, (i) => {
    if (i % 50 === 0 && world.near.write(RELAY.state, [7, i])) control.push(i);
  });
  world.run(500);
  const numbers = world.far.of(RELAY.packet).map(({ words }) => words[1]);
  assert.ok(world.sentByFallback > 20, "both ways were taken");
  assert.equal(numbers.length, 90);
  assert.equal(new Set(numbers).size, numbers.length);
  assert.deepEqual(world.far.of(RELAY.state).map(({ words }) => words[1]), control);
});

Deno.test("hop: after 5 s without any way media goes on within a round trip and 0.25 s", () => {
  for (const delayMs of [1, 50]) {
    const both = { isDown: true, hasFallback: false };
    const world = outage({ delayMs, hasFallback: true }, both, 5_000);
    for (const end of [world.near, world.far]) {
      const gap = longestGap(end);
      assert.ok(gap <= 5_250 + 2 * delayMs + VOICE_MS, `${gap} ms`);
    }
  }
});

Deno.test("hop: the other way may be gone for as long as it likes while UDP works", () => {
  const world = outage({ delayMs: 20, hasFallback: true }, { hasFallback: false }, 5_000);
  for (const end of [world.near, world.far]) {
    assert.equal(longestGap(end), VOICE_MS);
    assert.deepEqual(end.events, []);
  }
});

Deno.test("hop: where UDP is blocked from the beginning, the hop is there within a second", () => {
  const world = new HopWorld({
    seed: 14,
    network: { delayMs: 20, isDown: true, hasFallback: true },
  });
  world.connect();
  assert.equal(world.near.link.isOpen, false);
  world.run(500);
  assert.deepEqual([world.near.link.isOpen, world.far.link.isOpen], [true, true]);
});

Deno.test("hop: an end that begins anew under way is an outage of three round trips", () => {
  for (const delayMs of [1, 50]) {
    const world = new HopWorld({ seed: 15, network: { delayMs, hasFallback: true } });
    world.connect();
    talk(world, 6_000, (i) => {
      if (i !== 2_000) return;
      world.far.link.close();
      world.far.link = world.far.makeLink();
      world.far.link.setActive(true);
    });
    assert.ok(longestGap(world.far) <= 6 * delayMs + 3 * VOICE_MS, `${longestGap(world.far)} ms`);
    assert.deepEqual(world.near.events, ["restarted"]);
  }
});
