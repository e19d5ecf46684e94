/** LiveKit's tests of streams: who measures, selects, repairs and describes them. */
import assert from "node:assert/strict";
import { VideoLayer, VideoQuality } from "@livekit/protocol";
import type { LayerTarget, SpatialLayer } from "../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { DownTrackCondition } from "../../lib/media/down/down_track_condition.ts";
import { PlayoutDelay } from "../../lib/media/down/playout_delay.ts";
import { FrameRateMeter } from "../../lib/media/layer/frame_rate_meter.ts";
import { ReceiveStatistics } from "../../lib/media/layer/receive_statistics.ts";
import type { UpTrack } from "../../lib/media/up/up_track.ts";
import { assignLayerIds, spatialOfQuality } from "../../lib/room/registry/track_info.ts";
import { DependencyDescriptor } from "../../lib/wire/dependency_descriptor.ts";
import { DependencyStructure } from "../../lib/wire/dependency_structure.ts";
import { ReportBlock } from "../../lib/wire/rtcp.ts";
import { orderRids } from "../../lib/wire/sdp_sections.ts";
import type { ExtSeq } from "../../lib/wire/seq.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { descriptorOf, SvcWorld } from "../support/media/svc_world.ts";
import { unitScenario } from "./support.ts";

const { LOW, MEDIUM, HIGH } = VideoQuality;
const ALL: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };
const VP8 = codec("video/VP8", 96, 97);
const H264 = codec("video/H264", 102);
const OPUS = codec("audio/opus", 111);
/** A sequence parameter set, with which an H.264 key frame begins. */
const H264_KEY = Uint8Array.of(0x67, 1, 2, 3);
const AUDIO = Uint8Array.of(1, 2, 3);

/** One packet of a stream that `up` receives. */
function receive(
  up: UpTrack,
  sequenceNumber: number,
  payload: Uint8Array,
  { now = 0, spatial = 0, payloadType = 96 }: {
    readonly now?: number;
    readonly spatial?: SpatialLayer;
    readonly payloadType?: number;
  } = {},
): void {
  const ssrc = up.layer(spatial)!.ssrc;
  const timestamp = now * 90;
  const fields = { ssrc, payloadType, sequenceNumber, timestamp, payload };
  up.receive(spatial, viewOf(rtpPacket(fields)), now);
}

/** A subscriber that takes both video codecs, or opus. */
function subscribed(kind: "audio" | "video") {
  const codecs = kind === "audio" ? [OPUS] : [VP8, H264];
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "1", kind, ssrc: 5, rtxSsrc: 6, codecs, extensions: [] },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: kind === "audio" ? { ...ALL, maxSpatial: 0 } : ALL,
    firstRtxSequence: 1,
  });
  return { down, sink };
}

const picture = (pictureId: number, key = false) =>
  vp8Payload({ pictureId, tl0: pictureId & 0xff, key });

unitScenario("TestPlayoutDelay", () => {
  const delay = new PlayoutDelay({ minMs: 100, maxMs: 120, followsJitter: true });
  const told = (number: number) => {
    const value = delay.valueFor(number);
    return value < 0 ? undefined : [(value >> 12) * 10, (value & 0xfff) * 10];
  };
  assert.deepEqual([told(10), told(11)], [[100, 120], [100, 120]], "until it is acknowledged");
  delay.acknowledged(11, 0);
  assert.equal(told(12), undefined, "and not after");
  delay.measured(50, 0, 1_000);
  assert.deepEqual(told(13), [120, 120], "again after a change, which the most bounds");
  delay.acknowledged(13, 2_000);
  for (let now = 2_000; now < 5_000; now += 1_000) delay.measured(0, 0, now);
  assert.deepEqual(told(14), [100, 120], "as the least does");
});

