/** Redundant audio through an up-track and a down-track. */
import assert from "node:assert/strict";
import type { CodecParameters } from "../../../../lib/base/media_vocabulary.ts";
import { COPIES } from "../../../../lib/media/down/audio_form.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import {
  audioPair,
  codec,
  layerListener,
  RecordingSink,
  viewOf,
} from "../../../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../../../support/media/redundant_payload.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const OPUS = codec("audio/opus", 111, undefined, "minptime=10;useinbandfec=1");
const RED = codec("audio/red", 63, undefined, "111/111");

/** A publisher of audio whose frames are their own numbers, and one subscriber. */
function setup(accepted: readonly CodecParameters[], published: CodecParameters = RED) {
  const { up, down, sink } = audioPair(published, accepted);
  const send = (
    sequenceNumber: number,
    payload: Uint8Array,
    payloadType = published.payloadType,
    timestamp = sequenceNumber * 960,
  ) => {
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
  /** Bare frames. */
  const sendBare = (...numbers: number[]) => numbers.forEach((n) => send(n, Uint8Array.of(n)));
  return { up, down, send, sendRed, sendBare, sent };
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

Deno.test("DownTrack sends no number twice when redundancy comes back before a late packet", () => {
  const { down, sendRed, sent } = setup([RED, OPUS]);
  sendRed(10);
  down.setCopies(COPIES.none);
  for (const n of [11, 13]) sendRed(n);
  down.setCopies(COPIES.asTheyCome);
  for (const n of [12, 14]) sendRed(n);
  const numbers = sent().map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(numbers, [10, 11, 12, 13, 14]);
  assert.deepEqual(sent().map(({ payloadType }) => payloadType), [63, 111, 111, 111, 63]);
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

Deno.test("DownTrack names the frames in RED anew where they have another payload type", () => {
  const other = { ...RED, payloadType: 97, fmtp: "96/96" };
  const { down, send, sendRed, sent } = setup([other, { ...OPUS, payloadType: 96 }]);
  sendRed(10);
  send(11, redundantPayload([11]));
  assert.deepEqual(sent().map(({ payloadType }) => payloadType), [97, 97]);
  const copies = [{ age: 960, frame: [9] }, { age: 1920, frame: [8] }];
  assert.deepEqual(sent().map(({ payload }) => payload), [
    [...redundantPayload([10], copies, 96)],
    [...redundantPayload([11], [], 96)],
  ]);
  send(12, redundantPayload([12], [], 13));
  assert.equal(down.drops.get(DROP.malformedPayload), 1, "a frame of no codec that was negotiated");
});

Deno.test("DownTrack takes RED apart where the subscriber's RED is for another codec", () => {
  const { sendRed, sent } = setup([{ ...RED, fmtp: "112/112" }, OPUS]);
  sendRed(10);
  assert.deepEqual(sent(), [frame(10)]);
});

/** A redundant packet with copies of the frames `back` packets ago, of 20 ms each. */
const red = (n: number, ...back: number[]) => ({
  sequenceNumber: n,
  timestamp: n * 960,
  payloadType: 63,
  payload: [
    ...redundantPayload([n], back.map((steps) => ({ age: 960 * steps, frame: [n - steps] }))),
  ],
});

Deno.test("DownTrack puts copies of the two frames before in front of opus", () => {
  const { sendBare, sent } = setup([RED, OPUS], OPUS);
  sendBare(10, 11, 12, 13);
  assert.deepEqual(sent(), [red(10), red(11, 1), red(12, 1, 2), red(13, 1, 2)]);
});

Deno.test("DownTrack copies nothing from behind a gap, and nothing twice at a late packet", () => {
  const { sendBare, sent } = setup([RED, OPUS], OPUS);
  sendBare(10, 12, 13, 11, 14);
  assert.deepEqual(sent(), [red(10), red(12), red(13, 1), red(11, 1), red(14, 1, 2)]);
});

Deno.test("DownTrack copies no frame that is older than RED can say, nor a longer one", () => {
  const { send, sent } = setup([RED, OPUS], OPUS);
  const payloads = () => sent().map(({ payload }) => payload);
  send(10, Uint8Array.of(10), 111, 0);
  send(11, Uint8Array.of(11), 111, 16_384);
  send(12, Uint8Array.of(12), 111, 16_384 + 16_383);
  assert.deepEqual(payloads(), [
    [...redundantPayload([10])],
    [...redundantPayload([11])],
    [...redundantPayload([12], [{ age: 16_383, frame: [11] }])],
  ]);
  const long = (length: number) => new Uint8Array(length).fill(7);
  send(13, long(1_024));
  send(14, Uint8Array.of(14));
  assert.deepEqual(payloads()[4], [...redundantPayload([14])]);
});

Deno.test("DownTrack copies only as much as leaves a packet that fits into any path", () => {
  const { send, sent } = setup([RED, OPUS], OPUS);
  const sizes = () => sent().map(({ payload }) => payload.length);
  for (const n of [10, 11, 12]) send(n, new Uint8Array(500).fill(n));
  // 1 byte for the frame itself, 4 for a copy; with a second one it would be 1,509.
  assert.deepEqual(sizes(), [501, 1_005, 1_005]);
  send(13, new Uint8Array(1_300).fill(13));
  assert.equal(sizes()[3], 1_301, "what is longer by itself goes alone");
});

Deno.test("DownTrack gives opus with another frame type to two subscribers, each its own", () => {
  const { up, send, sent } = setup([RED, OPUS], OPUS);
  const sink = new RecordingSink();
  const other = [{ ...RED, payloadType: 97, fmtp: "96/96" }, { ...OPUS, payloadType: 96 }];
  up.addDownTrack(
    new DownTrack({
      section: { mid: "1", kind: "audio", ssrc: 6, codecs: other, extensions: [] },
      publisherExtensions: [],
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
    }),
    0,
  );
  for (const n of [10, 11]) send(n, Uint8Array.of(n));
  assert.deepEqual(sent(), [red(10), red(11, 1)]);
  const payloads = sink.views.map(({ bytes, payloadOffset }) => [...bytes.subarray(payloadOffset)]);
  assert.deepEqual(payloads, [
    [...redundantPayload([10], [], 96)],
    [...redundantPayload([11], [{ age: 960, frame: [10] }], 96)],
  ]);
});

Deno.test("what DownTrack made redundant a subscriber takes apart again, up to two losses", () => {
  const made = setup([RED, OPUS], OPUS);
  made.sendBare(10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
  const lost = [12, 13, 16];
  const opened = setup([OPUS]);
  for (const { sequenceNumber, payload } of made.sent()) {
    if (!lost.includes(sequenceNumber)) opened.send(sequenceNumber, Uint8Array.from(payload));
  }
  assert.deepEqual(opened.sent(), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map(frame));
});

Deno.test("DownTrack answers no NACK for what it made redundant", () => {
  const { down, sendBare, sent } = setup([RED, OPUS], OPUS);
  sendBare(10, 11);
  down.receiveNack(Uint16Array.of(10, 11), 2, 1_000);
  assert.equal(sent().length, 2);
  assert.equal(down.drops.get(DROP.nackUnknown), 2);
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

Deno.test("UpTrack's publisher may leave redundancy out, and then it is made here", () => {
  const { up, send, sendRed, sent } = setup([RED, OPUS]);
  sendRed(10);
  up.bindLayer(0, 1000, OPUS, 220);
  send(11, Uint8Array.of(11), 111);
  send(12, Uint8Array.of(12), 111);
  up.bindLayer(0, 1000, RED, 240);
  sendRed(13);
  // What was redundant before is not copied: its frame is inside of it.
  assert.deepEqual(sent(), [red(10, 1, 2), red(11), red(12, 1), red(13, 1, 2)]);
});

/** Packets of Chromium's, with one copy each, to a subscriber that is to have more. */
function setupMore(accepted: readonly CodecParameters[] = [RED, OPUS]) {
  const world = setup(accepted);
  world.down.setCopies(COPIES.more);
  const sendOne = (...numbers: number[]) => {
    for (const n of numbers) {
      world.send(n, redundantPayload([n], [{ age: 960, frame: [n - 1] }]));
    }
  };
  return { ...world, sendOne };
}

Deno.test("DownTrack adds a copy of the frame before to those with which a publisher sends", () => {
  const { sendOne, sent } = setupMore();
  sendOne(10, 11, 12, 13);
  assert.deepEqual(sent(), [red(10, 1), red(11, 1, 2), red(12, 1, 2), red(13, 1, 2)]);
});

Deno.test("DownTrack adds a copy of a frame whose packet did not come out of the one behind it", () => {
  const { sendOne, sent } = setupMore();
  sendOne(10, 12, 13, 16, 17);
  // 15 is in 16 alone; 14 is nowhere.
  assert.deepEqual(sent(), [red(10, 1), red(12, 1, 2), red(13, 1, 2), red(16, 1), red(17, 1, 2)]);
});

Deno.test("DownTrack adds nothing to two copies, and two to a packet without any", () => {
  const { sendRed, send, sent } = setupMore();
  sendRed(10);
  sendRed(11);
  send(12, redundantPayload([12]));
  assert.deepEqual(sent(), [red(10, 1, 2), red(11, 1, 2), red(12, 1, 2)]);
});

Deno.test("DownTrack adds copies under another payload type of frames, and to nothing else", () => {
  const accepted = [{ ...RED, payloadType: 97, fmtp: "96/96" }, { ...OPUS, payloadType: 96 }];
  const { down, sendOne, send, sent } = setupMore(accepted);
  sendOne(10, 11);
  const copies = [{ age: 960, frame: [10] }, { age: 1_920, frame: [9] }];
  assert.deepEqual(sent()[1]!.payload, [...redundantPayload([11], copies, 96)]);
  send(12, redundantPayload([12], [], 13));
  assert.equal(down.drops.get(DROP.malformedPayload), 1);
});

Deno.test("DownTrack adds no copy behind a pause or a block that was left empty, nor beyond a packet", () => {
  const { send, sent } = setupMore();
  const payloads = () => sent().map(({ payload }) => payload);
  send(10, redundantPayload([10]), 63, 0);
  send(11, redundantPayload([11]), 63, 16_384);
  assert.deepEqual(payloads()[1], [...redundantPayload([11])]);
  const empty = redundantPayload([12], [{ age: 960, frame: [] }]);
  send(12, empty, 63, 16_384 + 960);
  assert.deepEqual(payloads()[2], [...redundantPayload([12])]);
  const long = (n: number) => new Array<number>(500).fill(n);
  for (const n of [13, 14, 15]) {
    const age = 960;
    send(n, redundantPayload(long(n), [{ age, frame: long(n - 1) }]), 63, n * 960 + 16_384);
  }
  assert.equal(payloads()[5]!.length, 1_005, "one copy");
});

Deno.test("DownTrack gives each subscriber as many copies as it is to have, of the same packets", () => {
  const { up, sendOne, sent } = setupMore();
  const others = [COPIES.none, COPIES.asTheyCome].map((copies, i) => {
    const sink = new RecordingSink();
    const down = new DownTrack({
      section: { mid: "1", kind: "audio", ssrc: 6 + i, codecs: [RED, OPUS], extensions: [] },
      publisherExtensions: [],
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
    });
    down.setCopies(copies);
    up.addDownTrack(down, 0);
    return sink;
  });
  sendOne(10, 11, 12);
  assert.deepEqual(sent(), [red(10, 1), red(11, 1, 2), red(12, 1, 2)]);
  const payloads = others.map(({ views }) =>
    views.map(({ bytes, payloadOffset }) => [...bytes.subarray(payloadOffset)])
  );
  assert.deepEqual(payloads[0], [[10], [11], [12]]);
  assert.deepEqual(payloads[1], [10, 11, 12].map((n) => red(n, 1).payload));
});
