import assert from "node:assert/strict";
import { TrackInfo, TrackType, VideoLayer, VideoQuality } from "@livekit/protocol";
import {
  initialSettings,
  qualityForDimensions,
  targetFor,
} from "../../../../lib/room/subscription/track_settings.ts";

const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;
const video = (width: number, height: number, heights: number[] = []) =>
  new TrackInfo({
    type: TrackType.VIDEO,
    width,
    height,
    layers: heights.map((h, quality) => new VideoLayer({ quality, height: h })),
  });

// The cases of the protocol's reference server (TestGetQualityForDimension), by their meaning.
const landscape = video(1080, 720);
const portrait = video(540, 960);
const explicit = video(700, 1259, [270, 481, 1259]);
const equal = video(1280, 720, [720, 720, 720]);
const cases: [string, TrackInfo, number, number, VideoQuality][] = [
  ["landscape at full size", landscape, 1080, 720, HIGH],
  ["landscape in the middle", landscape, 500, 360, MEDIUM],
  ["landscape, a little over the middle", landscape, 540, 398, MEDIUM],
  ["landscape, clearly over the middle", landscape, 640, 410, HIGH],
  ["landscape, small", landscape, 200, 100, LOW],
  ["portrait compares widths", portrait, 220, 100, MEDIUM],
  ["portrait, small", portrait, 190, 900, LOW],
  ["declared heights, low", explicit, 300, 300, LOW],
  ["declared heights, middle", explicit, 400, 500, MEDIUM],
  ["declared heights, high", explicit, 600, 700, HIGH],
  ["equal layers mean the highest", equal, 100, 100, HIGH],
  ["unknown size", video(0, 0), 10, 10, HIGH],
];
for (const [what, track, width, height, expected] of cases) {
  Deno.test(`qualityForDimensions() chooses the lowest layer that suffices: ${what}`, () => {
    assert.equal(qualityForDimensions(width, height, track), expected);
  });
}

Deno.test("targetFor() starts LOW with adaptive stream and HIGH without", () => {
  const track = video(1280, 720, [180, 360, 720]);
  assert.equal(targetFor(initialSettings(true), track).maxSpatial, 0);
  assert.equal(targetFor(initialSettings(false), track).maxSpatial, 2);
});

Deno.test("targetFor() passes on a frame rate that was asked for, and only for video", () => {
  const asked = { ...initialSettings(false), fps: 15 };
  assert.equal(targetFor(asked, video(1280, 720)).maxFps, 15);
  assert.equal("maxFps" in targetFor(initialSettings(false), video(1280, 720)), false);
  assert.equal("maxFps" in targetFor(asked, new TrackInfo({ type: TrackType.AUDIO })), false);
});

Deno.test("targetFor() lets dimensions override the quality, and OFF or disabled stop the track", () => {
  const track = video(1280, 720, [180, 360, 720]);
  const base = initialSettings(false);
  assert.equal(targetFor({ ...base, width: 320, height: 180 }, track).maxSpatial, 0);
  assert.equal(targetFor({ ...base, quality: MEDIUM }, track).maxSpatial, 1);
  assert.equal(targetFor({ ...base, quality: OFF }, track).enabled, false);
  assert.equal(targetFor({ ...base, disabled: true }, track).enabled, false);
});

Deno.test("targetFor() numbers the layers that are declared from 0", () => {
  const layer = (quality: VideoQuality) => new VideoLayer({ quality, height: 0 });
  const two = new TrackInfo({ type: TrackType.VIDEO, layers: [layer(MEDIUM), layer(HIGH)] });
  const one = new TrackInfo({ type: TrackType.VIDEO, layers: [layer(HIGH)] });
  const wants = (track: TrackInfo, quality: VideoQuality) =>
    targetFor({ ...initialSettings(false), quality }, track).maxSpatial;
  assert.deepEqual([LOW, MEDIUM, HIGH].map((q) => wants(two, q)), [0, 0, 1]);
  assert.deepEqual([LOW, MEDIUM, HIGH].map((q) => wants(one, q)), [0, 0, 0]);
});

Deno.test("targetFor() has only on and off for audio", () => {
  const audio = new TrackInfo({ type: TrackType.AUDIO });
  const settings = { ...initialSettings(false), width: 100, height: 100 };
  assert.deepEqual(targetFor(settings, audio), { enabled: true, maxSpatial: 0, maxTemporal: 3 });
});
