/** LiveKit's tests of redundant audio for subscribers that know only opus. */
import assert from "node:assert/strict";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { RedPayload } from "../../lib/wire/red_payload.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
} from "../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../support/media/redundant_payload.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { unitScenario } from "./support.ts";

const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63, undefined, "111/111");
const FRAME_TICKS = 960;

/**
 * Sends the packets `arrivals` names, each with copies of the two frames before it, to a subscriber
 * that knows only opus; frames are their own numbers.
 *
 * @returns What came out: number and frame.
 */
function unwrapped(arrivals: readonly number[]): readonly (readonly [number, number])[] {
  const up = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 1000, RED, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "1", kind: "audio", ssrc: 5, codecs: [OPUS], extensions: [] },
    publisherExtensions: [],
    sink,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
  });
  up.addDownTrack(down, 0);
  for (const n of arrivals) {
    const copies = [1, 2].map((back) => ({ age: back * FRAME_TICKS, frame: [(n - back) & 0xff] }));
    const bytes = rtpPacket({
      ssrc: 1000,
      payloadType: 63,
      sequenceNumber: n,
      timestamp: n * FRAME_TICKS,
      payload: redundantPayload([n & 0xff], copies),
    });
    up.receive(0, viewOf(bytes), n * 20);
  }
  return sink.packets.map((bytes) => {
    const view = viewOf(bytes);
    assert.equal(view.payloadType, 111);
    assert.equal(view.payloadLength, 1);
    assert.equal(view.timestamp, view.sequenceNumber * FRAME_TICKS);
    return [view.sequenceNumber, bytes[view.payloadOffset]!] as const;
  });
}

unitScenario("TestRedPrimaryReceiver", async (t) => {
  const frames = (numbers: readonly number[]) => numbers.map((n) => [n, n & 0xff]);
  await t.step("every packet comes", () => {
    assert.deepEqual(unwrapped([10, 11, 12, 13]), frames([10, 11, 12, 13]));
  });
  await t.step("one and two lost in a row are recovered, of three one is not", () => {
    assert.deepEqual(unwrapped([10, 12]), frames([10, 11, 12]));
    assert.deepEqual(unwrapped([10, 13]), frames([10, 11, 12, 13]));
    assert.deepEqual(unwrapped([10, 14]), frames([10, 12, 13, 14]));
  });
  await t.step("out of order, and twice, each frame comes once", () => {
    assert.deepEqual(unwrapped([10, 12, 11, 11, 13]), frames([10, 11, 12, 13]));
  });
});

unitScenario("TestExtractPrimaryEncodingForRED", () => {
  const red = new RedPayload();
  const bytes = redundantPayload([7, 8, 9], [{ age: 960, frame: [5, 6] }]);
  assert.ok(red.parse(bytes, 0, bytes.length));
  const { primaryOffset, primaryLength } = red;
  assert.deepEqual([...bytes.subarray(primaryOffset, primaryOffset + primaryLength)], [7, 8, 9]);
  assert.equal(red.parse(bytes, 0, 3), false, "a header that is cut off");
  assert.equal(red.parse(bytes, 0, 6), false, "a copy that is cut off");
});
