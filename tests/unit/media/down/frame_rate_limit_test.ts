import assert from "node:assert/strict";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import type { LayerTarget } from "../../../../lib/base/media_vocabulary.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const VP8 = codec("video/VP8", 96);
/** 30 frames a second in the three temporal layers of libvpx. */
const PATTERN = [0, 2, 1, 2];

/** Forwards `seconds` of such a camera under `target`; returns what each later second brought. */
function forwardedPerSecond(target: LayerTarget, seconds: number): number[] {
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 1000, VP8, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "0", kind: "video", ssrc: 1, codecs: [VP8], extensions: [] },
    publisherExtensions: [],
    sink,
    listener: layerListener(),
    target,
  });
  up.addDownTrack(down, 0);
  const counts: number[] = [];
  for (let frame = 0; frame < seconds * 30; frame++) {
    const now = Math.round(frame * 1000 / 30);
    const tid = PATTERN[frame % 4]!;
    const before = sink.views.length;
    const packet = rtpPacket({
      ssrc: 1000,
      payloadType: 96,
      sequenceNumber: 100 + frame,
      timestamp: frame * 3000,
      marker: true,
      payload: vp8Payload({
        pictureId: 500 + frame,
        tl0: Math.floor(frame / 4),
        tid,
        sync: tid > 0 && frame < 4,
        key: frame === 0,
      }),
    });
    up.receive(0, viewOf(packet), now);
    counts[Math.floor(now / 1000)] = (counts[Math.floor(now / 1000)] ?? 0) +
      sink.views.length - before;
  }
  const numbers = sink.views.map((view) => view.sequenceNumber);
  numbers.forEach((number, i) => assert.equal(number, (numbers[0]! + i) & 0xffff, "no gap"));
  return counts;
}

Deno.test("DownTrack sends the lowest temporal layers that reach the frame rate asked for", () => {
  const all = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
  assert.deepEqual(forwardedPerSecond(all, 4).slice(2), [30, 30]);
  for (const [maxFps, least, most] of [[15, 14, 16], [7, 7, 8], [30, 29, 31]] as const) {
    for (const count of forwardedPerSecond({ ...all, maxFps }, 4).slice(2)) {
      assert.ok(count >= least && count <= most, `${maxFps} asked for, ${count} sent`);
    }
  }
});

Deno.test("DownTrack never exceeds the temporal layer asked for, whatever the frame rate", () => {
  const counts = forwardedPerSecond({
    enabled: true,
    maxSpatial: 2,
    maxTemporal: 0,
    maxFps: 30,
  }, 3);
  assert.ok(counts.every((count) => count <= 8), counts.join(" "));
});
