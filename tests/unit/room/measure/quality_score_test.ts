import assert from "node:assert/strict";
import { ConnectionQuality } from "@livekit/protocol";
import {
  effectiveDelay,
  lossWeight,
  opinionOf,
  type QualityInterval,
  qualityOf,
  QualityScore,
} from "../../../../lib/room/measure/quality_score.ts";

const { EXCELLENT, GOOD, POOR, LOST } = ConnectionQuality;
const WINDOW = 5_000;

/** A score on virtual time, one window at a time. */
class Timeline {
  now = 0;
  readonly score: QualityScore;

  constructor(mime = "audio/opus", inbandFec = false) {
    this.score = new QualityScore(lossWeight(mime, inbandFec), 0);
  }

  /** The quality after another window. */
  window(expected: number, lost = 0, more: Partial<QualityInterval> = {}): ConnectionQuality {
    this.now += WINDOW;
    const interval = { durationMs: WINDOW, expected, lost, outOfOrder: 0, missingLayers: 0 };
    this.score.update({ ...interval, ...more }, this.now);
    return this.score.quality;
  }
}

Deno.test("qualityOf() is EXCELLENT above 80, GOOD above 40, POOR above 20, else LOST", () => {
  const scores = [100, 80.1, 80, 40.1, 40, 20.1, 20, 0];
  assert.deepEqual(scores.map(qualityOf), [
    EXCELLENT,
    EXCELLENT,
    GOOD,
    GOOD,
    POOR,
    POOR,
    LOST,
    LOST,
  ]);
});

Deno.test("opinionOf() goes from 1 to 4.5 as G.107 does", () => {
  assert.equal(opinionOf(0), 1);
  assert.equal(opinionOf(100), 4.5);
  assert.ok(Math.abs(opinionOf(60) - 3.1) < 1e-9); // 1 + 0.035·60
  assert.ok(Math.abs(opinionOf(80) - (1 + 2.8 + 7e-6 * 80 * 20 * 20)) < 1e-9);
});

Deno.test("QualityScore is EXCELLENT without loss and before anything is known", () => {
  const timeline = new Timeline();
  assert.equal(timeline.score.quality, EXCELLENT);
  assert.equal(timeline.window(250), EXCELLENT);
});

Deno.test("QualityScore falls to POOR at once, is GOOD one window later and EXCELLENT two after that", () => {
  const timeline = new Timeline();
  timeline.window(250);
  assert.equal(timeline.window(250, 30), POOR); // 12 % of opus
  assert.equal(timeline.window(250), GOOD);
  assert.equal(timeline.window(250), GOOD);
  assert.equal(timeline.window(250), EXCELLENT);
  // Less loss soon after costs less, and two clean windows make it good.
  assert.equal(timeline.window(250, 13), GOOD); // 5.2 %
  assert.equal(timeline.window(250), GOOD);
  assert.equal(timeline.window(250), EXCELLENT);
});

Deno.test("QualityScore has thresholds of loss per codec", () => {
  const cases: [string, boolean, number, number, number][] = [
    // codec, in-band FEC, percent that is EXCELLENT, then GOOD, then POOR
    ["audio/opus", false, 1, 4, 9.2],
    ["audio/opus", true, 3, 4.4, 15],
    ["audio/red", false, 4, 6, 19.5],
    ["audio/red", true, 6, 10, 30],
    ["video/VP8", false, 1, 3.5, 8],
    ["video/H264", false, 1, 3.5, 8],
  ];
  for (const [mime, fec, ...percents] of cases) {
    const timeline = new Timeline(mime, fec);
    const qualities = percents.map((percent) => timeline.window(200, Math.ceil(percent * 2)));
    assert.deepEqual(qualities, [EXCELLENT, GOOD, POOR], `${mime} ${fec}`);
  }
});

Deno.test("QualityScore does not count packets as lost that were only late or never sent", () => {
  const timeline = new Timeline();
  assert.equal(timeline.window(250, 30, { outOfOrder: 30 }), EXCELLENT);
  assert.equal(timeline.window(250, 30, { outOfOrder: 40 }), EXCELLENT);
});

Deno.test("QualityScore.setMuted() makes a POOR track EXCELLENT at once", () => {
  const timeline = new Timeline();
  assert.equal(timeline.window(250, 30), POOR);
  timeline.score.setMuted(true, timeline.now + 1000);
  assert.equal(timeline.score.quality, EXCELLENT);
  assert.equal(timeline.window(0), EXCELLENT, "nothing is expected of a muted track");
});

