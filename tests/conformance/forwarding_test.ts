/** LiveKit's tests of the forwarding core: numbers, VP8 descriptors, retransmission, layers. */
import assert from "node:assert/strict";
import { VideoLayer, VideoQuality } from "@livekit/protocol";
import { AudioLevel } from "../../lib/media/up/audio_level.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { NackTracker } from "../../lib/media/layer/nack_tracker.ts";
import { RtcpClock } from "../../lib/media/layer/rtcp_clock.ts";
import { SequenceRewriter } from "../../lib/media/down/sequence_rewriter.ts";
import { TimestampRewriter } from "../../lib/media/down/timestamp_rewriter.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { Vp8Rewriter } from "../../lib/media/select/vp8_rewriter.ts";
import {
  assignLayerIds,
  qualityOfSpatial,
  spatialOfQuality,
} from "../../lib/room/registry/track_info.ts";
import { extendSeq, type ExtSeq } from "../../lib/wire/seq.ts";
import { Vp8Descriptor } from "../../lib/wire/vp8_descriptor.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  type Vp8Fields,
  vp8Payload,
} from "../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { unitScenario } from "./support.ts";

const { LOW, MEDIUM, HIGH } = VideoQuality;
const ALL = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
const AUDIO = Uint8Array.of(1, 2, 3);
const EMPTY = new Uint8Array(0);

/** One published stream and one subscriber to it. */
function forwarding(kind: "audio" | "video") {
  const source = kind === "audio" ? codec("audio/opus", 111) : codec("video/VP8", 96, 97);
  const up = new UpTrack({
    kind,
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  const layers = kind === "audio" ? [0] as const : [0, 1] as const;
  for (const spatial of layers) up.bindLayer(spatial, 1000 + spatial, source, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "1", kind, ssrc: 5, rtxSsrc: 6, codecs: [source], extensions: [] },
    publisherExtensions: up.extensions,
    sink,
    place: undefined,
    listener: layerListener(),
    target: { ...ALL, maxSpatial: layers.length - 1 as 0 | 1 },
    firstRtxSequence: 1,
  });
  up.addDownTrack(down, 0);
  const send = (sequenceNumber: number, payload: Uint8Array, now = 0, spatial: 0 | 1 = 0) =>
    up.receive(
      spatial,
      viewOf(rtpPacket({
        ssrc: 1000 + spatial,
        payloadType: source.payloadType,
        sequenceNumber,
        timestamp: now * 90,
        payload,
      })),
      now,
    );
  /** Numbers that went out, in the order they did. */
  const sent = () => sink.views.map((view) => view.sequenceNumber);
  return { up, down, sink, send, sent };
}

const vp8 = (pictureId: number, fields: Partial<Vp8Fields> = {}) =>
  vp8Payload({ pictureId, tl0: pictureId & 0xff, ...fields });

unitScenario("TestSetLastSnTs", () => {
  const rewriter = new SequenceRewriter();
  assert.equal(rewriter.lastOut, -1);
  rewriter.switchTo(23_333);
  assert.equal(rewriter.forward(23_333), 23_333, "the first source keeps its numbers");
  assert.deepEqual([rewriter.highest, rewriter.lastOut], [23_333, 23_333]);
});

unitScenario("TestUpdateSnTsOffsets", () => {
  const rewriter = new SequenceRewriter();
  rewriter.switchTo(23_333);
  rewriter.forward(23_333);
  rewriter.switchTo(33_333);
  assert.equal(rewriter.forward(33_333), 23_334, "another source goes on behind the last");
});

unitScenario("TestPacketDropped", () => {
  const { send, sent } = forwarding("video");
  send(1, vp8(1, { key: true }));
  send(2, vp8(2));
  send(3, EMPTY);
  send(4, vp8(3));
  assert.deepEqual(sent(), [1, 2, 3], "a dropped head leaves no gap");
});

unitScenario("TestOutOfOrderSequenceNumber", () => {
  const { send, sent } = forwarding("audio");
  send(23_333, AUDIO);
  send(23_332, AUDIO);
  assert.deepEqual(sent(), [23_333], "what came before the start is not sent");
  send(23_336, AUDIO);
  send(23_335, AUDIO);
  send(23_337, EMPTY);
  send(23_338, AUDIO);
  send(23_334, AUDIO);
  assert.deepEqual(sent(), [23_333, 23_336, 23_335, 23_337, 23_334]);
});

unitScenario("TestDuplicateSequenceNumber", () => {
  const { send, sent } = forwarding("audio");
  for (const number of [10, 10, 11, 10, 11]) send(number, AUDIO);
  assert.deepEqual(sent(), [10, 11]);
});