unitScenario("Test_sequencer_getNACKSeqNo_no_exclusion", () => {
  const up = publishedTrack("audio");
  up.bindLayer(0, 1000, OPUS, 0);
  const { down, sink } = subscribed("audio");
  up.addDownTrack(down, 0);
  for (const number of [0, 1, 2, 5, 6, 3]) receive(up, number, AUDIO, { payloadType: 111 });
  const before = sink.packets.length;
  down.receiveNack(Uint16Array.from([0, 1, 2, 3, 4, 5, 6]), 7, 1_000);
  const resent = sink.views.slice(before).map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(resent, [0, 1, 2, 3, 5, 6], "all that went out, whatever order it came in");
});

unitScenario("Test_sequencer_flush", () => {
  const [before, after] = [publishedTrack("video"), publishedTrack("video")];
  before.bindLayer(0, 1000, VP8, 0);
  after.bindLayer(0, 2000, VP8, 0);
  const { down, sink } = subscribed("video");
  before.addDownTrack(down, 0);
  receive(before, 1, picture(1, true));
  receive(before, 2, picture(2));
  before.removeDownTrack(down);
  after.addDownTrack(down, 100);
  receive(after, 700, picture(1, true), { now: 100 });
  const numbers = sink.views.map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(numbers, [1, 2, 3]);
  down.receiveNack(Uint16Array.from(numbers), 3, 1_000);
  const resent = sink.views.slice(3);
  assert.equal(resent.length, 1, "what was before is forgotten");
  const { bytes, payloadOffset: at } = resent[0]!;
  assert.equal((bytes[at]! << 8) | bytes[at + 1]!, 3);
});

unitScenario("TestStreamTracker", () => {
  const up = publishedTrack("video");
  up.bindLayer(0, 1000, VP8, 0);
  assert.equal(up.liveLayers, 0b01);
  up.bindLayer(1, 1001, VP8, 0);
  receive(up, 1, picture(1, true), { spatial: 1 });
  assert.equal(up.liveLayers, 0b11, "with its first packet");
  let now = 0;
  for (let number = 1; number <= 60; number++) {
    now += 33;
    receive(up, number, picture(number), { now });
    up.tick(now);
  }
  assert.equal(up.liveLayers, 0b01, "the other one has stopped");
  receive(up, 2, picture(2), { now, spatial: 1 });
  assert.equal(up.liveLayers, 0b11, "and is back");
});

unitScenario("TestCodecChange", () => {
  const types = (sink: RecordingSink) => sink.views.map(({ payloadType }) => payloadType);
  const early = publishedTrack("video");
  early.bindLayer(0, 1000, VP8, 0);
  early.bindLayer(0, 1000, H264, 0);
  const first = subscribed("video");
  early.addDownTrack(first.down, 0);
  receive(early, 1, H264_KEY, { payloadType: 102 });
  assert.deepEqual(types(first.sink), [102], "before anything came");
  const up = publishedTrack("video");
  up.bindLayer(0, 1000, VP8, 0);
  const { down, sink } = subscribed("video");
  up.addDownTrack(down, 0);
  receive(up, 1, picture(1, true));
  receive(up, 2, picture(2), { now: 33 });
  up.bindLayer(0, 1000, H264, 66);
  receive(up, 3, Uint8Array.of(0x61, 1), { now: 66, payloadType: 102 });
  receive(up, 4, H264_KEY, { now: 99, payloadType: 102 });
  assert.deepEqual(types(sink), [96, 96, 102], "while it flows, from a key frame on");
  const numbers = sink.views.map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(numbers, [1, 2, 3]);
});

const NAMES = [["q", "h", "f"], ["2", "1", "0"]] as const;

unitScenario("TestGetSpatialLayerForRid", () => {
  for (const [low, middle, high] of NAMES) {
    for (const order of [[low, middle, high], [high, middle, low], [middle, high, low]]) {
      assert.deepEqual(orderRids(order), [low, middle, high], "whatever order they are in");
    }
    assert.deepEqual(orderRids([middle, low]), [low, middle]);
    assert.deepEqual(orderRids([high]), [high]);
  }
});

