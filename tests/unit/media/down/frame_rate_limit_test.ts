import assert from "node:assert/strict";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { EXTENSION_URI, type LayerTarget } from "../../../../lib/base/media_vocabulary.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  bareVp8Payload,
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { temporalDescriptor } from "../../../support/media/temporal_descriptors.ts";

const VP8 = codec("video/VP8", 96);
/** 30 frames a second in the three temporal layers of libvpx. */
const PATTERN = [0, 2, 1, 2];
/** How far back the frames are that each of these needs. */
const NEEDED = [[4], [1], [2], [1, 3]] as const;
const DESCRIPTOR = { id: 7, uri: EXTENSION_URI.dependencyDescriptor };

/** How the packets tell of temporal layers, and what the subscriber takes. */
interface Telling {
  readonly described: boolean;
  readonly extensions: readonly (typeof DESCRIPTOR)[];
}
const IN_PAYLOAD: Telling = { described: false, extensions: [] };
const TELLINGS: readonly Telling[] = [
  IN_PAYLOAD,
  { described: true, extensions: [DESCRIPTOR] },
  { described: true, extensions: [] },
];

/** Forwards `seconds` of such a camera under `target`; returns what each later second brought. */
function forwardedPerSecond(
  target: LayerTarget,
  seconds: number,
  { described, extensions }: Telling = IN_PAYLOAD,
): number[] {
  const up = new UpTrack({
    kind: "video",
    extensions: described ? [DESCRIPTOR] : [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 1000, VP8, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "0", kind: "video", ssrc: 1, codecs: [VP8], extensions },
    publisherExtensions: up.extensions,
    sink,
    place: undefined,
    listener: layerListener(),
    target,
  });
  up.addDownTrack(down, 0);
  const counts: number[] = [];
  for (let frame = 0; frame < seconds * 30; frame++) {
    const now = Math.round(frame * 1000 / 30);
    const tid = PATTERN[frame % 4]!;
    const before = sink.views.length;
    const key = frame === 0;
    const refs = key ? [] : NEEDED[frame % 4]!.map((back) => frame - back);
    const descriptor = temporalDescriptor({ number: frame, t: tid, key, refs });
    const packet = rtpPacket({
      ssrc: 1000,
      payloadType: 96,
      sequenceNumber: 100 + frame,
      timestamp: frame * 3000,
      marker: true,
      extensions: described ? { [DESCRIPTOR.id]: descriptor } : {},
      payload: described ? bareVp8Payload(key) : vp8Payload({
        pictureId: 500 + frame,
        tl0: Math.floor(frame / 4),
        tid,
        sync: tid > 0 && frame < 4,
        key,
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
  for (const telling of TELLINGS) {
    assert.deepEqual(forwardedPerSecond(all, 4, telling).slice(2), [30, 30]);
    for (const [maxFps, least, most] of [[15, 14, 16], [7, 7, 8], [30, 29, 31]] as const) {
      for (const count of forwardedPerSecond({ ...all, maxFps }, 4, telling).slice(2)) {
        assert.ok(count >= least && count <= most, `${maxFps} asked for, ${count} sent`);
      }
    }
  }
});

Deno.test("DownTrack never exceeds the temporal layer asked for, whatever the frame rate", () => {
  const target = { enabled: true, maxSpatial: 2, maxTemporal: 0, maxFps: 30 } as const;
  for (const telling of TELLINGS) {
    const counts = forwardedPerSecond(target, 3, telling);
    assert.ok(counts.every((count) => count <= 8), counts.join(" "));
  }
});
