/** Redundant audio through an up-track and a down-track. */
import assert from "node:assert/strict";
import type { CodecParameters } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
} from "../../../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../../../support/media/redundant_payload.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const OPUS = codec("audio/opus", 111, undefined, "minptime=10;useinbandfec=1");
const RED = codec("audio/red", 63, undefined, "111/111");

/** A publisher of redundant audio whose frames are their own numbers, and one subscriber. */
function setup(accepted: readonly CodecParameters[]) {
  const up = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 1000, RED, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: { mid: "1", kind: "audio", ssrc: 5, codecs: accepted, extensions: [] },
    publisherExtensions: [],
    sink,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
  });
  up.addDownTrack(down, 0);
  const send = (sequenceNumber: number, payload: Uint8Array, payloadType = 63) => {
    const timestamp = sequenceNumber * 960;
    const fields = { ssrc: 1000, payloadType, sequenceNumber, timestamp, payload };
    return up.receive(0, viewOf(rtpPacket(fields)), sequenceNumber * 20);
  };
  /** A packet with copies of the two frames before it. */
  const sendRed = (n: number) =>
    send(n, redundantPayload([n], [{ age: 960, frame: [n - 1] }, { age: 1920, frame: [n - 2] }]));
  const sent = () =>
    sink.packets.map((bytes) => {
      const view = viewOf(bytes);
      const { sequenceNumber, timestamp, payloadType, payloadOffset, payloadLength } = view;
      const payload = [...bytes.subarray(payloadOffset, payloadOffset + payloadLength)];
      return { sequenceNumber, timestamp, payloadType, payload };
    });
  return { up, down, send, sendRed, sent };
}

const frame = (n: number) => ({
  sequenceNumber: n,
  timestamp: n * 960,
  payloadType: 111,
  payload: [n],
});

Deno.test("DownTrack hands a subscriber without RED the bare frames", () => {
  const { sendRed, sent } = setup([OPUS]);
  for (const n of [10, 11, 12]) sendRed(n);
  assert.deepEqual(sent(), [frame(10), frame(11), frame(12)]);
});

Deno.test("DownTrack recovers up to two lost frames from the copies, in order", () => {
  const { sendRed, sent } = setup([OPUS]);
  for (const n of [10, 12, 15, 19]) sendRed(n);
  // 16 is lost for good: its number stays a gap.
  assert.deepEqual(sent(), [10, 11, 12, 13, 14, 15, 17, 18, 19].map(frame));
});

Deno.test("DownTrack gives out a frame once, though its packet comes after its copy", () => {
  const { down, sendRed, sent } = setup([OPUS]);
  for (const n of [10, 12, 11, 13]) sendRed(n);
  assert.deepEqual(sent(), [10, 11, 12, 13].map(frame));
  assert.equal(down.drops.get(DROP.duplicate), 1);
});

Deno.test("DownTrack sends a late packet that no copy stood in for", () => {
  const { send, sendRed, sent } = setup([OPUS]);
  sendRed(10);
  send(12, redundantPayload([12]));
  sendRed(11);
  assert.deepEqual(sent(), [frame(10), frame(12), frame(11)]);
});

Deno.test("DownTrack skips copies that their sender left empty", () => {
  const { send, sendRed, sent } = setup([OPUS]);
  sendRed(10);
  send(13, redundantPayload([13], [{ age: 960, frame: [12] }, { age: 1920, frame: [] }]));
  assert.deepEqual(sent(), [frame(10), frame(12), frame(13)]);
});

Deno.test("DownTrack does not go back before the packet it began with", () => {
  const { sendRed, sent } = setup([OPUS]);
  sendRed(10);
  assert.deepEqual(sent().map(({ sequenceNumber }) => sequenceNumber), [10]);
});

Deno.test("DownTrack drops redundant audio that is malformed", () => {
  const { down, send, sendRed, sent } = setup([OPUS]);
  sendRed(10);
  send(11, Uint8Array.of(0xef, 0, 0));
  assert.equal(down.drops.get(DROP.malformedPayload), 1);
  assert.deepEqual(sent(), [frame(10)]);
});

Deno.test("DownTrack passes RED on as it is where the subscriber knows it", () => {
  const { sendRed, sent } = setup([RED, OPUS]);
  sendRed(10);
  sendRed(12);
  assert.deepEqual(sent().map(({ payloadType }) => payloadType), [63, 63]);
  assert.deepEqual(sent()[0]!.payload, [
    ...redundantPayload([10], [{ age: 960, frame: [9] }, { age: 1920, frame: [8] }]),
  ]);
});

Deno.test("DownTrack takes RED apart where the frames in it have another payload type", () => {
  const other = { ...RED, fmtp: "96/96" };
  const { sendRed, sent } = setup([other, { ...OPUS, payloadType: 96 }]);
  sendRed(10);
  assert.deepEqual(sent(), [{ ...frame(10), payloadType: 96 }]);
});

Deno.test("UpTrack goes on in one stream when its publisher leaves redundancy out", () => {
  const { up, send, sendRed, sent } = setup([OPUS]);
  sendRed(10);
  up.bindLayer(0, 1000, OPUS, 220);
  send(11, Uint8Array.of(11), 111);
  up.bindLayer(0, 1000, RED, 240);
  sendRed(12);
  assert.deepEqual(sent(), [frame(10), frame(11), frame(12)]);
});
