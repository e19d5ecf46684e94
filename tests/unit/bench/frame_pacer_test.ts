import assert from "node:assert/strict";
import {
  nominalRate,
  packetsBefore,
  packetsDue,
  packetsOfFrame,
  type StreamShape,
} from "../../../bench/load/frame_pacer.ts";

const SHAPE: StreamShape = {
  kind: "video",
  frameRate: 25,
  packetsPerFrame: 4,
  packetBytes: 1_200,
  lastPacketBytes: 500,
  burst: 2,
  keyFrameEvery: 10,
  keyFrameFactor: 3,
};

Deno.test("packetsBefore() counts every frame's packets, key frames larger", () => {
  let sum = 0;
  for (let frame = 0; frame < 35; frame++) {
    assert.equal(packetsBefore(SHAPE, frame), sum);
    assert.equal(packetsOfFrame(SHAPE, frame), frame % 10 === 0 ? 12 : 4);
    sum += packetsOfFrame(SHAPE, frame);
  }
});

Deno.test("nominalRate() is what packetsDue() comes to in the long run", () => {
  assert.equal(nominalRate(SHAPE), (12 + 9 * 4) / 10 * 25);
  const seconds = 400;
  assert.ok(Math.abs(packetsDue(SHAPE, 1, seconds * 1000) / seconds - nominalRate(SHAPE)) < 0.1);
});

Deno.test("packetsDue() spreads a frame over bursts and never goes back", () => {
  // Frame 1 begins at 40 ms behind a key frame of 12, in bursts of 2 every 5 ms.
  assert.equal(packetsDue(SHAPE, 1, 40), 14);
  assert.equal(packetsDue(SHAPE, 1, 44.9), 14);
  assert.equal(packetsDue(SHAPE, 1, 45.1), 16);
  assert.equal(packetsDue(SHAPE, 1, 79.9), 16);
  for (const scale of [0.1, 1, 7, 300]) {
    let before = 0;
    for (let ms = 0; ms < 2_000; ms += 0.7) {
      const due = packetsDue(SHAPE, scale, ms);
      assert.ok(due >= before, `${scale} at ${ms} ms`);
      before = due;
    }
  }
});

Deno.test("packetsDue() has a whole frame out before the next one, at any rate", () => {
  for (const scale of [1, 10, 100]) {
    const frameMs = 40 / scale;
    for (let frame = 0; frame < 20; frame++) {
      const due = packetsDue(SHAPE, scale, (frame + 0.99) * frameMs);
      assert.equal(due, packetsBefore(SHAPE, frame + 1), `frame ${frame} at a scale of ${scale}`);
    }
  }
});

Deno.test("packetsDue() is 0 before a track's own start", () => {
  assert.equal(packetsDue(SHAPE, 1, -0.1), 0);
});