unitScenario("TestVideoQualityToRidConversion", () => {
  const ridsOf = (rids: readonly string[], ...declared: VideoQuality[]) => {
    const layers = declared.map((quality) => new VideoLayer({ quality }));
    return [LOW, MEDIUM, HIGH].map((quality) => rids[spatialOfQuality(quality, layers)]);
  };
  for (const rids of NAMES) {
    const [low, middle, high] = rids;
    assert.deepEqual(ridsOf(rids, LOW, MEDIUM, HIGH), [low, middle, high]);
    assert.deepEqual(ridsOf(rids, LOW, MEDIUM), [low, middle, middle]);
    assert.deepEqual(ridsOf(rids, LOW, HIGH), [low, middle, middle]);
    assert.deepEqual(ridsOf(rids, MEDIUM, HIGH), [low, low, middle]);
    assert.deepEqual(ridsOf(rids, HIGH), [low, low, low]);
  }
});

unitScenario("TestNormalizeVideoLayersRid", () => {
  const normalized = (rids: readonly string[], ...declared: [VideoQuality, string][]) => {
    const layers = declared.map(([quality, rid]) => new VideoLayer({ quality, rid }));
    assignLayerIds(layers, orderRids(rids));
    return layers.map(({ rid }) => rid);
  };
  const all: [VideoQuality, string][] = [[LOW, "x"], [MEDIUM, ""], [HIGH, "q"]];
  assert.deepEqual(normalized(["q", "h", "f"], ...all), ["q", "h", "f"]);
  assert.deepEqual(normalized(["f", "h", "q"], ...all), ["q", "h", "f"]);
  assert.deepEqual(normalized(["0", "1", "2"], ...all), ["2", "1", "0"]);
  assert.deepEqual(normalized(["h", "q"], [LOW, ""], [HIGH, ""]), ["q", "h"]);
});

unitScenario("TestFpsVP8", () => {
  const meter = new FrameRateMeter();
  assert.equal(meter.temporalFor(5), 3, "nothing is known yet");
  // 32 frames a second: 8 of the lowest layer, as many of the next, and 16 of the highest.
  for (let frame = 0; frame < 96; frame++) {
    meter.count([0, 2, 1, 2][frame % 4]!, Math.round((frame * 1000) / 32));
  }
  assert.deepEqual([7, 8, 15, 20, 30].map((fps) => meter.temporalFor(fps)), [0, 0, 1, 2, 2]);
  meter.reset();
  assert.equal(meter.temporalFor(5), 3);
});

/** Gives a packet with this extended number to statistics. */
function arrive(statistics: ReceiveStatistics, seq: number, now: number, isOriginal = true): void {
  const packet = rtpPacket({ ssrc: 1, payloadType: 96, sequenceNumber: seq, timestamp: now * 90 });
  statistics.receive(seq as ExtSeq, viewOf(packet), 90_000, now, isOriginal);
}

unitScenario("Test_RTPStatsReceiver_Update", () => {
  const statistics = new ReceiveStatistics();
  arrive(statistics, 65_536, 0);
  arrive(statistics, 65_537, 20);
  assert.deepEqual([statistics.packets, statistics.lost], [2, 0]);
  arrive(statistics, 65_547, 40);
  assert.deepEqual([statistics.packets, statistics.lost], [3, 9]);
  arrive(statistics, 65_540, 41, false);
  assert.equal(statistics.lost, 8, "one of them was only late");
  const block = new ReportBlock();
  statistics.report(block);
  assert.deepEqual([block.cumulativeLost, block.fractionLost], [8, Math.floor(8 * 256 / 12)]);
  statistics.report(block);
  assert.equal(block.fractionLost, 0, "of the next interval");
});

