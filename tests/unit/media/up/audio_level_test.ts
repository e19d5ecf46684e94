import assert from "node:assert/strict";
import { AudioLevel, linearLevel } from "../../../../lib/media/up/audio_level.ts";

/** Observes `count` packets of 20 ms from `now` on; returns the time after the last. */
function talk(level: AudioLevel, dbov: number, count: number, now: number): number {
  for (let i = 0; i < count; i++, now += 20) level.observe(dbov, 20, now);
  return now;
}

Deno.test("linearLevel() is 1 at 0 dBov and a tenth every 20 dB", () => {
  assert.equal(linearLevel(0), 1);
  assert.ok(Math.abs(linearLevel(20) - 0.1) < 1e-12);
  assert.ok(Math.abs(linearLevel(35) - 0.0178) < 1e-4);
});

Deno.test("AudioLevel needs 40 % of a window above the threshold", () => {
  const quiet = new AudioLevel();
  let now = talk(quiet, 20, 7, 0);
  now = talk(quiet, 60, 13, now);
  assert.equal(quiet.level(now), 0, "35 %");
  const speaking = new AudioLevel();
  now = talk(speaking, 20, 8, 0);
  now = talk(speaking, 60, 12, now);
  assert.ok(speaking.level(now) > 0, "40 %");
});

Deno.test("AudioLevel is the loudest frame, weighted by active time and smoothed by 2/3", () => {
  const level = new AudioLevel();
  let now = talk(level, 20, 10, 0);
  now = talk(level, 60, 10, now);
  // Half of the window: 20·log10(0.5) dB quieter, i.e. half the linear level.
  assert.ok(Math.abs(level.level(now) - (0.1 * 0.5 * 2) / 3) < 1e-9);
  assert.equal(level.isActive(now), true);
});

Deno.test("AudioLevel says nothing within the first window and falls silent when stale", () => {
  const level = new AudioLevel();
  let now = talk(level, 10, 19, 0);
  assert.equal(level.level(now), 0);
  now = talk(level, 10, 1, now); // the last packet came 20 ms before `now`
  assert.ok(level.isActive(now));
  assert.equal(level.isActive(now + 779), true);
  assert.equal(level.level(now + 780), 0);
});

Deno.test("AudioLevel is 0 at once after a window without enough speech", () => {
  const level = new AudioLevel();
  let now = talk(level, 10, 40, 0);
  assert.ok(level.isActive(now));
  now = talk(level, 100, 20, now);
  assert.equal(level.level(now), 0);
});

Deno.test("AudioLevel.observePacket() measures the time between packets, so that DTX counts as silence", () => {
  const level = new AudioLevel();
  let timestamp = 0xffff_ff00;
  let now = 0;
  const packet = (dbov: number, ms: number) => {
    timestamp = (timestamp + ms * 48) >>> 0;
    now += ms;
    level.observePacket(dbov, timestamp, 48_000, now);
  };
  for (let i = 0; i < 21; i++) packet(20, 20); // across the wrap of the timestamp
  assert.ok(level.isActive(now));
  packet(127, 400); // one comfort packet ends the window
  assert.equal(level.level(now), 0);
});

Deno.test("AudioLevel.observePacket() ignores late packets and a restart's jump", () => {
  const level = new AudioLevel();
  level.observePacket(10, 100_000, 48_000, 0);
  level.observePacket(10, 99_040, 48_000, 1);
  level.restart();
  level.observePacket(10, 4_000_000_000, 48_000, 2);
  assert.equal(level.level(3), 0, "no time has passed in any of it");
});

Deno.test("AudioLevel.observePacket() does not take a long pause for speech because it ends loudly", () => {
  const level = new AudioLevel();
  level.observePacket(0, 0, 48_000, 0);
  level.observePacket(0, 480_000, 48_000, 10_000);
  assert.equal(level.level(10_000), 0);
});
