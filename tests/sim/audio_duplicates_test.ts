/**
 * Audio that is sent again unasked beside a video, to who takes no redundancy, over a path with a
 * bottleneck: none while nothing is lost or there is no room, and what comes in its place late is no
 * queue. On virtual time.
 */
import assert from "node:assert/strict";
import { type BottleneckOptions, BottleneckWorld } from "../support/media/bottleneck_world.ts";

/** As libwebrtc reports on audio. */
const PLAIN = { audio: true, temporal: true, audioReportMs: 5_000, isPlain: true } as const;

/** Part of the frames that did not come. */
const missed = ({ heard, sink }: BottleneckWorld) => 1 - heard / sink.audioPackets;
const copies = ({ sink }: BottleneckWorld) => sink.duplicates / sink.audioPackets;

function settled(options: BottleneckOptions, rateBps = 10_000_000): BottleneckWorld {
  const world = new BottleneckWorld({ ...PLAIN, ...options });
  world.link.rateBps = rateBps;
  world.run(30_000);
  world.begin();
  return world;
}

for (const isAudioUncounted of [false, true]) {
  const numbers = isAudioUncounted ? "without numbers" : "numbered";
  Deno.test(`audio sent again (${numbers}): none on a path that loses nothing`, () => {
    const world = settled({ isAudioUncounted });
    world.run(60_000);
    assert.equal(world.sink.duplicates, 0);
    assert.equal(world.heard, world.sink.audioPackets);
  });

  Deno.test(`audio sent again (${numbers}): twice where 5 % are lost, as long as they are`, () => {
    const world = settled({ isAudioUncounted });
    world.link.loss = 0.05;
    world.run(8_000);
    world.begin();
    world.run(120_000);
    assert.ok(copies(world) > 1.95, `${copies(world)} copies`);
    // 0.05² is what a single copy leaves.
    assert.ok(missed(world) < 0.001, `${missed(world)} of the sound missing`);
    world.link.loss = 0;
    world.run(200_000);
    world.begin();
    world.run(30_000);
    assert.equal(world.sink.duplicates, 0);
  });

  Deno.test(`audio sent again (${numbers}): what comes late in its place is taken for no queue`, () => {
    const world = settled({ isAudioUncounted }, 3_000_000);
    world.link.loss = 0.03;
    world.run(10_000);
    world.begin();
    let worstMs = 0;
    for (let second = 0; second < 120; second++) {
      world.run(1_000);
      worstMs = Math.max(worstMs, world.estimate.queueMs);
    }
    assert.ok(copies(world) > 1.95, `${copies(world)} copies`);
    assert.deepEqual(world.spatial, [], "the whole picture all the time");
    // A frame of the largest layer alone takes 24 ms.
    assert.ok(worstMs < 24, `a queue of ${worstMs} ms`);
  });

  Deno.test(`audio sent again (${numbers}): a narrow path has no room for it`, () => {
    const world = new BottleneckWorld({ ...PLAIN, isAudioUncounted });
    world.link.rateBps = 140_000;
    world.link.loss = 0.03;
    world.run(20_000);
    world.begin();
    world.run(20_000);
    assert.ok(copies(world) < 0.5, `${copies(world)} copies`);
  });

  Deno.test(`audio sent again (${numbers}): no second time where loss comes of a path that is full`, () => {
    const world = settled({ isAudioUncounted });
    world.link.rateBps = 500_000;
    world.run(3_000);
    world.begin();
    world.run(20_000);
    assert.ok(copies(world) < 1.02, `${copies(world)} copies`);
  });
}

Deno.test("audio sent again: never on TCP, where what is lost of video was left out here", () => {
  const world = settled({ isTcp: true });
  world.link.loss = 0.05;
  world.run(60_000);
  assert.equal(world.sink.duplicates, 0);
});
