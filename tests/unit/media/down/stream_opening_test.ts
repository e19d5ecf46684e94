/** How a subscriber's stream begins when there is nothing to send yet. */
import assert from "node:assert/strict";
import {
  type CodecParameters,
  EXTENSION_URI,
  type LayerTarget,
} from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { SenderReportFigures } from "../../../../lib/media/down/down_track_options.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  readTextExtension,
  readTransportSequence,
} from "../../../../lib/wire/header_extensions.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const ALL: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };
const SSRC = 0xcafe_0001;
const RTX_SSRC = 0xcafe_0002;
const MID = 7;
const TRANSPORT_CC = 8;
const FIRST_SEQUENCE = 0x7fff;
const FIRST_TIMESTAMP = 0xffff_fff0;
const VP8 = codec("video/VP8", 96, 97);
const OPUS = codec("audio/opus", 111);
/** How long a LiveKit server goes on, and what it allows media first. */
const OPENING_MS = 5_000;
const HEAD_START_MS = 100;

interface Setup {
  readonly kind?: "audio" | "video";
  /** What the publisher sends; nothing has come of it if absent. */
  readonly source?: CodecParameters;
  readonly accepted?: readonly CodecParameters[];
  readonly target?: LayerTarget;
  readonly openAfterMs?: number;
}

class World {
  now = 50_000;
  readonly sink = new RecordingSink();
  readonly up: UpTrack;
  readonly down: DownTrack;
  #wakeAt = Infinity;

  constructor(readonly options: Setup = {}) {
    const { kind = "video", source, target = ALL, openAfterMs } = options;
    this.up = new UpTrack({
      kind,
      extensions: [],
      listener: { onNack() {}, onKeyFrameNeeded() {} },
    });
    if (source !== undefined) this.up.bindLayer(0, 1000, source, this.now);
    this.down = new DownTrack({
      section: {
        mid: "17",
        kind,
        ssrc: SSRC,
        rtxSsrc: RTX_SSRC,
        codecs: options.accepted ??
          [kind === "audio" ? codec("audio/opus", 109) : codec("video/VP8", 120, 121)],
        extensions: [
          { id: MID, uri: EXTENSION_URI.mid },
          { id: TRANSPORT_CC, uri: EXTENSION_URI.transportCc },
        ],
        ...(openAfterMs === undefined ? {} : { openAfterMs }),
      },
      publisherExtensions: [],
      sink: this.sink,
      place: undefined,
      listener: {
        ...layerListener(),
        onTimed: (at) => this.#wakeAt = Math.min(this.#wakeAt, at),
      },
      target,
      firstSequence: FIRST_SEQUENCE,
      firstTimestamp: FIRST_TIMESTAMP,
    });
    this.up.addDownTrack(this.down, this.now);
  }

