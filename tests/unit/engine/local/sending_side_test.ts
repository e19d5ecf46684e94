/** What the sending side of a connection says of its down-tracks, and how often. */
import assert from "node:assert/strict";
import type { DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import type { SpatialLayer } from "../../../../lib/base/media_vocabulary.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { SendingSide } from "../../../../lib/engine/local/sending_side.ts";
import { RtcpScratch } from "../../../../lib/engine/local/rtcp_scratch.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import {
  codec,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { sendSection } from "../../../support/wire/wire_media.ts";

const VP8 = codec("video/VP8", 96);
const DOWN = "DT_1" as DownTrackId;

Deno.test("SendingSide tells the first layer at once, and later ones at most once a second", () => {
  const told: { at: number; spatial: number }[] = [];
  let now = 10_000;
  const side = new SendingSide({
    emit: (event: MediaEvent) => {
      if (event.type === "down_track_layer") told.push({ at: now, spatial: event.spatial });
    },
    sink: new RecordingSink(),
    sendRtcp: () => {},
    random: new SeededRandom(1),
    failed: (error) => {
      throw error;
    },
    measured: () => {},
    timed: () => {},
    rtcp: new RtcpScratch(),
  });
  const upTrack = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack: () => {}, onKeyFrameNeeded: () => {} },
  });
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
  const side = new SendingSide({
    emit: () => {},
    sink: new RecordingSink(),
    sendRtcp: (bytes, length) => compounds.push(bytes.slice(0, length)),
    random: new SeededRandom(1),
    failed: (error) => {
      throw error;
    },
    measured: (rttMs) => measured.push(rttMs),
    timed: () => {},
    rtcp: new RtcpScratch(),
  });
  const upTrack = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: { onNack: () => {}, onKeyFrameNeeded: () => {} },
  });
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

Deno.test("SendingSide goes on with the numbers of a stream whose section changes", () => {
  const sink = new RecordingSink();
  const now = 10_000;
  const side = new SendingSide({
    emit: () => {},
    sink,
    sendRtcp: () => {},
    random: new SeededRandom(1),
    failed: (error) => {
      throw error;
    },
    measured: () => {},
    timed: () => {},
    rtcp: new RtcpScratch(),
  });
  const upTrack = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack: () => {}, onKeyFrameNeeded: () => {} },
  });
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
