/**
 * Sound on paths that carry little more than that: it is whole, pictures give way, which the
 * subscriber is told, and everything is there again when the path is wide. On virtual time.
 */
import assert from "node:assert/strict";
import { BottleneckWorld } from "../support/media/bottleneck_world.ts";

/** Settled behind a rate, then looked at for 20 s. */
function behind(rateBps: number, isAudioUncounted: boolean): BottleneckWorld {
  const world = new BottleneckWorld({ audio: true, temporal: true, isAudioUncounted });
  world.link.rateBps = rateBps;
  world.run(15_000);
  const paused = world.paused.at(-1) === true;
  world.begin();
  if (paused) world.paused.push(true);
  world.run(20_000);
  return world;
}

/** Part of the frames that did not come. */
const missed = ({ heard, sink }: BottleneckWorld) => 1 - heard / sink.audioPackets;
const videoBytes = ({ sink }: BottleneckWorld) => sink.sentBytes[0]!;

for (const isAudioUncounted of [false, true]) {
  const numbers = isAudioUncounted ? "without numbers" : "numbered";
  Deno.test(`audio first (${numbers}): at 500 kbit/s sound keeps its redundancy, and pictures have the rest`, () => {
    const world = behind(500_000, isAudioUncounted);
    assert.ok(missed(world) < 0.01, `${missed(world)} of the sound missing`);
    assert.equal(world.redundant, world.heard, "a copy in each packet");
    assert.ok(videoBytes(world) > 20 * 150_000 / 8, `${videoBytes(world)}`);
  });

  Deno.test(`audio first (${numbers}): at 200 kbit/s sound is whole without redundancy, and there is a picture`, () => {
    const world = behind(200_000, isAudioUncounted);
    assert.ok(missed(world) < 0.01, `${missed(world)} of the sound missing`);
    if (!isAudioUncounted) assert.equal(world.redundant, 0);
    assert.ok(videoBytes(world) > 20 * 30_000 / 8, `${videoBytes(world)}`);
  });

  Deno.test(`audio first (${numbers}): at 130 kbit/s sound is whole, and the picture is paused, though not allowed otherwise`, () => {
    const world = behind(130_000, isAudioUncounted);
    assert.ok(missed(world) < 0.01, `${missed(world)} of the sound missing`);
    assert.deepEqual(world.paused, [true], "told once");
    assert.equal(videoBytes(world), 0);
    world.link.rateBps = 10_000_000;
    world.run(6_000);
    assert.deepEqual(world.paused, [true, false]);
    assert.equal(world.side.stats()[0]!.spatial, 2);
    world.run(15_000);
    world.begin();
    world.run(5_000);
    assert.equal(world.redundant, world.heard, "copies again");
  });
}

/** A call with large key frames over so narrow a path, once it has settled, for `ms`. */
function keyFramesOver(kbps: number, isAudioUncounted: boolean, isPaced: boolean, ms: number) {
  const options = { audio: true, temporal: true, keyTimes: 8, isAudioUncounted, isPaced };
  const world = new BottleneckWorld(options);
  world.link.rateBps = kbps * 1_000;
  world.run(6_000);
  world.begin();
  world.run(ms);
  return world;
}

/** What a jitter buffer of sound that is used to a calm path bears without making anything up, ms. */
const BORNE_MS = 150;

for (const isAudioUncounted of [false, true]) {
  for (const isPaced of [false, true]) {
    for (const kbps of [475, 500, 525]) {
      const numbers = isAudioUncounted ? "without numbers" : "numbered";
      const frame = `key frame of a larger picture, sent ${
        isPaced ? "as by a browser" : "at once"
      }`;
      Deno.test(`audio first (${numbers}): at ${kbps} kbit/s it does not wait behind the ${frame}`, () => {
        const world = keyFramesOver(kbps, isAudioUncounted, isPaced, 20_000);
        assert.ok(world.spatial.includes(1), "there is one");
        assert.ok(world.latestMs < BORNE_MS, `${world.latestMs} ms`);
        assert.ok(missed(world) < 0.01, `${missed(world)} of the sound missing`);
      });
    }
  }
}

for (const isAudioUncounted of [false, true]) {
  const numbers = isAudioUncounted ? "without numbers" : "numbered";
  for (const isPaced of [false, true]) {
    for (const kbps of [260, 460, 500, 660]) {
      const frame = isPaced ? "as by a browser" : "at once";
      Deno.test(`audio first (${numbers}): at ${kbps} kbit/s no picture waits for long in the server, sent ${frame}`, () => {
        const world = keyFramesOver(kbps, isAudioUncounted, isPaced, 25_000);
        const { meanMs, worstMs } = world.videoWait;
        assert.ok(meanMs < 45, `${meanMs} ms in the mean`);
        assert.ok(worstMs < 400, `${worstMs} ms at worst`);
      });
    }
  }
}