  /** Lets time pass, looking at what is due when the down-track has said, as the engine does. */
  run(ms: number): void {
    for (const until = this.now + ms; this.now < until;) {
      this.now += 10;
      if (this.now < this.#wakeAt) continue;
      this.down.tick(this.now);
      this.#wakeAt = this.down.nextWakeAt();
    }
  }

  send(sequenceNumber: number, timestamp: number): void {
    const { kind = "video", source = kind === "audio" ? OPUS : VP8 } = this.options;
    this.up.bindLayer(0, 1000, source, this.now);
    const payload = kind === "audio"
      ? Uint8Array.of(0x78, 1, 2)
      : vp8Payload({ pictureId: sequenceNumber & 0x7fff, tl0: sequenceNumber, key: true });
    const { payloadType } = source;
    const fields = { ssrc: 1000, payloadType, sequenceNumber, timestamp, payload };
    assert.equal(this.up.receive(0, viewOf(rtpPacket(fields)), this.now), 0);
  }

  /** What left, as `[sequence number, timestamp, payload bytes, padding bytes]`. */
  get sent() {
    return this.sink.views.map((view) => [
      view.sequenceNumber,
      view.timestamp,
      view.payloadLength,
      view.paddingLength,
    ]);
  }
}

for (const kind of ["audio", "video"] as const) {
  Deno.test(`DownTrack opens an ${kind} stream with padding that says whose it is`, () => {
    const world = new World({ kind, source: kind === "audio" ? OPUS : VP8 });
    world.run(HEAD_START_MS - 10);
    assert.equal(world.sink.packets.length, 0, "media has a head start");
    world.run(10);
    const [view] = world.sink.views;
    assert.ok(view !== undefined);
    assert.deepEqual(
      [view.ssrc, view.payloadType, view.marker],
      [SSRC, kind === "audio" ? 109 : 120, false],
    );
    assert.deepEqual(world.sent, [[FIRST_SEQUENCE, FIRST_TIMESTAMP, 0, 4]]);
    assert.equal(readTextExtension(view, MID), "17");
    assert.equal(readTransportSequence(view, TRANSPORT_CC), 65_530);
    world.run(100);
    const passed = kind === "audio" ? 4_800 : 9_000;
    assert.deepEqual(
      world.sent[1],
      [FIRST_SEQUENCE + 1, (FIRST_TIMESTAMP + passed) >>> 0, 0, 4],
    );
  });

  Deno.test(`DownTrack goes on from the padding with the first ${kind} packet, and pads no more`, () => {
    const world = new World({ kind, source: kind === "audio" ? OPUS : VP8 });
    world.run(240);
    assert.equal(world.sent.length, 2);
    world.send(30_000, 123_456);
    world.send(30_001, 123_456);
    const [, last, first, second] = world.sent;
    const clockRate = kind === "audio" ? 48_000 : 90_000;
    assert.deepEqual(first!.slice(0, 2), [
      (last![0]! + 1) & 0xffff,
      (last![1]! + 40 * clockRate / 1000) >>> 0,
    ]);
    assert.equal(second![0], (first![0]! + 1) & 0xffff);
    assert.ok(first![2]! > 0);
    world.run(OPENING_MS);
    assert.equal(world.sent.length, 4);
  });
}

Deno.test("DownTrack keeps the publisher's numbers where media comes at once", () => {
  const world = new World({ source: VP8 });
  world.run(50);
  world.send(30_000, 123_456);
  world.run(OPENING_MS);
  assert.deepEqual(world.sent.map((packet) => packet.slice(0, 2)), [[30_000, 123_456]]);
});

Deno.test("DownTrack opens a stream for 5 s at most, ten times a second", () => {
  const world = new World({ source: VP8 });
  world.run(10 * OPENING_MS);
  const numbers = world.sent.map(([sequence]) => sequence);
  assert.deepEqual(numbers, Array.from({ length: 50 }, (_, i) => FIRST_SEQUENCE + i));
  world.send(30_000, 5);
  assert.equal(world.sent.at(-1)![0], FIRST_SEQUENCE + 50);
});

Deno.test("DownTrack stops opening when the subscriber reports that something came, not before", () => {
  const world = new World({ source: VP8 });
  const report = (highestSequence: number) => {
    const block = new ReportBlock();
    block.ssrc = SSRC;
    block.highestSequence = highestSequence;
    world.down.receiveReport(-1, block, world.now);
  };
  report(FIRST_SEQUENCE);
  world.run(250);
  assert.equal(world.sent.length, 2, "what was never sent cannot have come");
  report(0);
  world.run(100);
  assert.equal(world.sent.length, 3);
  report(FIRST_SEQUENCE + 1);
  world.run(OPENING_MS);
  assert.equal(world.sent.length, 3);
});

Deno.test("DownTrack opens the streams of a muted track and of one that its subscriber paused", () => {
  for (const isMuted of [true, false]) {
    const world = new World({ source: VP8, target: { ...ALL, enabled: isMuted } });
    if (isMuted) world.up.setMuted(true, world.now);
    world.run(150);
    assert.deepEqual(world.sent.map(([sequence]) => sequence), [FIRST_SEQUENCE]);
    if (isMuted) world.up.setMuted(false, world.now);
    else world.down.setTarget(ALL, world.now);
    world.send(200, 1);
    assert.equal(world.sent.at(-1)![0], FIRST_SEQUENCE + 1);
  }
});

Deno.test("DownTrack opens a stream in the codec that will be sent, and waits while it cannot tell", () => {
  const accepted = [codec("video/VP8", 120), codec("video/H264", 122)];
  const h264 = codec("video/H264", 102);
  const known = new World({ source: h264, accepted });
  known.run(150);
  assert.deepEqual(known.sink.views.map(({ payloadType }) => payloadType), [122]);
  const unknown = new World({ accepted });
  unknown.run(1_000);
  assert.equal(unknown.sink.packets.length, 0);
  unknown.up.bindLayer(0, 1000, h264, unknown.now);
  unknown.run(100);
  assert.deepEqual(unknown.sink.views.map(({ payloadType }) => payloadType), [122]);
  const unsupported = new World({ source: codec("video/AV1", 45), accepted });
  unsupported.run(OPENING_MS);
  assert.equal(unsupported.sink.packets.length, 0);
});

Deno.test("DownTrack opens an announced track's stream in the only codec there is, redundancy apart", () => {
  const accepted = [codec("audio/red", 63, undefined, "111/111"), codec("audio/opus", 111)];
  const audio = new World({ kind: "audio", accepted });
  audio.run(150);
  assert.deepEqual(audio.sink.views.map(({ payloadType }) => payloadType), [111]);
  const video = new World({ accepted: [codec("video/VP9", 98)] });
  video.run(150);
  assert.deepEqual(video.sink.views.map(({ payloadType }) => payloadType), [98]);
});

Deno.test("DownTrack resends padding as RTX, three times and no more", () => {
  const world = new World({ source: VP8 });
  world.run(250);
  const count = world.sent.length;
  const nack = () => {
    world.down.receiveNack(Uint16Array.of(FIRST_SEQUENCE), 1, world.now);
    world.run(0);
    world.now += 1_000;
  };
  for (let i = 0; i < 5; i++) nack();
  const resent = world.sink.views.slice(count);
  assert.equal(resent.length, 3);
  for (const view of resent) {
    assert.deepEqual([view.ssrc, view.payloadType], [RTX_SSRC, 121]);
    assert.equal(view.timestamp, FIRST_TIMESTAMP);
    const { bytes, payloadOffset, payloadLength } = view;
    const original = bytes.subarray(payloadOffset, payloadOffset + payloadLength);
    assert.deepEqual([...original], [FIRST_SEQUENCE >> 8, FIRST_SEQUENCE & 0xff]);
    assert.equal(view.paddingLength, 0, "padding is left out of a retransmission");
  }
});

Deno.test("DownTrack resends padding as it was where there is no RTX, also behind media", () => {
  const world = new World({ kind: "audio", source: OPUS });
  world.run(250);
  const padding = world.sent;
  world.send(9, 960);
  world.down.receiveNack(Uint16Array.of(FIRST_SEQUENCE, FIRST_SEQUENCE + 1), 2, world.now);
  assert.deepEqual(world.sent.slice(3), padding);
});

Deno.test("DownTrack counts padding in its sender reports as packets without octets", () => {
  const world = new World({ kind: "audio", source: OPUS });
  world.run(250);
  const report = new SenderReportFigures();
  assert.equal(world.down.senderReport(world.now, report), false, "no clock to tell yet");
  world.send(9, 960);
  world.up.receiveSenderReport(0, 1_000, 0, 960, world.now);
  assert.equal(world.down.senderReport(world.now, report), true);
  assert.deepEqual([report.packetCount, report.octetCount], [3, 3]);
  assert.equal(report.rtpTimestamp, world.sent.at(-1)![1], "on the subscriber's time line");
});

Deno.test("DownTrack opens a stream later where the client must know it first", () => {
  const world = new World({ source: VP8, openAfterMs: 2_000 });
  world.run(1_990);
  assert.deepEqual(world.sent, []);
  world.run(10);
  assert.equal(world.sent.length, 1);
  const prompt = new World({ source: VP8, openAfterMs: 2_000 });
  prompt.run(500);
  prompt.send(1, 1_000);
  prompt.run(5_000);
  assert.equal(prompt.sent.length, 1, "media came first");
});
