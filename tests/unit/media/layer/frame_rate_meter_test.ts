import assert from "node:assert/strict";
import { FrameRateMeter } from "../../../../lib/media/layer/frame_rate_meter.ts";

/** 30 frames a second in three temporal layers (0 2 1 2), counted for `ms`. */
function camera(meter: FrameRateMeter, ms: number, from = 0): void {
  const pattern = [0, 2, 1, 2];
  for (let frame = 0; frame * 1000 / 30 < ms; frame++) {
    meter.count(pattern[frame % 4]!, from + Math.round(frame * 1000 / 30));
  }
}

Deno.test("FrameRateMeter gives the lowest temporal layer that reaches a frame rate", () => {
  const meter = new FrameRateMeter();
  camera(meter, 2_000);
  const asked = [5, 8, 9, 15, 16, 17, 30, 60];
  // 7.5, 15 and 30 frames/s; a layer that misses by a tenth still serves.
  assert.deepEqual(asked.map((fps) => meter.temporalFor(fps)), [0, 0, 1, 1, 1, 2, 2, 3]);
});

Deno.test("FrameRateMeter limits nothing before a whole window was measured", () => {
  const meter = new FrameRateMeter();
  camera(meter, 900);
  assert.equal(meter.temporalFor(1), 3);
});

Deno.test("FrameRateMeter follows a publisher that changes its frame rate", () => {
  const meter = new FrameRateMeter();
  camera(meter, 2_000);
  assert.equal(meter.temporalFor(7), 0);
  // From here on the lowest layer has one frame in a second.
  for (let second = 2; second < 6; second++) {
    meter.count(0, second * 1_000);
    for (let frame = 1; frame < 15; frame++) meter.count(1, second * 1_000 + frame * 66);
  }
  assert.equal(meter.temporalFor(7), 1);
});

function assertRates(meter: FrameRateMeter, expected: readonly number[]): void {
  const rates = expected.map((_, layer) => meter.at(layer));
  expected.forEach((fps, layer) => assert.ok(Math.abs(rates[layer]! - fps) < 1, `${rates}`));
}

Deno.test("FrameRateMeter.at() is the rate up to a temporal layer, 0 before a window was measured", () => {
  const meter = new FrameRateMeter();
  camera(meter, 900);
  assertRates(meter, [0, 0, 0, 0]);
  const later = new FrameRateMeter();
  camera(later, 2_000);
  assertRates(later, [7.5, 15, 30, 30]);
});

Deno.test("FrameRateMeter.at() follows a lower rate, but believes no single pause", () => {
  const meter = new FrameRateMeter();
  camera(meter, 4_000);
  meter.count(0, 60_000);
  assertRates(meter, [7.5, 15, 30, 30]);
  for (let frame = 1; frame < 40; frame++) meter.count(frame % 2, 60_000 + frame * 100);
  assertRates(meter, [5, 10, 10, 10]);
});

Deno.test("FrameRateMeter forgets a stream that began anew", () => {
  const meter = new FrameRateMeter();
  camera(meter, 2_000);
  meter.reset();
  assert.equal(meter.temporalFor(1), 3);
  assertRates(meter, [0, 0, 0, 0]);
});