unitScenario("TestPaddingOnlyPacket", () => {
  const { send, sent, sink } = forwarding("audio");
  send(10, AUDIO);
  send(11, EMPTY);
  assert.deepEqual(sent(), [10], "contiguous: left out");
  send(12, AUDIO);
  send(14, AUDIO);
  send(13, EMPTY);
  assert.deepEqual(sent(), [10, 11, 13, 12], "after a gap it fills the number that was kept");
  assert.equal(sink.views.at(-1)!.payloadLength, 0);
});

unitScenario("TestUpdateAndGetPaddingSnTs", () => {
  const rewriter = new SequenceRewriter();
  rewriter.switchTo(23_333);
  rewriter.forward(23_333);
  const padding = Array.from({ length: 20 }, () => rewriter.insert(0));
  assert.deepEqual(padding, padding.map((_, i) => 23_334 + i), "numbers of its own");
  assert.equal(rewriter.forward(23_334), 23_354, "the source goes on behind them");
  const timestamps = new TimestampRewriter();
  timestamps.switchTo(0xabcdef, undefined, new RtcpClock(), 90_000, 0, 0);
  timestamps.forward(0xabcdef, 0);
  assert.deepEqual(
    [10, 20].map((now) => timestamps.insert(0, 90_000, now)),
    [0xabcdef + 900, 0xabcdef + 1800],
  );
});

unitScenario("TestGapInSequenceNumber", () => {
  const { send, sent } = forwarding("audio");
  send(65_533, AUDIO);
  send(1, AUDIO); // 65534, 65535 and 0 are missing
  send(2, EMPTY);
  send(4, AUDIO); // 3 is missing
  send(5, EMPTY);
  send(7, AUDIO); // 6 is missing
  assert.deepEqual(sent(), [65_533, 1, 3, 5]);
  for (const late of [65_535, 3, 0, 6, 65_534]) send(late, AUDIO);
  assert.deepEqual(sent().slice(4), [65_535, 2, 0, 4, 65_534]);
});

unitScenario("TestNewBuffer", () => {
  let last = 65_534 as ExtSeq;
  for (const [wire, extended] of [[65_535, 65_535], [0, 65_536], [65_535, 65_535], [2, 65_538]]) {
    last = extendSeq(wire!, last);
    assert.equal(last, extended);
  }
});

unitScenario("TestNack", async (t) => {
  const asked = (first: number, last: number) => {
    const tracker = new NackTracker();
    const out = new Uint16Array(16);
    tracker.receive(first as ExtSeq, 0);
    tracker.receive(last as ExtSeq, 0);
    const counts = new Map<number, number>();
    for (let now = 0; now < 10_000; now += 5) {
      const count = tracker.collect(now, 70, out);
      for (const number of out.subarray(0, count)) {
        counts.set(number, (counts.get(number) ?? 0) + 1);
      }
    }
    return [...counts];
  };
  await t.step("each lost packet is asked for 5 times", () => {
    assert.deepEqual(asked(65_536 + 1, 65_536 + 4), [[2, 5], [3, 5]]);
  });
  await t.step("across the wrap as well", () => {
    assert.deepEqual(asked(65_536 + 65_533, 65_536 * 2 + 1), [[65_534, 5], [65_535, 5], [0, 5]]);
  });
});

unitScenario("Test_sequencer", () => {
  const { down, sink, send } = forwarding("video");
  send(518, vp8(1, { key: true }));
  send(519, vp8(2));
  send(520, EMPTY);
  send(521, vp8(3));
  const resent = (numbers: number[], now: number) => {
    const before = sink.packets.length;
    down.receiveNack(Uint16Array.from(numbers), numbers.length, now);
    return sink.views.slice(before).map((view) => {
      const { payloadOffset: at, bytes } = view;
      return (bytes[at]! << 8) | bytes[at + 1]!;
    });
  };
  assert.deepEqual(resent([519, 520], 1_000), [519, 520], "under the numbers that went out");
  assert.deepEqual(resent([519], 1_010), [], "not again at once");
  assert.deepEqual(resent([519], 1_500), [519]);
  assert.deepEqual(resent([100, 600], 2_000), [], "never sent");
});

unitScenario("TestForwarderGetTranslationParamsMuted", () => {
  const { down, send, sent } = forwarding("audio");
  down.setTarget({ ...ALL, enabled: false }, 0);
  send(1, AUDIO);
  assert.deepEqual(sent(), []);
  down.setTarget(ALL, 0);
  send(2, AUDIO);
  assert.equal(sent().length, 1);
});

