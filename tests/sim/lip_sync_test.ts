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
/** What is new, or has a new clock, is placed by arrivals until a report, which comes so soon, ms. */
const UNREPORTED_MS = 1_100;

/** How far things may be off, ms. */
interface Bounds {
  readonly audio?: number;
  readonly video?: number;
  /** For so long after a switch pictures are not looked at. */
  readonly settleMs?: number;
}

/** What was captured how far from where it is taken to be, but for pictures behind a switch. */
function* settled(readings: readonly Reading[], settleMs: number): Generator<Reading> {
  let before: Reading | undefined;
  let switchedAt = -Infinity;
  for (const one of readings) {
    const isSwitch = one.spatial !== before?.spatial || one.earlier !== before.earlier ||
      one.at - before.at > PAUSE_MS;
    if (isSwitch && one.kind === "video") switchedAt = one.at;
    if (one.at - switchedAt >= settleMs) yield one;
    before = one;
  }
}

/** Plays with each seed: nothing may be off by more than that. */
function assertInStep(play: (world: TalkingWorld) => void, bounds: Bounds = {}): void {
  for (const seed of SEEDS) {
    const world = new TalkingWorld({ seed, jitterMs: JITTER_MS });
    world.subscribe();
    world.run(SETTLE_MS);
    play(world);
    for (const kind of KINDS) {
      const own = world.readings.filter((one) => one.kind === kind);
      const all = [...settled(own, bounds.settleMs ?? CATCH_UP_MS)];
      assert.ok(all.length > 200, `${all.length} of ${kind}, seed ${seed}`);
      const worst = all.reduce((a, b) => Math.max(...b.off) > Math.max(...a.off) ? b : a);
      const seen = `${kind}, seed ${seed}: ${JSON.stringify(worst)}`;
      assert.ok(Math.max(...worst.off) <= (bounds[kind] ?? MOST_OFF_MS), seen);
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
  }, { audio: JITTER_MS, settleMs: UNREPORTED_MS });
});

Deno.test("Lips stay in step when the camera goes over to another codec that takes longer", () => {
  assertInStep((world) => {
    for (const encodingMs of [80, 0, 150]) {
      world.switchCodec(encodingMs);
      world.run(9_000);
    }
  }, { settleMs: UNREPORTED_MS });
});

Deno.test("Lips stay in step when another codec is paused before its first report", () => {
  assertInStep((world) => {
    for (const encodingMs of [120, 0]) {
      world.switchCodec(encodingMs);
      world.run(200);
      world.target("video", { enabled: false });
      world.run(1_500);
      world.target("video", {});
      world.run(6_000);
    }
  }, { settleMs: UNREPORTED_MS });
});

Deno.test("Lips stay in step when a section changes, while the path is slow", () => {
  assertInStep((world) => {
    for (const lateMs of [0, 120, 0]) {
      world.lateMs = lateMs;
      world.run(500);
      for (const kind of KINDS) world.changeSection(kind);
      world.run(6_000);
    }
  });
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
  }, { audio: JITTER_MS, settleMs: UNREPORTED_MS });
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