unitScenario("Test_RTPStatsReceiver_Restart", () => {
  const statistics = new ReceiveStatistics();
  for (const number of [100, 101, 104]) arrive(statistics, number, 0);
  assert.equal(statistics.lost, 2);
  statistics.restart();
  arrive(statistics, 5_000, 100);
  assert.equal(statistics.lost, 2, "the leap is no loss");
  arrive(statistics, 5_002, 120);
  assert.deepEqual([statistics.packets, statistics.lost], [5, 3]);
});

unitScenario("Test_RTPStatsSender_getIntervalStats", () => {
  const condition = new DownTrackCondition();
  const reported = (highest: number, lost: number, now: number) => {
    const block = new ReportBlock();
    block.highestSequence = highest;
    block.cumulativeLost = lost;
    condition.receiveReport(block, 50, now);
  };
  const interval = (now: number) => condition.interval(VP8, 90_000, now);
  for (let number = 1; number <= 100; number++) condition.sent(number);
  reported(100, 5, 1_000);
  assert.equal(interval(5_000).packetsSent, 100);
  for (let number = 101; number <= 150; number++) condition.sent(number);
  reported(150, 8, 6_000);
  const { packetsSent, reported: figures } = interval(10_000);
  assert.equal(packetsSent, 50);
  assert.deepEqual([figures!.expected, figures!.lost, figures!.rttMs], [50, 3, 50]);
  assert.equal(interval(15_000).reported, undefined, "nothing new was reported");
});

const KEY = { picture: 0, s: 0, t: 0, key: true, refs: [], chainDiffs: [0, 0, 0], packets: 1 };

/** Reads one descriptor; a structure in it is read into `structure`. */
function read(bytes: Uint8Array, structure: DependencyStructure): DependencyDescriptor | undefined {
  const descriptor = new DependencyDescriptor();
  if (!descriptor.parse(bytes, 0, bytes.length)) return undefined;
  if (descriptor.hasTemplateStructure && !descriptor.readStructure(structure)) return undefined;
  return descriptor.readFrame(structure) ? descriptor : undefined;
}

unitScenario("TestDependencyDescriptorUnmarshal", () => {
  const structure = new DependencyStructure();
  const key = read(descriptorOf({ ...KEY, number: 700 }, true, false, "L3T3"), structure)!;
  assert.deepEqual([key.startOfFrame, key.endOfFrame, key.frameNumber], [true, false, 700]);
  assert.ok(key.hasTemplateStructure);
  assert.deepEqual([structure.targetCount, structure.chainCount], [9, 3]);
  const delta = read(
    descriptorOf(
      {
        number: 705,
        picture: 1,
        s: 1,
        t: 2,
        key: false,
        refs: [702, 704],
        chainDiffs: [2, 1, 0],
        packets: 1,
      },
      false,
      true,
      "L3T3",
    ),
    structure,
  )!;
  assert.deepEqual([delta.spatialId, delta.temporalId, delta.endOfFrame], [1, 2, true]);
  assert.deepEqual([...delta.frameDiffs.subarray(0, delta.frameDiffCount)], [3, 1]);
  assert.deepEqual([...delta.chainDiffs.subarray(0, 3)], [2, 1, 0]);
  const whole = descriptorOf({ ...KEY, number: 9 }, true, true, "L3T3");
  for (let length = 0; length < whole.length; length++) {
    assert.equal(read(whole.subarray(0, length), new DependencyStructure()), undefined);
  }
});

/** A stream with three layers of either kind, of which `maxSpatial` and `maxTemporal` are wanted. */
function svc(maxSpatial: SpatialLayer, maxTemporal: number, loss = 0, jitterMs = 0): SvcWorld {
  const world = new SvcWorld({
    seed: 3,
    mime: "video/AV1",
    mode: "L3T3",
    described: true,
    target: { enabled: true, maxSpatial, maxTemporal },
    loss,
    jitterMs,
  });
  world.run(6_000);
  return world;
}

/** The frames of which something was sent, the last second's first. */
const framesSent = (world: SvcWorld) =>
  new Set(world.received.filter(({ empty }) => !empty).map(({ frame }) => frame));

