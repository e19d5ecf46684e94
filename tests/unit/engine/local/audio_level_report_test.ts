import assert from "node:assert/strict";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import { AudioLevelReport } from "../../../../lib/engine/local/audio_level_report.ts";
import { AudioLevel } from "../../../../lib/media/up/audio_level.ts";

/** One loud window that ends at `now`. */
function speak(level: AudioLevel, now: number): void {
  for (let i = 19; i >= 0; i--) level.observe(10, 20, now - 20 * i);
}

function setup() {
  const tracks = new Map<UpTrackId, { level: AudioLevel | undefined }>();
  const add = (id: string) => {
    const level = new AudioLevel();
    tracks.set(id as UpTrackId, { level });
    return level;
  };
  return { tracks, add, report: new AudioLevelReport(tracks, 400) };
}

Deno.test("AudioLevelReport.collect() names the loud ones only, once per interval", () => {
  const { tracks, add, report } = setup();
  const loud = add("UT_1");
  add("UT_2");
  tracks.set("UT_3" as UpTrackId, { level: undefined });
  speak(loud, 400);
  const [entry, ...others] = report.collect(400);
  assert.deepEqual(others, []);
  assert.equal(entry?.upTrack, "UT_1");
  assert.equal(entry?.active, true);
  assert.deepEqual(report.collect(500), [], "too early");
  assert.equal(report.collect(800).length, 1, "told again while it is active");
});

Deno.test("AudioLevelReport.collect() tells once that a track fell silent", () => {
  const { add, report } = setup();
  speak(add("UT_1"), 400);
  report.collect(400);
  assert.deepEqual(report.collect(1200), [{ upTrack: "UT_1", level: 0, active: false }]);
  assert.deepEqual(report.collect(1600), []);
});

Deno.test("AudioLevelReport.collect() tells once that a loud track is gone", () => {
  const { tracks, add, report } = setup();
  speak(add("UT_1"), 400);
  report.collect(400);
  tracks.clear();
  assert.deepEqual(report.collect(800), [{ upTrack: "UT_1", level: 0, active: false }]);
  assert.deepEqual(report.collect(1200), []);
});

Deno.test("AudioLevelReport.collect() reports nothing with an interval of 0", () => {
  const { tracks, add } = setup();
  speak(add("UT_1"), 400);
  assert.deepEqual(new AudioLevelReport(tracks, 0).collect(400), []);
});