Deno.test("QualityScore leaves out a window in which the track was unmuted for half of it or less", () => {
  const timeline = new Timeline();
  timeline.window(250);
  timeline.score.setMuted(true, timeline.now + 1000);
  timeline.score.setMuted(false, timeline.now + 3000);
  assert.equal(timeline.window(0), EXCELLENT);
  timeline.score.setMuted(true, timeline.now + 1000);
  timeline.score.setMuted(false, timeline.now + 2000);
  assert.equal(timeline.window(0), POOR, "three of five seconds count");
});

Deno.test("QualityScore is POOR without packets and LOST when the other side's reports stop, too", () => {
  const timeline = new Timeline();
  timeline.window(250);
  assert.equal(timeline.window(0), POOR, "it never reported");
  assert.equal(timeline.window(0, 0, { reportAgeMs: 4000 }), POOR);
  assert.equal(timeline.window(0, 0, { reportAgeMs: 9000 }), LOST);
});

Deno.test("QualityScore stays LOST through a mute and recovers with packets", () => {
  const timeline = new Timeline();
  timeline.window(0, 0, { reportAgeMs: 9000 });
  timeline.score.setMuted(true, timeline.now + 1000);
  assert.equal(timeline.score.quality, LOST);
  timeline.window(0);
  timeline.score.setMuted(false, timeline.now + 2000);
  const qualities = [250, 250, 250, 250].map((packets) => timeline.window(packets));
  assert.deepEqual(qualities.at(-1), EXCELLENT);
  assert.equal(qualities[0], GOOD);
});

Deno.test("QualityScore forgives loss at a packet rate far below the usual one, as in silence", () => {
  const timeline = new Timeline();
  for (let i = 0; i < 12; i++) timeline.window(250);
  assert.equal(timeline.window(13, 1), EXCELLENT); // 8 % of next to nothing
  assert.equal(timeline.window(250, 20), GOOD, "8 % at the usual rate");
});

Deno.test("QualityScore.setPaused() is POOR at once and GOOD one good window after it ends", () => {
  const timeline = new Timeline("video/VP8");
  timeline.window(500);
  timeline.score.setPaused(true);
  assert.equal(timeline.score.quality, POOR);
  assert.equal(timeline.window(0), POOR);
  timeline.score.setPaused(false);
  assert.equal(timeline.window(500), GOOD);
});

Deno.test("QualityScore takes one step per missing layer", () => {
  const settled = (missingLayers: number) => {
    const timeline = new Timeline("video/VP8");
    let quality = timeline.score.quality;
    for (let i = 0; i < 10; i++) quality = timeline.window(500, 0, { missingLayers });
    return quality;
  };
  assert.deepEqual([0, 1, 2].map(settled), [EXCELLENT, GOOD, POOR]);
});

Deno.test("QualityScore never falls below its floor while packets flow", () => {
  const timeline = new Timeline();
  for (let i = 0; i < 20; i++) timeline.window(250, 250);
  assert.equal(timeline.score.score, 30);
});

Deno.test("QualityScore counts delay that is noticed, and none below", () => {
  const after = (rttMs: number, jitterMs: number) => {
    const timeline = new Timeline();
    for (let i = 0; i < 10; i++) {
      timeline.window(250, 0, { delayMs: effectiveDelay(rttMs, jitterMs) });
    }
    return timeline.score;
  };
  assert.equal(after(200, 30).score, 100);
  assert.ok(Math.abs(after(400, 20).score - 88) < 0.1); // 240 ms: 12 points
  assert.equal(after(400, 20).quality, EXCELLENT);
  assert.equal(after(1_000, 60).quality, GOOD); // 620 ms: 50 points
  assert.equal(after(2_000, 100).quality, POOR);
});

Deno.test("QualityScore is LOST no more with the first packets, and nothing in a moment says nothing", () => {
  const timeline = new Timeline();
  const moment = { durationMs: 300, reportAgeMs: 9_000 };
  timeline.window(250);
  assert.equal(timeline.window(0, 0, moment), EXCELLENT, "nothing in a moment");
  assert.equal(timeline.window(0, 0, { reportAgeMs: 9_000 }), LOST);
  assert.equal(timeline.window(0, 0, moment), LOST, "it still is");
  assert.equal(timeline.window(450, 449, moment), POOR, "of hundreds that were lost one came");
});

Deno.test("QualityScore takes an interval that was cut short for as little as it lasts", () => {
  const video = new Timeline("video/VP8");
  const moment = { durationMs: WINDOW / 10 };
  assert.equal(video.window(10, 1, moment), EXCELLENT, "one packet of ten");
  assert.equal(video.window(100, 10), POOR, "one of ten for a whole one");
  for (let i = 0; i < 10; i++) video.window(10, 0, moment);
  assert.equal(video.score.quality, GOOD, "ten of them rise no higher than a whole one");
});
