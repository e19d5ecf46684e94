/** LiveKit's tests of what is measured and told of streams: rates of frames, layers, losses, times. */
import assert from "node:assert/strict";
import { ForwardLatency } from "../../lib/engine/local/forward_latency.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { Metrics } from "../../lib/server/metrics/metrics.ts";
import { DrainRate } from "../../lib/transport/sctp/drain_rate.ts";
import { ReportBlock } from "../../lib/wire/rtcp.ts";
import { PrometheusText } from "../support/process/prometheus_text.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { SvcWorld } from "../support/media/svc_world.ts";
import { NO_STATS } from "../support/virtual/fake_engine.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { unitScenario } from "./support.ts";

/** Of a VP8 payload before what the test says: the descriptor, and a byte of the frame. */
const VP8_HEAD_BYTES = 7;

const ALL = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;

unitScenario("TestFpsDD", () => {
  // 30.3 frames a second: 7.6 in the lowest temporal layer, 15.2 with the next.
  for (const [maxFps, sent] of [[7, 7.6], [15, 15.2], [20, 30.3], [30, 30.3]] as const) {
    for (const mode of ["L3T3", "L3T3_KEY"] as const) {
      const target = { ...ALL, maxFps };
      const world = new SvcWorld({ seed: 1, mime: "video/AV1", mode, described: true, target });
      world.run(3_000); // measured first
      const before = world.received.length;
      world.run(4_000);
      const pictures = new Set(world.received.slice(before).map(({ timestamp }) => timestamp));
      assert.ok(
        Math.abs(pictures.size / 4 - sent) < 0.6,
        `${mode}, ${maxFps}: ${pictures.size / 4}`,
      );
    }
  }
});

unitScenario("TestStreamTrackerDD", () => {
  const target = ALL;
  for (const mode of ["L3T3", "L3T3_KEY"] as const) {
    const world = new SvcWorld({ seed: 2, mime: "video/AV1", mode, described: true, target });
    const spatials = () => {
      const before = world.received.length;
      world.run(1_000);
      const packets = world.received.slice(before).filter(({ empty }) => !empty);
      const layers = packets.map(({ frame }) => world.frames.get(frame)!.s);
      const ended = new Set(packets.filter(({ marker }) => marker).map((p) => p.timestamp));
      // All pictures but the one that is being sent are ended.
      assert.ok(
        ended.size >= new Set(packets.map((p) => p.timestamp)).size - 1,
        "unended pictures",
      );
      return Math.max(...layers);
    };
    assert.equal(spatials(), 2);
    world.top = 1;
    world.run(100);
    const { plis } = world;
    for (let i = 0; i < 3; i++) assert.equal(spatials(), 1, "the highest layer is not sent");
    assert.equal(world.plis, plis, "nobody waits for it");
    assert.equal(world.layers.at(-1), 1, "and it is told");
    world.top = 2;
    world.run(100);
    assert.equal(spatials(), 2, "it is there again");
    assert.equal(world.layers.at(-1), 2);
  }
});

/** One audio track, and subscribers of it. */
function heard(tellsFarLoss: boolean, subscribers: number) {
  const opus = codec("audio/opus", 111);
  const up = publishedTrack("audio", { tellsFarLoss });
  up.bindLayer(0, 1_000, opus, 0);
  const downs = Array.from({ length: subscribers }, (_, i) => {
    const down = new DownTrack({
      section: { mid: "0", kind: "audio", ssrc: 5 + i, codecs: [opus], extensions: [] },
      publisherExtensions: [],
      sink: new RecordingSink(),
      place: undefined,
      listener: layerListener(),
      target: ALL,
    });
    up.addDownTrack(down, 0);
    return down;
  });
  const send = (...numbers: number[]) => {
    for (const sequenceNumber of numbers) {
      const fields = { ssrc: 1_000, payloadType: 111, timestamp: sequenceNumber * 960 };
      const payload = Uint8Array.of(1, 2, 3);
      up.receive(0, viewOf(rtpPacket({ ...fields, sequenceNumber, payload })), 0);
    }
  };
  const report = (which: number, fractionLost: number) => {
    const block = new ReportBlock();
    block.fractionLost = fractionLost;
    downs[which]!.receiveReport(50, block, 0);
  };
  const told = () => {
    const block = new ReportBlock();
    assert.ok(up.receiverReport(0, 1_000, block));
    return block.fractionLost;
  };
  return { send, report, told };
}

