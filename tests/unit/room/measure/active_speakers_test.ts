import assert from "node:assert/strict";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import { ActiveSpeakers } from "../../../../lib/room/measure/active_speakers.ts";

const A = "UT_a" as UpTrackId;
const B = "UT_b" as UpTrackId;
const B2 = "UT_b2" as UpTrackId;

Deno.test("ActiveSpeakers.collect() names the loudest first and rounds levels up to eighths", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_a", A, 0.02, true, 0);
  speakers.hear("PA_b", B, 0.26, true, 0);
  assert.deepEqual(speakers.collect(0), [
    { sid: "PA_b", level: 0.375, active: true },
    { sid: "PA_a", level: 0.125, active: true },
  ]);
});

Deno.test("ActiveSpeakers.collect() sorts by the exact level where the rounded ones are equal", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_a", A, 0.05, true, 0);
  speakers.hear("PA_b", B, 0.06, true, 0);
  assert.deepEqual(speakers.collect(0).map(({ sid }) => sid), ["PA_b", "PA_a"]);
});

Deno.test("ActiveSpeakers.collect() tells changes only: of the rounded level, and the end", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_a", A, 0.2, true, 0);
  assert.equal(speakers.collect(0).length, 1);
  speakers.hear("PA_a", A, 0.24, true, 400);
  assert.deepEqual(speakers.collect(400), []);
  speakers.hear("PA_a", A, 0.3, true, 800);
  assert.deepEqual(speakers.collect(800), [{ sid: "PA_a", level: 0.375, active: true }]);
  speakers.hear("PA_a", A, 0.01, false, 1200);
  assert.deepEqual(speakers.collect(1200), [{ sid: "PA_a", level: 0, active: false }]);
  assert.deepEqual(speakers.collect(1600), []);
});

Deno.test("ActiveSpeakers takes the louder of a participant's microphones", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_b", B, 0.1, true, 0);
  speakers.hear("PA_b", B2, 0.5, true, 0);
  assert.deepEqual(speakers.collect(0), [{ sid: "PA_b", level: 0.5, active: true }]);
  speakers.silence(B2);
  assert.deepEqual(speakers.collect(0), [{ sid: "PA_b", level: 0.125, active: true }]);
});

Deno.test("ActiveSpeakers.silence() ends a speaker at once", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_a", A, 0.5, true, 0);
  speakers.collect(0);
  speakers.silence(A);
  assert.deepEqual(speakers.collect(1), [{ sid: "PA_a", level: 0, active: false }]);
  assert.equal(speakers.speaking("PA_a"), undefined);
});

Deno.test("ActiveSpeakers ends a speaker of whom nothing is heard for two intervals", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_a", A, 0.5, true, 1000);
  speakers.collect(1000);
  assert.equal(speakers.nextWakeAt(), 1800);
  assert.deepEqual(speakers.collect(1799), []);
  assert.deepEqual(speakers.collect(1800), [{ sid: "PA_a", level: 0, active: false }]);
  assert.equal(speakers.nextWakeAt(), undefined);
});

Deno.test("ActiveSpeakers never tells a level above 1", () => {
  const speakers = new ActiveSpeakers(400);
  speakers.hear("PA_a", A, 1.02, true, 0);
  assert.equal(speakers.collect(0)[0]?.level, 1);
});
