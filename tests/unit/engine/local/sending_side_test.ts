/** What the sending side of a connection says of its down-tracks, and how often. */
import assert from "node:assert/strict";
import type { DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import { EXTENSION_URI, type SpatialLayer } from "../../../../lib/base/media_vocabulary.ts";
import { PACKET_KIND } from "../../../../lib/base/packet_sink.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import {
  codec,
  publishedTrack,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { testSendingSide } from "../../../support/media/test_sending_side.ts";
import { sendSection } from "../../../support/wire/wire_media.ts";

const VP8 = codec("video/VP8", 96);
const DOWN = "DT_1" as DownTrackId;

Deno.test("SendingSide tells the first layer at once, and later ones at most once a second", () => {
  const told: { at: number; spatial: number }[] = [];
  let now = 10_000;
  const side = testSendingSide({
    emit: (event: MediaEvent) => {
      if (event.type === "down_track_layer") told.push({ at: now, spatial: event.spatial });
    },
  });
  const upTrack = publishedTrack("video");
  for (const spatial of [0, 1] as const) upTrack.bindLayer(spatial, spatial + 1, VP8, now);
  const target = (maxSpatial: SpatialLayer) => ({ enabled: true, maxSpatial, maxTemporal: 3 });
  const section = sendSection("0", "video", 5000);
  side.add(DOWN, "UT_1" as UpTrackId, upTrack, section, target(0), now);
  side.start(now);
  let sent = 0;
  const keyFrames = () => {
    sent++;
    for (const spatial of [0, 1] as const) {
      upTrack.receive(
        spatial,
        viewOf(rtpPacket({
          ssrc: spatial + 1,
          payloadType: VP8.payloadType,
          sequenceNumber: sent,
          timestamp: sent * 900,
          payload: vp8Payload({ pictureId: sent & 0x7fff, tl0: sent, key: true }),
        })),
        now,
      );
    }
  };
  keyFrames();
  assert.deepEqual(told, [{ at: 10_000, spatial: 0 }], "with the first packet");
  const flips = 1_000;
  for (let i = 0; i < flips; i++) {
    now += 10;
    side.setTarget(DOWN, target(i % 2 === 0 ? 1 : 0), now);
    keyFrames();
    if (now % 50 === 0) side.tick(now);
  }
  assert.ok(told.length <= 2 + 10, `told ${told.length} times in 10 s`);
  assert.ok(told.length > 2, "changes are told");
  now += 1_000;
  side.tick(now);
  assert.equal(told.at(-1)!.spatial, side.stats()[0]!.spatial, "what is so in the end");
});

Deno.test("SendingSide measures the round trip by the reports about what it sends, and tells it", () => {
  const measured: number[] = [];
  const compounds: Uint8Array[] = [];
  let now = 10_000;
  const side = testSendingSide({
    sendRtcp: (bytes, length) => compounds.push(bytes.slice(0, length)),
    measured: (rttMs) => measured.push(rttMs),
  });
  const upTrack = publishedTrack("audio");
  const opus = codec("audio/opus", 111);
  upTrack.bindLayer(0, 1, opus, now);
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  side.add(DOWN, "UT_1" as UpTrackId, upTrack, sendSection("0", "audio", 5000), target, now);
  side.start(now);
  const fields = { ssrc: 1, payloadType: 111, sequenceNumber: 1, timestamp: 960 };
  upTrack.receive(0, viewOf(rtpPacket({ ...fields, payload: Uint8Array.of(1, 2) })), now);
  upTrack.receiveSenderReport(0, 1_000, 0, 960, now);
  now += 1_000;
  side.tick(now);
  const report = new DataView(compounds[0]!.buffer);
  const block = new ReportBlock();
  block.ssrc = 5000;
  block.lastSenderReport = report.getUint32(10); // the middle of its NTP time
  block.delaySinceLastSenderReport = 65_536 / 4;
  now += 400;
  side.receiveReport(block, now);
  assert.deepEqual(measured, [150]);
  block.lastSenderReport ^= 1;
  side.receiveReport(block, now);
  assert.deepEqual(measured, [150], "no report of ours");
});

Deno.test("SendingSide knows when the packet left that a report on video does not know of yet", () => {
  const sink = new RecordingSink();
  const side = testSendingSide({ sink });
  const upTrack = publishedTrack("video");
  upTrack.bindLayer(0, 1, VP8, 0);
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  side.add(DOWN, "UT_1" as UpTrackId, upTrack, sendSection("0", "video", 5000), target, 0);
  side.start(0);
  for (let i = 0; i < 3; i++) {
    const payload = vp8Payload({ pictureId: i, tl0: 1, key: i === 0 });
    const fields = { ssrc: 1, payloadType: 96, sequenceNumber: i, timestamp: 3_000 * i, payload };
    upTrack.receive(0, viewOf(rtpPacket(fields)), 1_000 + 33 * i);
  }
  const told: number[] = [];
  side.bandwidth.receiveReport = (_fraction, _lost, nextLeftAt) => told.push(nextLeftAt) > 0;
  for (const { ssrc, sequenceNumber } of sink.views.slice(-3)) {
    side.receiveReport(
      Object.assign(new ReportBlock(), { ssrc, highestSequence: sequenceNumber }),
      1_100,
    );
  }
  assert.deepEqual(told, [1_033, 1_066, Infinity]);
});

Deno.test("SendingSide goes on with the numbers of a stream whose section changes", () => {
  const sink = new RecordingSink();
  const now = 10_000;
  const side = testSendingSide({ sink });
  const upTrack = publishedTrack("video");
  upTrack.bindLayer(0, 1, VP8, now);
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  const add = (ssrc: number) =>
    side.add(DOWN, "UT_1" as UpTrackId, upTrack, sendSection("0", "video", ssrc), target, now);
  const frame = (sequenceNumber: number) => {
    const payload = vp8Payload({ pictureId: sequenceNumber & 0x7fff, tl0: 1, key: true });
    const timestamp = sequenceNumber * 900;
    upTrack.receive(
      0,
      viewOf(rtpPacket({ ssrc: 1, payloadType: 96, sequenceNumber, timestamp, payload })),
      now,
    );
  };
  add(5000);
  side.start(now);
  frame(30_000);
  side.remove(DOWN, now);
  // What was left out meanwhile is no gap, and nothing goes back, whatever the publisher is at.
  for (let missed = 30_001; missed < 30_500; missed++) frame(missed);
  add(5000);
  frame(30_500);
  side.remove(DOWN, now);
  add(6000);
  frame(30_501);
  const sent = sink.views.map(({ ssrc, sequenceNumber }) => [ssrc, sequenceNumber]);
  assert.deepEqual(sent.slice(0, 2), [[5000, 30_000], [5000, 30_001]]);
  assert.equal(sent[2]![0], 6000);
  assert.notEqual(sent[2]![1], 30_002, "another stream has its own");
});

Deno.test("SendingSide goes on as one stream with another publisher's track under the same SSRC", () => {
  const sink = new RecordingSink();
  let now = 10_000;
  const side = testSendingSide({ sink });
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  /** One publisher of 30 frames a second, whose numbers and clock begin anywhere. */
  const publisher = (name: string, firstNumber: number, firstTimestamp: number) => {
    const upTrack = publishedTrack("video");
    upTrack.bindLayer(0, 1, VP8, now);
    let count = 0;
    const frame = (key = false) => {
      const at = count++;
      const payload = vp8Payload({ pictureId: at, tl0: at & 0xff, key });
      const sequenceNumber = (firstNumber + at) & 0xffff;
      const timestamp = (firstTimestamp + at * 3_000) >>> 0;
      const packet = rtpPacket({ ssrc: 1, payloadType: 96, sequenceNumber, timestamp, payload });
      upTrack.receive(0, viewOf(packet), now);
      now += 33;
    };
    const down = `DT_${name}` as DownTrackId;
    const begin = () =>
      side.add(
        down,
        `UT_${name}` as UpTrackId,
        upTrack,
        sendSection("0", "video", 5000),
        target,
        now,
      );
    return { frame, begin, end: () => side.remove(down, now) };
  };
  side.start(now);
  for (
    const { frame, begin, end } of [
      publisher("ann", 50_000, 4_000_000_000),
      publisher("bob", 100, 7),
      publisher("cyd", 65_534, 4_294_967_000),
    ]
  ) {
    begin();
    frame(false);
    frame(true);
    frame(false);
    frame(false);
    end();
    now += 5_000;
  }
  const sent = sink.views.map(({ sequenceNumber, timestamp }) => [sequenceNumber, timestamp]);
  const first = sent[0]![0]!;
  assert.deepEqual(sent.map(([number]) => number), sent.map((_, at) => first + at));
  assert.equal(sent.length, 9, "each from its key frame on");
  for (let at = 1; at < sent.length; at++) {
    const elapsed = (sent[at]![1]! - sent[at - 1]![1]!) >>> 0;
    // Of a pause of 5.1 s at 90,000 Hz, or of one frame.
    const isPause = at % 3 === 0;
    assert.ok(isPause ? elapsed > 400_000 && elapsed < 500_000 : elapsed === 3_000, `${elapsed}`);
  }
});

Deno.test("SendingSide goes on with a key frame where video was left out for a slow reader", () => {
  const asked: number[] = [];
  const outdated: number[] = [];
  const sink = Object.assign(new RecordingSink(), {
    outdate: (ssrc: number) => outdated.push(ssrc) > 0,
  });
  let now = 10_000;
  const side = testSendingSide({ sink });
  const listener = { onNack() {}, onKeyFrameNeeded: (ssrc: number) => void asked.push(ssrc) };
  const upTrack = publishedTrack("video", { listener });
  upTrack.bindLayer(0, 1, VP8, now);
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  side.add(DOWN, "UT_1" as UpTrackId, upTrack, sendSection("0", "video", 5000), target, now);
  side.start(now);
  let sent = 0;
  const frame = (key: boolean) => {
    sent++;
    const payload = vp8Payload({ pictureId: sent, tl0: sent, key });
    const fields = { ssrc: 1, payloadType: 96, sequenceNumber: sent, timestamp: sent * 3_000 };
    upTrack.receive(0, viewOf(rtpPacket({ ...fields, payload })), now);
    return sink.packets.length;
  };
  assert.deepEqual([frame(true), frame(false)], [1, 2]);
  assert.deepEqual(outdated, [5000], "once for each picture that begins anew");
  const before = asked.length;
  now += 5_000;
  side.videoGap();
  assert.equal(side.nextWakeAt(), 0);
  side.tick(now);
  assert.ok(asked.length > before, "a key frame is asked for");
  assert.equal(frame(false), 2, "what nobody could decode is not sent");
  assert.deepEqual([frame(true), frame(false)], [3, 4]);
  assert.deepEqual(outdated, [5000, 5000]);
  side.receiveNack(5000, Uint16Array.of(sink.views[1]!.sequenceNumber), 1, now + 100);
  assert.equal(sink.packets.length, 4, "what was left out is not sent again");
});

/** Videos of one connection, and of which stream the first padding is. */
function firstPadded(hasRtx: boolean, isOneStill: boolean): number | undefined {
  const sink = new RecordingSink();
  const side = testSendingSide({ sink });
  const extensions = [{ id: 5, uri: EXTENSION_URI.transportCc }];
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  const upTracks = [5_000, 6_000, 7_000].map((ssrc, i) => {
    const upTrack = publishedTrack("video");
    upTrack.bindLayer(0, 1 + i, VP8, 0);
    const isBare = i < 2 || !hasRtx;
    const { rtxSsrc: _, ...bare } = sendSection("0", "video", ssrc);
    const section = isBare
      ? { ...bare, codecs: [VP8], extensions }
      : { ...bare, codecs: [codec("video/VP8", 96, 97)], extensions, rtxSsrc: ssrc + 1 };
    side.add(`DT_${i}` as DownTrackId, `UT_${i}` as UpTrackId, upTrack, section, target, 0);
    return upTrack;
  });
  side.start(0);
  for (let now = 0, frame = 1; now < 5_000; now += 5) {
    if (now % 30 === 0) {
      upTracks.forEach((upTrack, i) => {
        const body = new Array(1_000).fill(7);
        const payload = vp8Payload({ pictureId: frame, tl0: frame, key: frame === 1, body });
        const fields = { ssrc: 1 + i, payloadType: 96, timestamp: frame * 2_700, marker: true };
        upTrack.receive(0, viewOf(rtpPacket({ ...fields, sequenceNumber: frame, payload })), now);
      });
      if (frame++ === 1 && isOneStill) upTracks[1]!.setMuted(true, now);
    }
    side.tick(now);
    const padding = sink.kinds.indexOf(PACKET_KIND.padding);
    if (padding >= 0) return sink.views[padding]!.ssrc;
  }
  return undefined;
}

Deno.test("SendingSide pads by retransmission if any video has it, else in one that stands still", () => {
  assert.equal(firstPadded(true, true), 7_001);
  assert.equal(firstPadded(false, true), 6_000);
  assert.equal(firstPadded(false, false), 5_000);
});