unitScenario("TestFractionLostReport", () => {
  const proxied = heard(true, 3);
  proxied.send(1, 2, 3, 4);
  assert.equal(proxied.told(), 0);
  proxied.report(0, 13);
  proxied.report(1, 64);
  proxied.report(2, 0);
  assert.equal(proxied.told(), 64, "the most that one of them loses");
  assert.equal(proxied.told(), 0, "which is of one interval");
  proxied.send(5, 7);
  proxied.report(0, 13);
  assert.equal(proxied.told(), Math.floor(256 / 3), "its own path loses more");
  const off = heard(false, 1);
  off.send(1, 2);
  off.report(0, 64);
  assert.equal(off.told(), 0, "only where it is switched on");
});

unitScenario("TestForwarderGetSnTsForPadding", () => {
  const source = codec("video/VP8", 96, 97);
  const up = publishedTrack("video");
  up.bindLayer(0, 1_000, source, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "1", kind: "video", ssrc: 5, rtxSsrc: 6, codecs: [source], extensions: [] },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: ALL,
    firstSequence: 23_333,
    firstTimestamp: 0xabcdef,
    firstRtxSequence: 0xffff,
  });
  up.addDownTrack(down, 0);
  for (let now = 0; now <= 500; now += 50) down.tick(now);
  const opening = sink.views;
  assert.ok(opening.length >= 4);
  const send = (sequenceNumber: number, pictureId: number, marker: boolean, now: number) => {
    const payload = vp8Payload({ pictureId, tl0: pictureId, key: pictureId === 1, start: true });
    const fields = { ssrc: 1_000, payloadType: 96, timestamp: pictureId * 3_000 };
    up.receive(0, viewOf(rtpPacket({ ...fields, sequenceNumber, marker, payload })), now);
  };
  send(7, 1, true, 520);
  send(8, 2, false, 553);
  const media = sink.views.filter(({ ssrc }) => ssrc === 5);
  assert.deepEqual(
    media.map(({ sequenceNumber }) => sequenceNumber),
    media.map((_, i) => 23_333 + i),
    "media goes on behind padding",
  );
  const times = media.map(({ timestamp }) => timestamp);
  assert.deepEqual(times, times.toSorted((a, b) => a - b), "so does its time");
  assert.equal(new Set(times).size, times.length);
  const before = sink.packets.length;
  for (let i = 0; i < 3; i++) assert.ok(down.pad(false, 560));
  const padding = sink.views.slice(before);
  assert.deepEqual(padding.map(({ sequenceNumber }) => sequenceNumber), [0xffff, 0, 1]);
  for (const { ssrc, timestamp } of padding) {
    assert.equal(ssrc, 6, "in the middle of a frame padding is on a stream of its own");
    assert.ok(times.slice(-2).includes(timestamp), "at the time of what was sent last");
  }
  send(9, 2, true, 561);
  assert.equal(sink.views.at(-1)!.sequenceNumber, media.at(-1)!.sequenceNumber + 1);
});

unitScenario("TestForwarderGetSnTsForBlankFrames", () => {
  const opus = codec("audio/opus", 111);
  const up = publishedTrack("audio");
  up.bindLayer(0, 1_000, opus, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "0", kind: "audio", ssrc: 5, codecs: [opus], extensions: [] },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: ALL,
  });
  up.addDownTrack(down, 0);
  const fields = { ssrc: 1_000, payloadType: 111, sequenceNumber: 23_333, timestamp: 0xabcdef };
  up.receive(0, viewOf(rtpPacket({ ...fields, payload: Uint8Array.of(1, 2, 3, 4) })), 0);
  up.setMuted(true, 0);
  for (let now = 0; now <= 1_000; now += 5) down.tick(now);
  const [media, ...blank] = sink.views;
  assert.equal(media!.sequenceNumber, 23_333);
  assert.ok(blank.length >= 5);
  for (const [i, { sequenceNumber, timestamp, payloadLength }] of blank.entries()) {
    assert.equal(sequenceNumber, 23_334 + i, "numbers go on");
    assert.equal(timestamp, 0xabcdef + (i + 1) * 960, "a frame's duration apart");
    assert.equal(payloadLength, 3);
  }
});