unitScenario("TestForwarderGetTranslationParamsAudio", () => {
  const { up, send, sent } = forwarding("audio");
  send(23_333, AUDIO);
  send(23_333, AUDIO);
  send(23_334, EMPTY);
  send(23_335, AUDIO);
  send(23_337, AUDIO);
  send(23_336, AUDIO);
  assert.deepEqual(sent(), [23_333, 23_334, 23_336, 23_335]);
  up.bindLayer(0, 2000, codec("audio/opus", 111), 100);
  send(123, AUDIO, 100);
  assert.equal(sent().at(-1), 23_337, "another source goes on without a gap");
});

unitScenario("TestForwarderGetTranslationParamsVideo", () => {
  const { send, sent, sink, down } = forwarding("video");
  const pictureIds = () =>
    sink.views.map((view) => {
      const descriptor = new Vp8Descriptor();
      assert.ok(descriptor.parse(view.bytes, view.payloadOffset, view.payloadLength));
      return descriptor.pictureId;
    });
  down.setTarget({ enabled: true, maxSpatial: 0, maxTemporal: 0 }, 0);
  send(10, vp8(100));
  assert.deepEqual(sent(), [], "not before a key frame");
  send(50, vp8(7, { key: true }), 0, 1);
  assert.deepEqual(sent(), [], "nor at one of a layer that is not wanted");
  send(11, vp8(101, { key: true }));
  send(11, vp8(101, { key: true }));
  send(12, vp8(102, { tid: 1, sync: true }));
  send(13, EMPTY);
  send(14, vp8(103));
  assert.deepEqual(sent(), [11, 12], "higher temporal layers and padding leave no gap");
  assert.deepEqual(pictureIds(), [101, 102]);
  down.setTarget({ enabled: true, maxSpatial: 1, maxTemporal: 3 }, 10);
  send(60, vp8(20, { key: true }), 33, 1);
  assert.deepEqual(sent(), [11, 12, 13], "another layer goes on without a gap");
  assert.deepEqual(pictureIds(), [101, 102, 103]);
});

function descriptor(pictureId: number, fields: Partial<Vp8Fields> = {}): Vp8Descriptor {
  const parsed = new Vp8Descriptor();
  const payload = vp8(pictureId, fields);
  assert.ok(parsed.parse(payload, 0, payload.length));
  return parsed;
}

/** A rewriter that has sent the key frame with this picture id. */
function started(pictureId: number, fields: Partial<Vp8Fields> = {}, maxTemporal = 3): Vp8Rewriter {
  const rewriter = new Vp8Rewriter();
  const key = descriptor(pictureId, { key: true, ...fields });
  rewriter.switchTo(key, maxTemporal);
  assert.ok(rewriter.decide(key, false, maxTemporal));
  return rewriter;
}

unitScenario("TestSetLast", () => {
  const rewriter = started(13_467, { tl0: 233, keyIdx: 23 });
  const { pictureIdOut, tl0PicIdxOut, keyIdxOut } = rewriter;
  assert.deepEqual([pictureIdOut, tl0PicIdxOut, keyIdxOut], [13_467, 233, 23]);
});

unitScenario("TestUpdateOffsets", () => {
  const rewriter = started(13_467, { tl0: 233, keyIdx: 23 });
  const other = descriptor(345, { tl0: 12, keyIdx: 4, key: true });
  rewriter.switchTo(other, 3);
  assert.ok(rewriter.decide(other, false, 3));
  const { pictureIdOut, tl0PicIdxOut, keyIdxOut } = rewriter;
  assert.deepEqual([pictureIdOut, tl0PicIdxOut, keyIdxOut], [13_468, 234, 24]);
});

unitScenario("TestOutOfOrderPictureId", () => {
  const rewriter = started(13_467);
  assert.equal(rewriter.decide(descriptor(13_466), true, 3), false, "before the start");
  assert.ok(rewriter.decide(descriptor(13_469), false, 3));
  assert.equal(rewriter.pictureIdOut, 13_469);
  assert.ok(rewriter.decide(descriptor(13_468), true, 3));
  assert.equal(rewriter.pictureIdOut, 13_468, "with the offset of its time");
});

unitScenario("TestTemporalLayerFiltering", () => {
  const rewriter = started(13_467, {}, 0);
  for (const start of [true, false, false]) {
    const higher = descriptor(13_468, { tid: 1, sync: true, start });
    assert.equal(rewriter.decide(higher, false, 0), false);
  }
  assert.ok(rewriter.decide(descriptor(13_469), false, 0));
  assert.equal(rewriter.pictureIdOut, 13_468, "one picture is left out once");
});

