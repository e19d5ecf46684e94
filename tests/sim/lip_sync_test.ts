/**
 * Lips: whatever becomes of a publisher's microphone and camera on the way to a subscriber, its
 * sender reports put what was captured at one instant at one instant, by the last of them, and by
 * as many as libwebrtc's receivers look at.
 */
import assert from "node:assert/strict";
import { KINDS, type Reading, TalkingWorld } from "../support/media/talking_world.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
/** Until a subscriber has two reports of each: the publisher's first of its microphone is late. */
const SETTLE_MS = 9_000;
/** How unevenly packets come: where clocks tell nothing, arrivals do. */
const JITTER_MS = 40;
/** Nobody sees that, ms; nor hears it. */
const MOST_OFF_MS = 5;
/** Pictures from before a switch come together with those behind it for so long, ms. */
const CATCH_UP_MS = 150;
/** Who has nothing for so long, ms, goes on as after a switch. */
const PAUSE_MS = 500;

/** What was captured how far from where it is taken to be, but for pictures that catch up. */
function* settled(readings: readonly Reading[]): Generator<Reading> {
  let before: Reading | undefined;
  let switchedAt = -Infinity;
  for (const one of readings) {
    const isSwitch = one.spatial !== before?.spatial || one.at - before.at > PAUSE_MS;
    if (isSwitch && one.kind === "video") switchedAt = one.at;
    if (one.at - switchedAt >= CATCH_UP_MS) yield one;
    before = one;
  }
}

/** Plays with each seed: nothing may be off by more than `mostMs`. */
function assertInStep(play: (world: TalkingWorld) => void, mostMs = MOST_OFF_MS): void {
  for (const seed of SEEDS) {
    const world = new TalkingWorld({ seed, jitterMs: JITTER_MS });
    world.subscribe();
    world.run(SETTLE_MS);
    play(world);
    for (const kind of KINDS) {
      const all = [...settled(world.readings.filter((one) => one.kind === kind))];
      assert.ok(all.length > 200, `${all.length} of ${kind}, seed ${seed}`);
      const worst = all.reduce((a, b) => Math.max(...b.off) > Math.max(...a.off) ? b : a);
      const seen = `${kind}, seed ${seed}: ${JSON.stringify(worst)}`;
      assert.ok(Math.max(...worst.off) <= mostMs, seen);
    }
  }
}

Deno.test("Lips stay in step while the camera's layers change", () => {
  assertInStep((world) => {
    for (let i = 0; i < 30; i++) {
      world.target("video", { maxSpatial: world.random.below(3) as 0 | 1 | 2 });
      world.run(1_000);
    }
  });
});

Deno.test("Lips stay in step when what was paused goes on", () => {
  assertInStep((world) => {
    for (let i = 0; i < 8; i++) {
      for (const kind of KINDS) world.target(kind, { enabled: false });
      world.run(1_500);
      for (const kind of KINDS) world.target(kind, {});
      world.run(3_000);
    }
  });
});

Deno.test("Lips stay in step though the publisher's path was slow before a pause", () => {
  assertInStep((world) => {
    for (let i = 0; i < 4; i++) {
      world.lateMs = 300;
      world.run(2_000);
      for (const kind of KINDS) world.target(kind, { enabled: false });
      world.lateMs = 0;
      world.run(1_500);
      for (const kind of KINDS) world.target(kind, {});
      world.run(3_000);
    }
  });
});

Deno.test("Lips stay in step over mutes", () => {
  assertInStep((world) => {
    for (let i = 0; i < 5; i++) {
      world.mute(3_000);
      world.run(4_000);
    }
  });
});

Deno.test("Lips stay in step though the publisher's clocks stood still in mutes", () => {
  assertInStep((world) => {
    for (const ms of [3_000, 600]) {
      world.mute(ms, true);
      world.run(8_000);
    }
  }, JITTER_MS);
});

Deno.test("Lips are in step when the publisher comes again, and with a layer that is new", () => {
  assertInStep((world) => {
    for (const kind of KINDS) world.republish(kind);
    world.run(9_000);
    const [, , top] = world.camera;
    top!.isOn = false;
    world.run(3_000);
    world.restart(top!);
    top!.isOn = true;
    world.run(9_000);
  }, JITTER_MS);
});

Deno.test("A subscriber to who has reported gets two reports of each within 1.5 s", () => {
  const world = new TalkingWorld({ seed: 1 });
  world.run(SETTLE_MS);
  const begun = world.now;
  world.subscribe();
  world.run(10_000);
  for (const kind of KINDS) {
    const after = world.reportedAt[kind].map((at) => at - begun);
    assert.ok(after[1]! <= 1_500, `${after} ms`);
    assert.ok(after.length <= 5, "and no more of them afterwards");
  }
});
