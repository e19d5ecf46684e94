/** LiveKit's tests of numbers and frames: what is remembered of them, and what is whole. */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { SequenceRewriter } from "../../lib/media/down/sequence_rewriter.ts";
import { LayerRates } from "../../lib/media/layer/layer_rates.ts";
import { NackTracker } from "../../lib/media/layer/nack_tracker.ts";
import { PacketCache } from "../../lib/media/layer/packet_cache.ts";
import { SvcStream } from "../../lib/media/layer/svc_stream.ts";
import { SvcSelection } from "../../lib/media/select/svc_selection.ts";
import type { EncodedFrame } from "../../lib/recording/frames/encoded_frame.ts";
import { PublisherClock } from "../../lib/recording/media_timeline.ts";
import { RecordedStream } from "../../lib/recording/recorded_stream.ts";
import { DependencyDescriptor } from "../../lib/wire/dependency_descriptor.ts";
import type { ExtSeq } from "../../lib/wire/seq.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../support/media/forwarding_fixtures.ts";
import { bundle } from "../support/media/packet_bundles.ts";
import { vp8Frame, vp8Payloads } from "../support/media/recorded_payloads.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { descriptorOf, type Frame } from "../support/media/svc_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { unitScenario } from "./support.ts";

const VP8 = 96;

/** A camera of one layer, and a subscriber with or without a stream for what comes again. */
function camera(hasRtx: boolean) {
  const source = hasRtx ? codec("video/VP8", VP8, 97) : codec("video/VP8", VP8);
  const up = publishedTrack("video");
  up.bindLayer(0, 1_000, source, 0);
  const sink = new RecordingSink();
  const ssrcs = hasRtx ? { ssrc: 5, rtxSsrc: 6 } : { ssrc: 5 };
  const down = new DownTrack({
    section: {
      ...{ mid: "1", kind: "video", ...ssrcs, codecs: [source] },
      extensions: [{ id: 5, uri: EXTENSION_URI.transportCc }],
    },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 2, maxTemporal: 3 },
  });
  up.addDownTrack(down, 0);
  const send = (sequenceNumber: number, pictureId: number, start: boolean, marker: boolean) => {
    const payload = vp8Payload({ pictureId, tl0: pictureId, key: pictureId === 1, start });
    const fields = { ssrc: 1_000, payloadType: VP8, timestamp: pictureId * 3_000 };
    up.receive(0, viewOf(rtpPacket({ ...fields, sequenceNumber, marker, payload })), 0);
  };
  const sent = (ssrc: number) => sink.views.filter((view) => view.ssrc === ssrc);
  return { down, send, sent };
}

unitScenario("TestIsOnFrameBoundary", () => {
  for (const hasRtx of [true, false]) {
    const { down, send, sent } = camera(hasRtx);
    const pads = () => [down.pad(false, 0), down.padItself(0, 1_000)];
    send(23_333, 1, true, false);
    assert.deepEqual(pads(), [hasRtx, false], "in the middle of a frame");
    send(23_334, 1, false, true);
    assert.deepEqual(pads(), [hasRtx, !hasRtx], "at the end of one");
    send(23_335, 2, true, true);
    const own = sent(5);
    assert.deepEqual(own.map((view) => view.sequenceNumber), own.map((_, i) => 23_333 + i));
    const media = own.filter((view) => view.payloadLength > 0);
    assert.deepEqual(media.map((view) => view.marker), [false, true, true], "which ends as it did");
    assert.equal(own.length, hasRtx ? 3 : 4);
    assert.equal(own[2]!.payloadLength > 0, hasRtx, "padding is between frames, if anywhere");
    assert.equal(sent(6).length, hasRtx ? 2 : 0);
  }
});

unitScenario("TestRangeMapUint32", () => {
  const map = new SequenceRewriter();
  map.switchTo(70_000);
  for (let seq = 70_000; seq < 70_010; seq++) assert.equal(map.forward(seq), seq);
  assert.equal(map.drop(70_010), -1);
  assert.equal(map.forward(70_011), 70_010, "one less from there on");
  assert.equal(map.forward(70_006), 70_006, "and not before");
  assert.equal(map.forward(70_010), -1, "what was left out has no number");
  for (let seq = 70_012; seq < 70_015; seq++) assert.equal(map.drop(seq), -1);
  assert.equal(map.forward(70_015), 70_011, "ranges that follow each other are one");
  assert.equal(map.insert(0), 70_012);
  assert.equal(map.forward(70_016), 70_013, "one more behind what was put in");
  assert.deepEqual([70_009, 70_011, 70_013, 70_015].map((seq) => map.forward(seq)), [
    70_009,
    70_010,
    -1,
    70_011,
  ]);
  assert.equal(map.isKnown(69_999), false, "before the first");
  assert.equal(map.forward(70_500), 70_497);
  assert.equal(map.forward(70_499), 70_496, "with the offset of its time");
  assert.deepEqual([map.isKnown(70_000), map.isKnown(69_988)], [true, false]);
  map.forward(70_600);
  assert.equal(map.isKnown(70_000), false, "what is too old is forgotten");
});

/** A stream that is recorded, and the frames of it that are whole. */
function recorded() {
  const frames: EncodedFrame[] = [];
  const stream = new RecordedStream(new PublisherClock(), {
    frame: (frame) => frames.push(frame),
    keyFrameWanted: () => {},
  });
  /** The packets of a key frame, of so many. */
  const packetsOf = (first: number, count: number, timestamp: number) => {
    const payloads = vp8Payloads(vp8Frame(true, 320, 240, new Uint8Array(count * 10 - 10)), 10);
    assert.equal(payloads.length, count);
    return payloads.map((payload, i) => {
      const marker = i === count - 1;
      const sequenceNumber = (first + i) & 0xffff;
      return rtpPacket({ ssrc: 1, payloadType: VP8, marker, timestamp, sequenceNumber, payload });
    });
  };
  const push = (packet: Uint8Array) => stream.push({ packets: bundle(packet), ageMs: 0 }, 0);
  return { frames, packetsOf, push };
}