unitScenario("TestGapInSequenceNumberSamePicture", () => {
  const rewriter = started(13_467);
  assert.ok(rewriter.decide(descriptor(13_468), false, 3));
  for (const late of [false, true, true]) {
    assert.ok(rewriter.decide(descriptor(13_468, { start: false }), late, 3));
    assert.equal(rewriter.pictureIdOut, 13_468);
  }
});

unitScenario("TestVP8PictureIdWrapHandler", () => {
  const out = (from: number, to: number, bits: 7 | 15) => {
    const rewriter = started(from, { bits });
    assert.ok(rewriter.decide(descriptor(to, { bits }), false, 3));
    return rewriter.pictureIdOut;
  };
  assert.equal(out(32_766, 5, 15), 5, "15 bits wrap");
  assert.equal(out(125, 5, 7), 133, "7 bits go on in 15");
  assert.equal(out(1_000, 2_000, 15), 2_000, "a gap that 7 bits would take for a late one");
  const late = started(32_766);
  assert.ok(late.decide(descriptor(1), false, 3));
  assert.ok(late.decide(descriptor(32_767), true, 3));
  assert.equal(late.pictureIdOut, 32_767, "late ones do not wrap");
});

unitScenario("TestAudioLevel", async (t) => {
  const observe = (level: AudioLevel, dbov: number, count: number, from: number) => {
    let now = from;
    for (let i = 0; i < count; i++, now += 20) level.observe(dbov, 20, now);
    return now;
  };
  await t.step("nothing is heard before there is enough", () => {
    const level = new AudioLevel();
    assert.equal(level.level(observe(level, 25, 5, 0)), 0);
  });
  await t.step("too little above the threshold is silence", () => {
    const level = new AudioLevel();
    let now = observe(level, 35, 1, 0);
    now = observe(level, 60, 40, now);
    assert.equal(level.level(now), 0);
  });
  await t.step("enough of it is speech", () => {
    const level = new AudioLevel();
    const now = observe(level, 25, 40, 0);
    assert.ok(level.level(now) > 0);
    assert.equal(level.isActive(now), true);
  });
  await t.step("what is stale is silence", () => {
    const level = new AudioLevel();
    const now = observe(level, 25, 40, 0);
    assert.equal(level.level(now + 1_500), 0);
  });
});

const declare = (...qualities: VideoQuality[]) =>
  qualities.map((quality) => new VideoLayer({ quality }));

unitScenario("TestQualityConversion", () => {
  for (
    const declared of [[LOW, MEDIUM, HIGH], [LOW, MEDIUM], [LOW, HIGH], [MEDIUM, HIGH], [HIGH]]
  ) {
    const layers = declare(...declared);
    for (const [spatial, quality] of declared.entries()) {
      assert.equal(spatialOfQuality(quality, layers), spatial);
      assert.equal(qualityOfSpatial(spatial as 0 | 1 | 2, layers), quality);
    }
  }
});

unitScenario("TestGetSpatialLayerForVideoQuality", () => {
  const spatials = (...declared: VideoQuality[]) =>
    [LOW, MEDIUM, HIGH].map((quality) => spatialOfQuality(quality, declare(...declared)));
  assert.deepEqual(spatials(), [0, 1, 2]);
  assert.deepEqual(spatials(LOW, MEDIUM, HIGH), [0, 1, 2]);
  assert.deepEqual(spatials(LOW, MEDIUM), [0, 1, 1]);
  assert.deepEqual(spatials(LOW, HIGH), [0, 1, 1]);
  assert.deepEqual(spatials(MEDIUM, HIGH), [0, 0, 1]);
  for (const one of [LOW, MEDIUM, HIGH]) assert.deepEqual(spatials(one), [0, 0, 0]);
});

unitScenario("TestRidConversion", () => {
  const rids = (names: string[], ...declared: VideoQuality[]) => {
    const layers = declare(...declared);
    assignLayerIds(layers, names);
    return layers.map(({ spatialLayer, rid }) => [spatialLayer, rid]);
  };
  for (const names of [["q", "h", "f"], ["2", "1", "0"]]) {
    const [low, middle, high] = names;
    assert.deepEqual(rids(names, LOW, MEDIUM, HIGH), [[0, low], [1, middle], [2, high]]);
    assert.deepEqual(rids(names, LOW, HIGH), [[0, low], [1, middle]]);
    assert.deepEqual(rids(names, HIGH), [[0, low]]);
  }
});