unitScenario("TestDecodeTarget", () => {
  for (const [spatial, temporal] of [[0, 0], [0, 2], [1, 1], [2, 0], [2, 2]] as const) {
    const world = svc(spatial, temporal);
    const frames = [...framesSent(world)].map((number) => world.frames.get(number)!);
    assert.ok(frames.length > 20);
    assert.equal(Math.max(...frames.map(({ s }) => s)), spatial);
    assert.equal(Math.max(...frames.map(({ t }) => t)), temporal);
    assert.ok(frames.some(({ s, key }) => s === 0 && !key), "with what it is built on");
  }
});

unitScenario("TestFrameNumberWrapper", () => {
  const world = svc(2, 2);
  const sent = [...framesSent(world)];
  assert.ok(sent[0]! < 0x1_0000 && sent.at(-1)! > 0x1_0000, "numbers of 16 bits wrap on the way");
  assert.deepEqual(sent, sent.map((_, i) => sent[0]! + i), "and no frame is left out");
  assert.equal(world.plis, 1, "or a key frame asked for");
});

unitScenario("TestFrameChain", () => {
  // Losses that are not repaired in time break chains: nothing is sent that needs what was not.
  for (const loss of [0.02, 0.1]) {
    const world = svc(2, 2, loss, 30);
    world.publishing = false;
    world.run(2_000); // what was asked for again comes
    const sent = framesSent(world);
    assert.ok(sent.size > 20);
    for (const number of sent) {
      for (const ref of world.frames.get(number)!.refs) {
        assert.ok(sent.has(ref), `frame ${number} needs ${ref}`);
      }
    }
  }
});

unitScenario("TestDependencyDescriptor", () => {
  const world = svc(1, 1);
  const structure = new DependencyStructure();
  let announced = 0;
  for (const { descriptor, frame, empty } of world.received) {
    if (empty) continue;
    const { s, t } = world.frames.get(frame)!;
    const parsed = read(descriptor!, structure)!;
    assert.deepEqual([parsed.spatialId, parsed.temporalId], [s, t]);
    if (parsed.hasActiveDecodeTargets) announced = parsed.activeTargets;
  }
  // Targets are spatial · 3 + temporal; those that are still sent: (0,0), (0,1), (1,0), (1,1).
  assert.equal(announced & ~0b000_011_011, 0);
  assert.notEqual(announced & 0b000_010_000, 0);
});

unitScenario("TestDownTrackSendsProbePackets", () => {
  const up = publishedTrack("video");
  up.bindLayer(0, 1000, VP8, 0);
  const { down, sink } = subscribed("video");
  up.addDownTrack(down, 0);
  assert.ok(down.pad(false, 0));
  const [padding] = sink.views;
  assert.deepEqual([padding!.ssrc, padding!.payloadType], [6, 97], "on the stream of repairs");
  const bytes = sink.packets[0]!;
  assert.equal(bytes[0]! & 0x20, 0x20);
  assert.equal(bytes.length - 12, bytes.at(-1), "fully padding");
  receive(up, 1, picture(1, true), { now: 10 });
  receive(up, 2, picture(2), { now: 43 });
  const before = sink.packets.length;
  for (let i = 0; i < 4; i++) assert.ok(down.pad(false, 50));
  const probes = sink.views.slice(before);
  const numbers = [padding!, ...probes].map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => (numbers[0]! + i) & 0xffff),
    "in its own numbers",
  );
  assert.ok(probes.every(({ ssrc, payloadType }) => ssrc === 6 && payloadType === 97));
  assert.ok(probes.some(({ payloadLength }) => payloadLength > 2), "recent packets come again");
  const media = sink.views.filter(({ ssrc }) => ssrc === 5);
  assert.deepEqual(media.map(({ sequenceNumber }) => sequenceNumber), [1, 2]);
});