// Subscribers get packets as they come; who has to know whether a frame is whole records it.
unitScenario("TestFrameIntegrityChecker", () => {
  const { frames, packetsOf, push } = recorded();
  const [only] = packetsOf(65_530, 1, 0);
  push(only!);
  assert.equal(frames.length, 1, "of a single packet");
  const three = packetsOf(65_531, 3, 3_000);
  for (const index of [2, 0, 2]) push(three[index]!);
  assert.equal(frames.length, 1, "without its middle it is none");
  push(three[1]!);
  assert.equal(frames.length, 2);
  assert.equal(frames[1]!.data.length, three.length * 10);
  push(three[1]!);
  push(only!);
  assert.equal(frames.length, 2, "once, whatever comes again");
  const random = new SeededRandom(11);
  for (let round = 0; round < 3; round++) {
    const large = packetsOf(65_534 + round * 1_000, 1_000, 6_000 + round * 3_000);
    const order = large.map((packet) => ({ packet, at: random.below(1_000_000) }))
      .sort((a, b) => a.at - b.at);
    for (const [i, { packet }] of order.entries()) {
      push(packet);
      assert.equal(frames.length, 2 + round + (i === large.length - 1 ? 1 : 0));
    }
  }
});

unitScenario("TestPacketHistoryLargeForwardJump", () => {
  const cache = new PacketCache(32, 512);
  const losses = new NackTracker();
  const bytes = new Uint8Array(20);
  const came = (number: number) => {
    const seq = number as ExtSeq;
    cache.stage(seq, bytes, bytes.length);
    cache.storeStaged(seq, bytes.length, number, 0);
    losses.receive(seq, 0);
  };
  const here = (from: number, to: number) => {
    const found: number[] = [];
    for (let seq = from; seq <= to; seq++) if (cache.find(seq) >= 0) found.push(seq);
    return found;
  };
  for (let seq = 100_000; seq <= 102_000; seq++) came(seq);
  assert.equal(here(100_000, 102_000).length, cache.capacity);
  assert.equal(losses.pending, 0);
  const jumped = 102_000 + 40_000;
  came(jumped);
  assert.deepEqual(here(jumped - 2_000, jumped), [jumped], "no slot stands for another number");
  const asked = new Uint16Array(256);
  const count = losses.collect(1_000, 50, asked);
  assert.deepEqual(
    [...asked.subarray(0, count)],
    Array.from({ length: count }, (_, i) => (jumped - count + i) & 0xffff),
    "only the nearest are hoped for",
  );
  assert.ok(count >= 5 && count < 256, `${count} of 40 000`);
  for (let seq = jumped - 5; seq < jumped; seq++) came(seq);
  assert.deepEqual(here(jumped - 5, jumped).length, 6, "and can still come");
  assert.equal(losses.pending, count - 5);
});

unitScenario("TestFrameIntegrityCheckerLargeFrameJump", () => {
  const stream = new SvcStream();
  const selection = new SvcSelection();
  const descriptor = new DependencyDescriptor();
  /** Whether a frame of the lowest spatial layer is sent, where no higher frame rate is wanted. */
  const isSent = (number: number, t: number, refs: readonly number[], chainDiff: number) => {
    const key = refs.length === 0;
    const frame: Frame = {
      ...{ number, picture: number, s: 0, t, key, refs, packets: 1 },
      chainDiffs: [chainDiff, 0, 0],
    };
    const bytes = descriptorOf(frame, true, true, "L3T3");
    assert.ok(descriptor.parse(bytes, 0, bytes.length));
    stream.readDescribed(descriptor, number);
    return selection.decide(descriptor, stream, number * 3_000, 0, 0);
  };
  assert.ok(isSent(200, 0, [], 0));
  for (let number = 201; number <= 500; number++) {
    // Only each third frame is of the lowest frame rate.
    const t = (number - 200) % 3 === 0 ? 0 : 1;
    const base = number - (t === 0 ? 3 : (number - 200) % 3);
    assert.equal(isSent(number, t, [base], number - base), t === 0, `${number}`);
  }
  const jumped = 500 + 5_000;
  // Its slots are those of frames that were left out, which these are not.
  for (const back of [1, 2, 4, 5]) {
    const number = jumped + back * 20;
    assert.ok(isSent(number, 0, [number - back], back), `what was jumped over may still come`);
  }
  assert.equal(isSent(jumped + 200, 1, [jumped + 100], 100), false, "as before behind it");
  assert.ok(isSent(jumped + 201, 0, [jumped + 100], 101));
  assert.equal(isSent(jumped + 202, 0, [jumped + 200], 101), false, "on one that was left out");
});

unitScenario("TestBitrateCalculatorWallClock", () => {
  for (const [everyMs, bps] of [[100, 80_000], [200, 40_000]] as const) {
    const rates = new LayerRates();
    // 1,000 bytes as they leave, with what sealing adds.
    for (let now = 0; now <= 3_000; now += everyMs) rates.count(0, 0, 980, now);
    assert.ok(rates.isKnown);
    assert.ok(Math.abs(rates.totalBps - bps) < bps / 10, `${rates.totalBps}, idle time included`);
  }
});
