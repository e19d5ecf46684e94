/** Padding in a video's own stream, where its subscriber takes no retransmission. */
import assert from "node:assert/strict";
import { EXTENSION_URI, type SpatialLayer } from "../../../../lib/base/media_vocabulary.ts";
import { PACKET_KIND } from "../../../../lib/base/packet_sink.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { NOTHING_ALLOWED } from "../../../../lib/media/down/layer_limit.ts";
import { Pacer } from "../../../../lib/media/down/pacer.ts";
import { SequenceRewriter } from "../../../../lib/media/down/sequence_rewriter.ts";
import type { RtpView } from "../../../../lib/wire/rtp_view.ts";
import { readTransportSequence } from "../../../../lib/wire/header_extensions.ts";
import { Vp8Descriptor } from "../../../../lib/wire/vp8_descriptor.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import {
  h264Payloads,
  vp9KeyFrame,
  vp9Payloads,
} from "../../../support/media/recorded_payloads.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const FRAME_TICKS = 3_000;
const TRANSPORT_CC = 8;
const ABS_SEND_TIME = 9;
const EXTENSIONS = [
  { id: TRANSPORT_CC, uri: EXTENSION_URI.transportCc },
  { id: ABS_SEND_TIME, uri: EXTENSION_URI.absSendTime },
];
const ANY_SIZE = 1_500;

interface Wanted {
  readonly mime?: "video/VP8" | "video/VP9" | "video/H264";
  readonly rtx?: number;
  readonly extensions?: typeof EXTENSIONS;
  readonly maxSpatial?: SpatialLayer;
  readonly maxTemporal?: number;
  readonly pacer?: Pacer;
}

/** A camera of one layer and a subscriber. */
function camera(wanted: Wanted = {}) {
  const {
    mime = "video/VP8",
    rtx,
    extensions = EXTENSIONS,
    maxSpatial = 2,
    maxTemporal = 3,
    pacer,
  } = wanted;
  const up = publishedTrack("video");
  up.bindLayer(0, 1_000, codec(mime, 96), 0);
  const sink = new RecordingSink();
  const make = (former?: DownTrack) =>
    new DownTrack({
      section: {
        mid: "1",
        kind: "video",
        ssrc: 5,
        ...(rtx === undefined ? {} : { rtxSsrc: 6 }),
        codecs: [codec(mime, 120, rtx)],
        extensions,
      },
      publisherExtensions: [],
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial, maxTemporal },
      firstSequence: 500,
      firstTimestamp: 77,
      ...(pacer === undefined ? {} : { pacer }),
    }, former);
  const down = make();
  up.addDownTrack(down, 0);
  const send = (packet: Sent, now = 0) => {
    up.receive(0, viewOf(rtpPacket({ ssrc: 1_000, payloadType: 96, ...packet })), now);
  };
  return { up, down, sink, send, make };
}