/** What clients put behind a frame: parts, the length of all of it inverted, and four letters. */
function trailer(parts: readonly number[], length = parts.length + 5): number[] {
  return [...parts, length ^ 0xff, 0x4c, 0x4b, 0x54, 0x53];
}

/** What a subscriber gets of a frame's packet with this payload, at first and when sent again. */
function forwardedPayload(
  mime: "video/VP8" | "video/H264",
  body: readonly number[],
  { marker = true, stripsTrailer = true } = {},
): readonly number[] {
  const source = codec(mime, 96, 97);
  const up = publishedTrack("video");
  up.bindLayer(0, 1_000, source, 0);
  const sink = new RecordingSink();
  const section = { mid: "1", kind: "video", ssrc: 5, rtxSsrc: 6, codecs: [source] } as const;
  const down = new DownTrack({
    section: { ...section, extensions: [], stripsTrailer },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: ALL,
  });
  up.addDownTrack(down, 0);
  const isVp8 = mime === "video/VP8";
  const key = isVp8 ? vp8Payload({ pictureId: 1, tl0: 1, key: true }) : Uint8Array.of(0x67, 1, 2);
  const payload = isVp8
    ? vp8Payload({ pictureId: 2, tl0: 2, body: [0, ...body] })
    : Uint8Array.of(0x61, ...body);
  const packets = [{ payload: key, marker: true }, { payload, marker }];
  for (const [i, packet] of packets.entries()) {
    const fields = { ssrc: 1_000, payloadType: 96, sequenceNumber: 10 + i, timestamp: i * 3_000 };
    up.receive(0, viewOf(rtpPacket({ ...fields, ...packet })), i);
  }
  down.receiveNack(Uint16Array.of(11), 1, 1_000);
  const [, first, again] = sink.views.map(({ bytes, payloadOffset, payloadLength }) => {
    return [...bytes.subarray(payloadOffset, payloadOffset + payloadLength)];
  });
  assert.deepEqual(again!.slice(2), first, "it is sent again as it was");
  return first!.slice(isVp8 ? VP8_HEAD_BYTES : 1);
}

unitScenario("TestStripTrailer", async (t) => {
  const parts = [0x01 ^ 0xff, 8 ^ 0xff, 1, 2, 3, 4, 5, 6, 7, 8];
  for (const mime of ["video/VP8", "video/H264"] as const) {
    const stripped = (body: readonly number[], more = {}) => forwardedPayload(mime, body, more);
    await t.step(`${mime}: behind the last packet of a frame`, () => {
      assert.deepEqual(stripped([9, 9, 9, ...trailer(parts)]), [9, 9, 9]);
      assert.deepEqual(stripped([9, ...trailer([])]), [9]);
    });
    await t.step(`${mime}: nowhere else`, () => {
      const body = [9, 9, 9, ...trailer(parts)];
      assert.deepEqual(stripped(body, { marker: false }), body);
      assert.deepEqual(stripped([...body, 0]), [...body, 0]);
    });
    await t.step(`${mime}: not of a length that makes no sense`, () => {
      for (const length of [0, 4, 60, 255]) {
        const body = [9, 9, 9, ...trailer(parts, length)];
        assert.deepEqual(stripped(body), body);
      }
    });
    await t.step(`${mime}: not from who can read it`, () => {
      const body = [9, 9, 9, ...trailer(parts)];
      assert.deepEqual(stripped(body, { stripsTrailer: false }), body);
    });
  }
});

/** Receives one packet that makes so many copies, in a batch that takes so long. */
function forward(latency: ForwardLatency, copies: number, tookUs: number): void {
  latency.received(1_000);
  for (let copy = 0; copy < copies; copy++) latency.copied();
  if (latency.isWatching) latency.batchEnded(1_000 + tookUs);
}

