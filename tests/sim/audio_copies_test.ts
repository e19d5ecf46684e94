/**
 * Copies of frames in audio beside a video, over a path with a bottleneck: left out while nothing
 * is lost, which leaves pictures more, and there soon after loss begins, which numbers tell before
 * reports do. On virtual time.
 */
import assert from "node:assert/strict";
import type { DownTrackId, UpTrackId } from "../../lib/base/ids.ts";
import type { UpTrack } from "../../lib/media/up/up_track.ts";
import { ReportBlock } from "../../lib/wire/rtcp.ts";
import { ALWAYS, AudioRoom } from "../support/media/audio_room.ts";
import { type BottleneckOptions, BottleneckWorld } from "../support/media/bottleneck_world.ts";
import { codec, RecordingSink } from "../support/media/forwarding_fixtures.ts";
import { testSendingSide } from "../support/media/test_sending_side.ts";

/** As libwebrtc reports on audio. */
const REPORTS = { audio: true, temporal: true, audioReportMs: 5_000 } as const;

/** Part of the frames that did not come. */
const missed = ({ heard, sink }: BottleneckWorld) => 1 - heard / sink.audioPackets;

function settled(isAudioUncounted: boolean): BottleneckWorld {
  const world = new BottleneckWorld({ ...REPORTS, isAudioUncounted });
  world.link.rateBps = 10_000_000;
  world.run(30_000);
  world.begin();
  return world;
}

for (const isAudioUncounted of [false, true]) {
  const numbers = isAudioUncounted ? "without numbers" : "numbered";
  Deno.test(`copies of audio (${numbers}): none on a path that loses nothing`, () => {
    const world = settled(isAudioUncounted);
    world.run(60_000);
    assert.equal(world.redundant, 0);
    assert.equal(world.heard, world.sink.audioPackets);
  });

  Deno.test(`copies of audio (${numbers}): a path of 430 kbit/s that loses nothing has the room for pictures`, () => {
    // The second layer fits beside bare sound, and not beside copies.
    const shown = (options: BottleneckOptions) => {
      const world = new BottleneckWorld({ ...options, isAudioUncounted });
      world.link.rateBps = 430_000;
      // Their room is kept for two minutes, as the search for the path's rate may lose some.
      world.run(170_000);
      world.begin();
      world.run(60_000);
      return world;
    };
    const without = shown(REPORTS);
    const beside = shown({ audio: true, temporal: true });
    assert.ok(missed(without) < 0.01, `${missed(without)} of the sound missing`);
    const [bytes, besideBytes] = [without, beside].map(({ sink }) => sink.sentBytes[0]!);
    assert.ok(bytes! > besideBytes!, `${bytes} bytes of video, ${besideBytes} beside copies`);
  });

  Deno.test(`copies of audio (${numbers}): loss that begins brings them, and they go when it has ended`, () => {
    const world = settled(isAudioUncounted);
    world.link.loss = 0.03;
    world.run(1_500);
    world.begin();
    world.run(30_000);
    assert.equal(world.redundant, world.came, "a copy in each packet");
    // 0.03² is what a single copy leaves.
    assert.ok(missed(world) < 0.005, `${missed(world)} of the sound missing`);
    world.link.loss = 0;
    world.run(30_000);
    world.begin();
    world.run(5_000);
    assert.equal(world.redundant, 0);
  });
}

for (const isAudioUncounted of [false, true]) {
  const numbers = isAudioUncounted ? "without numbers" : "numbered";
  Deno.test(`copies of audio (${numbers}): a second one where 5 % are lost and there is room`, () => {
    const world = settled(isAudioUncounted);
    world.link.loss = 0.05;
    world.run(8_000);
    world.begin();
    world.run(60_000);
    assert.ok(world.twice > 0.95 * world.came, `${world.twice} of ${world.came}`);
    // 0.05² is what a single copy leaves.
    assert.ok(missed(world) < 0.001, `${missed(world)} of the sound missing`);
    world.link.loss = 0;
    world.run(20_000);
    world.begin();
    world.run(5_000);
    assert.equal(world.twice, 0);
  });

  Deno.test(`copies of audio (${numbers}): no second one where loss comes of a path that is full`, () => {
    const world = settled(isAudioUncounted);
    world.link.rateBps = 500_000;
    world.run(3_000);
    world.begin();
    world.run(20_000);
    assert.ok(world.twice < 0.02 * world.came, `${world.twice} of ${world.came}`);
  });
}

