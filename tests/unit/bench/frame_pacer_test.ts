import assert from "node:assert/strict";
import {
  nominalRate,
  packetsAhead,
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
  // Frame 1 begins at 40 ms behind a key frame of 12. At 2.5 times the average of 120 packets per
  // second a burst of 2 leaves every 6.67 ms.
  assert.equal(packetsDue(SHAPE, 1, 40), 14);
  assert.equal(packetsDue(SHAPE, 1, 46.6), 14);
  assert.equal(packetsDue(SHAPE, 1, 46.7), 16);
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

Deno.test("packetsDue() lets frames wait behind a key frame that takes longer than its own time", () => {
  // 24 packets, and 150 per second on average: a burst of 2 every 5.33 ms.
  const large = { ...SHAPE, keyFrameFactor: 6 };
  assert.equal(packetsDue(large, 1, 39.9), 16);
  assert.equal(packetsDue(large, 1, 40.1), 16, "frame 1 is there, and waits");
  assert.equal(packetsDue(large, 1, 58.6), 22);
  assert.equal(packetsDue(large, 1, 58.7), 24);
  assert.equal(packetsDue(large, 1, 69.4), 28);
  assert.equal(packetsDue(large, 1, 79.9), 28);
  assert.equal(packetsDue(large, 1, 80.1), 30, "frame 2 finds the pacer idle");
});

Deno.test("packetsDue() sends a frame at once if a burst is as long as that", () => {
  const whole = { ...SHAPE, burst: 1_000 };
  for (const frame of [0, 1, 9, 10, 249]) {
    assert.equal(packetsDue(whole, 1, frame * 40 + 0.1), packetsBefore(whole, frame + 1));
  }
});

Deno.test("packetsDue() has a frame out before the next one, at any rate", () => {
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

Deno.test("packetsAhead() lets a frame leave at once, and a key frame in parts that the rate paces", () => {
  // 24 packets, and 150 per second on average, paced at 375: 15 in 40 ms.
  const large = { ...SHAPE, keyFrameFactor: 6 };
  const burst = packetsAhead(large, 40);
  assert.equal(burst, 15);
  const paced = { ...large, burst };
  assert.equal(packetsDue(paced, 1, 0), 15);
  assert.equal(packetsDue(paced, 1, 39.9), 15);
  assert.equal(packetsDue(paced, 1, 40.1), 28, "the rest, and the next frame behind it");
  assert.equal(packetsDue(paced, 1, 400 * 40 - 0.1), packetsBefore(paced, 400));
  assert.equal(packetsDue(paced, 1, 405 * 40), packetsBefore(paced, 406), "an ordinary frame");
});

Deno.test("packetsAhead() is within what a socket holds, at least a packet, and unbounded unpaced", () => {
  assert.equal(packetsAhead({ ...SHAPE, packetsPerFrame: 400 }, 40), 52);
  assert.equal(packetsAhead({ ...SHAPE, frameRate: 0.01 }, 40), 1);
  const whole = { ...SHAPE, burst: packetsAhead(SHAPE, Infinity) };
  for (const frame of [0, 1, 9, 10, 249]) {
    assert.equal(packetsDue(whole, 1, frame * 40 + 0.1), packetsBefore(whole, frame + 1));
  }
});