unitScenario("TestForwardStats_Update", () => {
  const latency = new ForwardLatency();
  forward(latency, 3, 250);
  assert.deepEqual(latency.take(), [250]);
  for (let i = 0; i < 200; i++) forward(latency, 0, 900);
  assert.deepEqual(latency.take(), [], "what nobody receives was not forwarded");
});

unitScenario("TestForwardStats_Flush", () => {
  const latency = new ForwardLatency();
  for (let i = 0; i < 1_000; i++) forward(latency, 1, 100 + i);
  const first = latency.take();
  assert.ok(first.length > 10);
  assert.deepEqual(latency.take(), [], "each is told once");
  latency.received(0);
  for (let i = 0; i < 100; i++) latency.received(i);
  latency.copied();
  assert.equal(latency.isWatching, true);
  assert.deepEqual(latency.take(), [], "what is under way is told when it is done");
  latency.batchEnded(5_000);
  assert.equal(latency.take().length, 1);
});

/** Metrics that are looked at; what was forwarded since the look before took so long, µs. */
async function metricsAfter(...looks: readonly (readonly number[])[]): Promise<PrometheusText> {
  const platform = new VirtualPlatform();
  const metrics = new Metrics(platform, "ND_test");
  let samples: readonly number[] = [];
  const stats = () => Promise.resolve({ ...NO_STATS, forwardLatencyUs: samples });
  metrics.start({ stats, rooms: () => [] });
  let text = "";
  for (samples of looks) {
    await platform.advanceAsync(1_000, 500);
    text = await metrics.text();
  }
  metrics.stop();
  return new PrometheusText(text);
}

unitScenario("TestForwardStats_GetStats", async () => {
  const text = await metricsAfter([100, 300]);
  assert.equal(text.value("livekit_forward_latency"), 200_000, "their mean, ns");
  assert.equal(text.value("livekit_forward_jitter"), 141_421, "and by how much they differ");
  assert.equal(text.value("livekit_forward_latency_ns_sum"), 400_000);
});

unitScenario("TestForwardStats_ReportWindow", async () => {
  const text = await metricsAfter([100, 300], [500, 500, 500]);
  assert.equal(text.value("livekit_forward_latency"), 500_000, "of the newest time alone");
  assert.equal(text.value("livekit_forward_jitter"), 0);
  assert.equal(text.value("livekit_forward_latency_ns_count"), 5, "but for what is summed up");
});

unitScenario("TestForwardStats_Lifecycle", async () => {
  const platform = new VirtualPlatform();
  const metrics = new Metrics(platform, "ND_test");
  let asked = 0;
  const stats = () => {
    asked++;
    return Promise.resolve({ ...NO_STATS, forwardLatencyUs: [1_000] });
  };
  metrics.start({ stats, rooms: () => [] });
  await platform.advanceAsync(20_000, 500);
  assert.ok(asked >= 2, "it is looked at whether or not somebody asks");
  const told = await metrics.text();
  assert.equal(new PrometheusText(told).value("livekit_forward_latency"), 1_000_000);
  metrics.stop();
  metrics.stop();
  assert.equal(platform.pendingTimers, 0);
  const before = asked;
  await platform.advanceAsync(20_000, 500);
  assert.equal(asked, before, "and not after the end");
});

unitScenario("TestBitrateCalculatorMixedIdleThenBacklog", () => {
  const rate = new DrainRate(0);
  for (let now = 0; now < 5_000; now += 1_000) {
    rate.queued(1_000, now);
    rate.drained(1_000, now + 1);
  }
  assert.equal(rate.bps(5_000), undefined, "nothing is known of who hardly has to wait");
  rate.queued(1_000, 5_000);
  for (let now = 5_100; now <= 8_000; now += 100) {
    rate.queued(800, now);
    rate.drained(800, now);
  }
  const bps = rate.bps(8_000)!;
  assert.ok(Math.abs(bps - 64_000) < 2_000, `${bps}: idle time is no slowness`);
});