interface Sent {
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** The packets of a frame of VP8, from a sequence number on. */
function vp8(frame: number, first: number, packets: number, key = false, tid = 0): Sent[] {
  return Array.from({ length: packets }, (_, i) => ({
    sequenceNumber: (first + i) & 0xffff,
    timestamp: (frame * FRAME_TICKS) >>> 0,
    marker: i === packets - 1,
    payload: vp8Payload({ pictureId: frame, tl0: frame & 0xff, key, tid, start: i === 0 }),
  }));
}

const isPadding = (view: RtpView) => view.payloadLength === 0;

function assertPadding(view: RtpView, sequenceNumber: number, timestamp: number): void {
  assert.deepEqual(
    [view.ssrc, view.payloadType, view.marker, view.sequenceNumber, view.timestamp],
    [5, 120, false, sequenceNumber, timestamp],
  );
  assert.equal(view.bytes[0]! & 0x20, 0x20);
  assert.ok(view.paddingLength > 0 && view.payloadLength === 0, "nothing but padding");
  const padding = view.bytes.subarray(view.bytes.length - view.paddingLength);
  assert.deepEqual([...padding.subarray(0, -1)], new Array(padding.length - 1).fill(0));
}

Deno.test("DownTrack pads a stream without RTX behind a whole frame, as a part of it, and what follows moves on", () => {
  const { down, sink, send } = camera();
  const [first, second] = vp8(1, 65_533, 2, true);
  send(first!);
  assert.equal(down.padItself(10, ANY_SIZE), false, "in the middle of a frame");
  send(second!);
  for (let i = 0; i < 3; i++) assert.ok(down.padItself(20 + i, ANY_SIZE));
  for (const packet of vp8(2, 65_535, 1)) send(packet);
  assert.ok(down.padItself(50, ANY_SIZE));
  for (const packet of vp8(3, 0, 2)) send(packet);
  const { views } = sink;
  assert.deepEqual(views.map((view) => view.sequenceNumber), [
    ...[65_533, 65_534, 65_535, 0, 1, 2, 3, 4, 5],
  ]);
  for (const i of [2, 3, 4]) assertPadding(views[i]!, (65_533 + i) & 0xffff, FRAME_TICKS);
  assertPadding(views[6]!, 3, 2 * FRAME_TICKS);
  const media = views.filter((view) => !isPadding(view));
  assert.deepEqual(media.map((view) => view.timestamp / FRAME_TICKS), [1, 1, 2, 3, 3]);
  const vp8Of = new Vp8Descriptor();
  assert.deepEqual(
    media.map((view) => {
      assert.ok(vp8Of.parse(view.bytes, view.payloadOffset, view.payloadLength));
      return vp8Of.pictureId;
    }),
    [1, 1, 2, 3, 3],
  );
  assert.deepEqual(sink.kinds.map((kind) => kind === PACKET_KIND.padding), views.map(isPadding));
  const numbers = views.map((view) => readTransportSequence(view, TRANSPORT_CC));
  assert.deepEqual(numbers, numbers.map((_, i) => (numbers[0]! + i) & 0xffff));
});

Deno.test("DownTrack pads by packets of about the size that is asked for", () => {
  const { down, sink, send } = camera();
  for (const packet of vp8(1, 1, 1, true)) send(packet);
  for (const most of [1_500, 200, 100, 0]) assert.ok(down.padItself(0, most));
  const sizes = sink.packets.slice(1).map((packet) => packet.length);
  assert.ok(sizes[0]! > 250 && sizes[0]! < 300, `${sizes}`);
  for (const [i, most] of [[1, 200], [2, 100]] as const) {
    assert.ok(sizes[i]! <= most && sizes[i]! > most - 30, `${sizes}`);
  }
  assert.ok(sizes[3]! < 32, `${sizes}`);
});

Deno.test("DownTrack sends padding that is missed in a stream again as it was, byte for byte", () => {
  const { down, sink, send } = camera();
  for (const packet of vp8(1, 10, 1, true)) send(packet);
  assert.ok(down.padItself(5, 200));
  assert.ok(down.padItself(6, ANY_SIZE));
  for (const packet of vp8(2, 11, 1)) send(packet, 33);
  down.receiveNack(Uint16Array.of(11, 12), 2, 100);
  assert.deepEqual(sink.packets.slice(4), sink.packets.slice(1, 3));
  assert.deepEqual(sink.kinds.slice(4), [PACKET_KIND.again, PACKET_KIND.again]);
});

Deno.test("DownTrack pads a stream that is paused, wherever its last frame ended, and goes on with a key frame", () => {
  const { down, sink, send } = camera();
  send(vp8(1, 10, 2, true)[0]!);
  down.setAllowance(NOTHING_ALLOWED, 0, 10);
  for (let i = 0; i < 3; i++) assert.ok(down.padItself(5_000 + i, ANY_SIZE));
  for (const i of [1, 2, 3]) assertPadding(sink.views[i]!, 10 + i, FRAME_TICKS);
  down.receiveNack(Uint16Array.of(12), 1, 5_500);
  assert.equal(sink.packets.length, 4, "before a key frame nothing is missed");
  down.setAllowance(2, 3, 6_000);
  for (const packet of vp8(200, 300, 2, true)) send(packet, 6_600);
  const resumed = sink.views.slice(4);
  assert.deepEqual(resumed.map((view) => view.sequenceNumber), [14, 15]);
  assert.ok(resumed.every((view) => view.timestamp === resumed[0]!.timestamp));
  assert.ok(resumed[0]!.timestamp > FRAME_TICKS + 6_000 * 90, "time went on as it passed");
});

Deno.test("DownTrack pads a stream that was opened with padding as it was opened, and none that never was", () => {
  const { up, down, sink } = camera();
  assert.equal(down.padItself(50, ANY_SIZE), false);
  up.setMuted(true, 50);
  down.tick(100);
  assert.equal(sink.packets.length, 1, "opened");
  assert.ok(down.padItself(150, ANY_SIZE));
  assert.ok(down.padItself(155, ANY_SIZE));
  assertPadding(sink.views[1]!, 501, 77);
  assertPadding(sink.views[2]!, 502, 77);
});

Deno.test("DownTrack pads a stream whose section has changed as the one before it would have", () => {
  const { up, down, sink, send, make } = camera();
  for (const packet of vp8(1, 10, 2, true)) send(packet);
  up.removeDownTrack(down);
  const next = make(down);
  up.addDownTrack(next, 1_000);
  assert.ok(next.padItself(1_005, ANY_SIZE));
  assertPadding(sink.views[2]!, 12, FRAME_TICKS);
});

Deno.test("DownTrack pads in no stream that has RTX, whose arrivals are not told, or that has no room", () => {
  for (const wanted of [{ rtx: 121 }, { extensions: [] }]) {
    const { down, send } = camera(wanted);
    for (const packet of vp8(1, 1, 1, true)) send(packet);
    assert.equal(down.padItself(0, ANY_SIZE), false);
  }
  const { up, down, sink, send } = camera();
  for (const packet of vp8(1, 1, 1, true)) send(packet);
  sink.isFull = true;
  assert.equal(down.padItself(0, ANY_SIZE), false);
  sink.isFull = false;
  for (const packet of vp8(2, 2, 1)) send(packet);
  assert.deepEqual(sink.views.map((view) => view.sequenceNumber), [1, 2], "no number was used");
  up.removeDownTrack(down);
  assert.equal(down.padItself(0, ANY_SIZE), false, "from nowhere");
});

Deno.test("DownTrack pads no stream while a burst of its connection waits", () => {
  const pacer = new Pacer(() => {});
  pacer.setRate(8_000);
  const { down, sink, send } = camera({ pacer });
  for (const packet of vp8(1, 1, 15, true)) send(packet);
  assert.ok(sink.packets.length < 15, "the others wait");
  assert.equal(down.padItself(5, ANY_SIZE), false);
  pacer.setRate(Infinity);
  pacer.tick(10);
  assert.ok(down.padItself(15, ANY_SIZE));
  const numbers = sink.views.map((view) => view.sequenceNumber);
  assert.deepEqual(numbers, numbers.map((_, i) => i + 1));
});

Deno.test("DownTrack pads no stream where a number above its last one is kept free", () => {
  const rewriter = new SequenceRewriter();
  rewriter.switchTo(100);
  rewriter.forward(100);
  rewriter.switchTo(100);
  assert.ok(rewriter.isDense, "after a switch");
  rewriter.forward(100);
  assert.equal(rewriter.forward(102), 103);
  assert.ok(rewriter.isDense, "what is missing has a lower number");
  assert.equal(rewriter.insert(0), 104);
  assert.ok(rewriter.isDense);
  assert.equal(rewriter.forward(101), 102);
  assert.equal(rewriter.forward(103), 105);
  rewriter.drop(105);
  assert.equal(rewriter.isDense, false, "106 is kept free for 104");
  assert.equal(rewriter.forward(104), 106);
  assert.ok(rewriter.isDense);

  const { down, sink, send } = camera({ maxTemporal: 0 });
  for (const packet of vp8(1, 1, 1, true)) send(packet);
  const [late] = vp8(2, 2, 1);
  for (const packet of vp8(3, 3, 1, false, 1)) send(packet);
  assert.equal(down.padItself(5, ANY_SIZE), false, "2 has not come, and 3 was left out");
  send(late!);
  assert.ok(down.padItself(5, ANY_SIZE));
  assert.deepEqual(sink.views.map((view) => view.sequenceNumber), [1, 2, 3]);
});

/** RFC 9628 §4.2: one of two spatial layers, in one packet, of which a key picture's lowest tells. */
function vp9Layer(picture: number, spatialId: number, isKey: boolean): Uint8Array {
  const tells = isKey && spatialId === 0;
  const flags = 0xac | (isKey ? 0 : 0x40) | (tells ? 2 : 0);
  const layer = (spatialId << 1) | spatialId;
  return Uint8Array.of(flags, 0x80, picture, layer, picture, ...(tells ? [0x20] : []), 0x82, 1, 2);
}

Deno.test("DownTrack pads a stream of VP9 behind the highest layer that is sent of a picture", () => {
  const { down, sink, send } = camera({ mime: "video/VP9", maxSpatial: 0 });
  for (let number = 10; number < 16; number++) {
    const [picture, spatialId] = [number >> 1, number & 1];
    const payload = vp9Layer(picture, spatialId, picture === 5);
    const fields = { sequenceNumber: number, timestamp: picture * FRAME_TICKS };
    send({ ...fields, marker: spatialId === 1, payload });
    assert.ok(down.padItself(5, ANY_SIZE));
  }
  const { views } = sink;
  assert.deepEqual(views.map((view) => view.sequenceNumber), views.map((_, i) => 10 + i));
  assert.deepEqual(views.map((view) => [view.timestamp / FRAME_TICKS, view.marker]), [
    ...[5, 6, 7].flatMap((picture) => [[picture, true], [picture, false], [picture, false]]),
  ]);
});

/** Frames of two packets on average, of which those of a second temporal layer are left out. */
function publishedPackets(mime: NonNullable<Wanted["mime"]>, random: SeededRandom): Sent[] {
  const packets: Sent[] = [];
  for (let frame = 1; frame <= 150; frame++) {
    const key = frame % 50 === 1;
    const count = 1 + random.below(3);
    let payloads: Uint8Array[];
    if (mime === "video/VP8") {
      payloads = vp8(frame, 0, count, key, key ? 0 : frame & 1).map(({ payload }) => payload);
    } else if (mime === "video/VP9") {
      const rest = new Uint8Array(count * 100 - 20).fill(frame);
      const data = key ? vp9KeyFrame(320, 180, rest) : Uint8Array.of(0x86, ...rest);
      payloads = vp9Payloads(data, 100, { spatialId: 0, isInter: !key });
    } else {
      const slice = new Uint8Array(count * 90).fill(frame);
      slice[0] = key ? 0x65 : 0x41;
      const parameters = [Uint8Array.of(0x67, 66, 0xc0, 30, frame), Uint8Array.of(0x68, frame)];
      payloads = h264Payloads(key ? [...parameters, slice] : [slice], 100);
    }
    payloads.forEach((payload, i) => {
      packets.push({
        sequenceNumber: (65_400 + packets.length) & 0xffff,
        timestamp: (0xffff_0000 + frame * FRAME_TICKS) >>> 0,
        marker: i === payloads.length - 1,
        payload,
      });
    });
  }
  return packets;
}

const mediaOf = ({ views }: RecordingSink) =>
  views.filter((view) => !isPadding(view)).map((view) => ({
    timestamp: view.timestamp,
    marker: view.marker,
    payload: [...view.bytes.subarray(view.payloadOffset, view.payloadOffset + view.payloadLength)],
  }));

Deno.test("DownTrack damages no frame by padding, whatever is late, lost or left out before it", () => {
  for (const mime of ["video/VP8", "video/VP9", "video/H264"] as const) {
    let padded = 0;
    for (let seed = 0; seed < 12; seed++) {
      const random = new SeededRandom(seed);
      const maxTemporal = seed & 1;
      const all = publishedPackets(mime, random);
      const comes = all.map((packet, i) => ({ packet, at: i + random.below(4) }))
        .filter((_, i) => i < 3 || !random.chance(0.03))
        .sort((a, b) => a.at - b.at);
      const [plain, other] = [camera({ mime, maxTemporal }), camera({ mime, maxTemporal })];
      comes.forEach(({ packet }, i) => {
        for (const { send } of [plain, other]) send(packet, i * 10);
        while (random.chance(0.3)) if (other.down.padItself(i * 10 + 1, 60)) padded++;
      });
      const about = `${mime}, seed ${seed}`;
      assert.deepEqual(mediaOf(other.sink), mediaOf(plain.sink), about);
      assertWhole(other.sink.views, about);
    }
    assert.ok(padded > 300, `${mime}: ${padded}`);
  }
});

/** Each number was used once, and padding stands behind frames alone, as a part of them. */
function assertWhole(views: readonly RtpView[], about: string): void {
  const first = views[0]!.sequenceNumber;
  const place = (view: RtpView) => (view.sequenceNumber - first + 1_000) & 0xffff;
  const inOrder = [...views].sort((a, b) => place(a) - place(b));
  assert.equal(new Set(views.map((view) => view.sequenceNumber)).size, views.length, about);
  let before: RtpView | undefined;
  for (const view of inOrder) {
    if (!isPadding(view)) before = view;
    else if (view.paddingLength > 0) {
      assert.equal(before!.marker, true, about);
      assert.equal(view.timestamp, before!.timestamp, about);
    }
  }
}
