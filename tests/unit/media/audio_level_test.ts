import assert from "node:assert/strict";
import { AudioLevel, linearLevel } from "../../../lib/media/audio_level.ts";

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
  now = talk(level, 10, 1, now);
  assert.ok(level.isActive(now));
  assert.equal(level.isActive(now + 700), true);
  assert.equal(level.level(now + 801), 0);
});

Deno.test("AudioLevel decays over silent windows", () => {
  const level = new AudioLevel();
  let now = talk(level, 10, 20, 0);
  let last = level.level(now);
  for (let i = 0; i < 3; i++) {
    now = talk(level, 100, 20, now);
    assert.ok(level.level(now) < last);
    last = level.level(now);
  }
  assert.equal(level.isActive(now), false);
});