for (const isAudioUncounted of [false, true]) {
  const numbers = isAudioUncounted ? "without numbers" : "numbered";
  Deno.test(`copies of audio (${numbers}): left out for want of room, they come back when the last video goes`, () => {
    const world = new BottleneckWorld({ ...REPORTS, isAudioUncounted });
    world.link.rateBps = 140_000;
    world.link.loss = 0.03;
    world.run(20_000);
    world.begin();
    world.run(5_000);
    assert.ok(world.redundant < 0.5 * world.came, `${world.redundant} of ${world.came}`);
    world.side.remove("DT_1" as DownTrackId, world.now);
    world.link.rateBps = 10_000_000;
    world.run(1_000);
    world.begin();
    world.run(60_000);
    assert.equal(world.redundant, world.came, "a copy in each packet");
    // 0.03² is what a single copy leaves.
    assert.ok(missed(world) < 0.005, `${missed(world)} of the sound missing`);
  });
}

Deno.test("copies of audio: none on TCP, where what is lost of video was left out here", () => {
  const world = new BottleneckWorld({ ...REPORTS, isTcp: true });
  world.run(30_000);
  world.begin();
  world.link.loss = 0.05;
  world.run(60_000);
  assert.ok(world.estimate.lossFraction > 0.02, `${world.estimate.lossFraction} is lost`);
  assert.equal(world.heard, world.sink.audioPackets);
  assert.equal(world.redundant, 0);
});

/** A subscriber on one of the engines, which reports once a second. */
function subscriber(source: UpTrack, now: number) {
  const sink = new RecordingSink();
  const side = testSendingSide({ sink });
  const codecs = [codec("audio/red", 63, undefined, "111/111"), codec("audio/opus", 111)];
  const section = { mid: "0", kind: "audio", ssrc: 9, cname: "c", codecs, extensions: [] } as const;
  side.add("DT_1" as DownTrackId, "UT_1" as UpTrackId, source, section, ALWAYS, now);
  side.start(now);
  let lost = 0;
  return {
    sink,
    report(at: number, isLost: boolean) {
      if (isLost) lost++;
      const highestSequence = sink.views.at(-1)!.sequenceNumber;
      const fields = { ssrc: 9, cumulativeLost: lost, highestSequence };
      side.receiveReport(Object.assign(new ReportBlock(), fields), at);
    },
    payloadType: () => sink.views.at(-1)!.payloadType,
  };
}

Deno.test("copies of audio behind a relay: each engine sends them to those of its own who lose some", () => {
  const room = new AudioRoom([1, 0], 0);
  const microphone = room.microphones[0]!;
  microphone.level = 20;
  room.listen(1, microphone, ALWAYS);
  room.run(1_000);
  const near = subscriber(microphone.up, room.now);
  const far = subscriber(room.sides[1].upTracks.get(microphone.id)!, room.now);
  const run = (seconds: number, isLost: boolean) => {
    for (let i = 0; i < seconds; i++) {
      room.run(1_000);
      near.report(room.now, false);
      far.report(room.now, isLost);
    }
  };
  run(7, false);
  assert.deepEqual([near.payloadType(), far.payloadType()], [111, 111]);
  run(1, true);
  room.run(100);
  assert.deepEqual([near.payloadType(), far.payloadType()], [111, 63]);
  run(22, false);
  assert.deepEqual([near.payloadType(), far.payloadType()], [111, 111]);
});

Deno.test("copies of audio: bursts of loss take no layer again and again that had their room", () => {
  const world = new BottleneckWorld(REPORTS);
  world.link.rateBps = 1_020_000;
  world.run(60_000);
  world.begin();
  const bursts = 4;
  for (let burst = 0; burst < bursts; burst++) {
    world.link.loss = 0.5;
    world.run(60);
    world.link.loss = 0;
    world.run(70_000);
  }
  // Each takes one at most, and it may come back.
  assert.ok(world.spatial.length <= 2 * bursts, `layers ${world.spatial}`);
});
