import assert from "node:assert/strict";
import {
  EXTENSION_URI,
  type HeaderExtension,
  type LayerTarget,
} from "../../../../lib/base/media_vocabulary.ts";
import { PACKET_KIND } from "../../../../lib/base/packet_sink.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { SenderReportFigures } from "../../../../lib/media/down/down_track_options.ts";
import { RepairBudget, repairCopies } from "../../../../lib/media/down/repair_budget.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import { ntpToMs } from "../../../../lib/media/layer/rtcp_clock.ts";
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
const PUBLISHER_EXTENSIONS: readonly HeaderExtension[] = [
  { id: 1, uri: EXTENSION_URI.mid },
  { id: 2, uri: EXTENSION_URI.rid },
  { id: 3, uri: EXTENSION_URI.transportCc },
  { id: 4, uri: EXTENSION_URI.audioLevel },
  { id: 5, uri: EXTENSION_URI.dependencyDescriptor },
  { id: 6, uri: EXTENSION_URI.repairedRid },
];
const SUBSCRIBER_EXTENSIONS: readonly HeaderExtension[] = [
  { id: 7, uri: EXTENSION_URI.mid },
  { id: 8, uri: EXTENSION_URI.transportCc },
  { id: 9, uri: EXTENSION_URI.absSendTime },
  { id: 10, uri: EXTENSION_URI.audioLevel },
  { id: 11, uri: EXTENSION_URI.dependencyDescriptor },
];
const RTX_SSRC = 0xcafe_0002;
const PUBLISHED = {
  1: "0",
  2: "q",
  3: Uint8Array.of(9, 9),
  4: Uint8Array.of(0x80 | 20),
  6: "q",
} as const;

interface Setup {
  readonly kind?: "audio" | "video";
  readonly source?: ReturnType<typeof codec>;
  readonly codecs?: readonly ReturnType<typeof codec>[];
  readonly rtx?: boolean;
  readonly subscriberExtensions?: readonly HeaderExtension[];
  readonly repairs?: RepairBudget;
}

function setup(options: Setup = {}) {
  const kind = options.kind ?? "video";
  const source = options.source ??
    (kind === "audio" ? codec("audio/opus", 111) : codec("video/VP8", 96, 97));
  const plis: number[] = [];
  const up = new UpTrack({
    kind,
    extensions: PUBLISHER_EXTENSIONS,
    listener: { onNack() {}, onKeyFrameNeeded: (ssrc) => plis.push(ssrc) },
  });
  up.bindLayer(0, 1000, source, 0);
  const sink = new RecordingSink();
  const layers: number[] = [];
  const down = new DownTrack({
    section: {
      mid: "17",
      kind,
      ssrc: 0xcafe_0001,
      ...(options.rtx === false ? {} : { rtxSsrc: RTX_SSRC }),
      codecs: options.codecs ?? [codec(source.mime, 120, 121)],
      extensions: options.subscriberExtensions ?? SUBSCRIBER_EXTENSIONS,
    },
    publisherExtensions: up.extensions,
    sink,
    place: undefined,
    listener: layerListener((spatial) => layers.push(spatial)),
    target: ALL,
    firstRtxSequence: 65_535,
    ...(options.repairs === undefined ? {} : { repairs: options.repairs }),
  });
  up.addDownTrack(down, 0);
  const send = (
    sequenceNumber: number,
    payload: Uint8Array,
    more: { now?: number; timestamp?: number; extensions?: Record<number, Uint8Array | string> } =
      {},
  ) =>
    up.receive(
      0,
      viewOf(rtpPacket({
        ssrc: 1000,
        payloadType: source.payloadType,
        sequenceNumber,
        timestamp: more.timestamp ?? 0,
        extensions: more.extensions ?? PUBLISHED,
        payload,
      })),
      more.now ?? 0,
    );
  return { up, down, sink, layers, plis, send };
}

const KEY = vp8Payload({ pictureId: 5, bits: 7, tl0: 1, key: true });
const DELTA = vp8Payload({ pictureId: 6, bits: 7, tl0: 2 });

Deno.test("DownTrack writes its own SSRC, payload type and extensions; the publisher's never leak", () => {
  const { sink, send } = setup();
  send(65_535, KEY, { timestamp: 0xffff_fff0 });
  const [view] = sink.views;
  assert.ok(view !== undefined);
  assert.deepEqual([view.ssrc, view.payloadType, view.sequenceNumber, view.timestamp], [
    0xcafe_0001,
    120,
    65_535,
    0xffff_fff0,
  ]);
  assert.equal(readTextExtension(view, 7), "17");
  assert.equal(readTransportSequence(view, 8), 65_530);
  assert.equal(view.extensionLength(9), 0, "numbers say more than the time of sending");
  assert.equal(view.bytes[view.extensionOffset(10)], 0x80 | 20, "audio level passed on");
  for (const id of [1, 2, 3, 4, 5, 6, 11]) assert.equal(view.extensionLength(id), 0, `id ${id}`);
});

Deno.test("DownTrack writes 7-bit VP8 picture ids with 15 bits and leaves the rest of the payload", () => {
  const { sink, send } = setup();
  send(1, KEY);
  send(2, DELTA);
  const payloads = sink.views.map((view) => [...view.bytes.subarray(view.payloadOffset)]);
  const wide = [
    vp8Payload({ pictureId: 5, tl0: 1, key: true }),
    vp8Payload({ pictureId: 6, tl0: 2 }),
  ];
  assert.deepEqual(payloads, wide.map((payload) => [...payload]));
});

Deno.test("DownTrack resumes audio at once after a subscriber's mute, with numbers and time going on", () => {
  const { down, sink, send } = setup({ kind: "audio" });
  const audio = (sequenceNumber: number, now: number) =>
    send(sequenceNumber, Uint8Array.of(1), { now, timestamp: (0xffff_ff00 + now * 48) >>> 0 });
  for (let i = 0; i < 5; i++) audio(65_534 + i, i * 20);
  down.setTarget({ ...ALL, enabled: false }, 100);
  for (let i = 5; i < 50; i++) audio(65_534 + i, i * 20);
  down.setTarget(ALL, 1000);
  audio(65_534 + 50, 1000);
  const [before, after] = sink.views.slice(-2);
  assert.equal(sink.packets.length, 6);
  assert.equal(after!.sequenceNumber, (before!.sequenceNumber + 1) & 0xffff);
  assert.equal((after!.timestamp - before!.timestamp) | 0, (1000 - 80) * 48);
});

Deno.test("DownTrack passes a long dependency descriptor in the two-byte form", () => {
  const { up, sink, send } = setup();
  // Two-byte source: profile 0x1000, id 5 with 20 bytes.
  const long = Uint8Array.from({ length: 20 }, (_, i) => i === 0 ? 0x80 : i === 3 ? 0x80 : i);
  const plain = rtpPacket({ ssrc: 1000, payloadType: 96, sequenceNumber: 3, payload: KEY });
  const bytes = Uint8Array.of(
    plain[0]! | 0x10,
    ...plain.subarray(1, 12),
    ...[0x10, 0x00, 0, 6, 5, 20, ...long, 0, 0],
    ...plain.subarray(12),
  );
  assert.equal(up.receive(0, viewOf(bytes), 0), DROP.none);
  const [view] = sink.views;
  assert.ok(view !== undefined);
  const at = view.extensionOffset(11);
  assert.deepEqual([...view.bytes.subarray(at, at + view.extensionLength(11))], [...long]);
  assert.equal(readTextExtension(view, 7), "17");
  send(4, DELTA);
  assert.equal(sink.packets[1]![12], 0xbe, "short ones stay in the one-byte form");
});

Deno.test("DownTrack starts video on a key frame only, audio at once", () => {
  const video = setup();
  video.send(1, DELTA);
  video.send(2, DELTA);
  assert.equal(video.sink.packets.length, 0);
  assert.ok(video.plis.length > 0, "and asks for one");
  video.send(3, KEY);
  assert.equal(video.sink.packets.length, 1);
  assert.deepEqual(video.layers, [0]);
  const audio = setup({ kind: "audio" });
  audio.send(50, Uint8Array.of(1, 2, 3));
  assert.equal(audio.sink.packets.length, 1);
  assert.deepEqual(audio.plis, []);
});

Deno.test("DownTrack joins at a key frame whose start RTX brings, with what followed it", () => {
  const { up, sink, send } = setup();
  send(1, DELTA);
  send(3, vp8Payload({ pictureId: 9, tl0: 3, start: false, body: [7] }));
  send(4, vp8Payload({ pictureId: 10, tl0: 4, body: [8] }));
  assert.equal(sink.packets.length, 0);
  const key = vp8Payload({ pictureId: 9, tl0: 3, key: true });
  const rtx = rtpPacket({ ssrc: 2, payloadType: 97, payload: Uint8Array.of(0, 2, ...key) });
  assert.equal(up.receiveRtx(0, viewOf(rtx), 50), DROP.none);
  assert.deepEqual(sink.views.map((view) => view.sequenceNumber), [2, 3, 4]);
});

Deno.test("DownTrack resends by RTX exactly what it sent, framed by the original number", () => {
  const { down, sink, send } = setup({ subscriberExtensions: [SUBSCRIBER_EXTENSIONS[0]!] });
  send(100, KEY, { timestamp: 1000 });
  send(101, DELTA, { timestamp: 4000, now: 33 });
  down.receiveNack(Uint16Array.of(101, 100), 2, 200);
  const [first, second, resent, other] = sink.packets.map(viewOf);
  assert.ok(first && second && resent && other);
  assert.deepEqual([resent.ssrc, resent.payloadType, resent.sequenceNumber], [
    0xcafe_0002,
    121,
    65_535,
  ]);
  assert.equal(other.sequenceNumber, 0, "RTX has its own sequence");
  for (const [rtx, original] of [[resent, second], [other, first]] as const) {
    const header = 12 + 4 + 4;
    const expected = [
      ...original.bytes.subarray(12, header),
      original.sequenceNumber >> 8,
      original.sequenceNumber & 0xff,
      ...original.bytes.subarray(header),
    ];
    assert.deepEqual([...rtx.bytes.subarray(12)], expected);
    assert.equal(rtx.timestamp, original.timestamp);
    assert.equal(rtx.marker, original.marker);
  }
  assert.equal(down.stats().retransmitted, 2);
});

Deno.test("DownTrack without RTX resends the same bytes", () => {
  const { down, sink, send } = setup({
    rtx: false,
    subscriberExtensions: [SUBSCRIBER_EXTENSIONS[0]!],
  });
  send(100, KEY);
  down.receiveNack(Uint16Array.of(100), 1, 200);
  assert.deepEqual(sink.packets[1], sink.packets[0]);
});

Deno.test("DownTrack without RTX resends numbers and times as they were: AES-GCM's nonce is the same", () => {
  const absSendTime = { id: 9, uri: EXTENSION_URI.absSendTime };
  const transportCc = { id: 8, uri: EXTENSION_URI.transportCc };
  for (const kind of ["audio", "video"] as const) {
    for (const extension of [absSendTime, transportCc]) {
      const { down, sink, send } = setup({
        kind,
        rtx: false,
        subscriberExtensions: [SUBSCRIBER_EXTENSIONS[0]!, extension],
      });
      send(100, KEY, { now: 10 });
      send(101, DELTA, { now: 30 });
      down.receiveNack(Uint16Array.of(100, 101), 2, 200);
      down.receiveNack(Uint16Array.of(101), 1, 500);
      const [first, second, ...again] = sink.packets;
      assert.deepEqual(again, [first, second, second], `${kind} ${extension.uri}`);
      assert.ok(sink.kinds.slice(2).every((kind) => kind === PACKET_KIND.again));
      send(102, DELTA, { now: 520 });
      if (extension !== transportCc) continue;
      const numbers = sink.views.map((view) => readTransportSequence(view, 8));
      assert.deepEqual(numbers, [65_530, 65_531, 65_530, 65_531, 65_531, 65_532]);
    }
  }
});

Deno.test("DownTrack without RTX numbers what had no room once, when it is asked for", () => {
  const { down, sink, send } = setup({
    kind: "audio",
    rtx: false,
    subscriberExtensions: [{ id: 8, uri: EXTENSION_URI.transportCc }],
  });
  send(100, KEY);
  sink.isFull = true;
  send(101, KEY, { now: 20 });
  sink.isFull = false;
  down.receiveNack(Uint16Array.of(101), 1, 100);
  down.receiveNack(Uint16Array.of(101), 1, 300);
  const [, second, third] = sink.packets;
  assert.deepEqual(third, second);
  assert.deepEqual(sink.kinds, [PACKET_KIND.audio, PACKET_KIND.repair, PACKET_KIND.again]);
});

Deno.test("DownTrack without RTX resends what had no number without one, and what had one with it", () => {
  const { down, sink, send } = setup({
    rtx: false,
    subscriberExtensions: [{ id: 8, uri: EXTENSION_URI.transportCc }],
  });
  sink.skips = true;
  send(100, KEY);
  sink.skips = false;
  send(101, DELTA, { now: 20 });
  down.receiveNack(Uint16Array.of(100), 1, 100);
  sink.skips = true;
  down.receiveNack(Uint16Array.of(101), 1, 100);
  const [first, second, ...again] = sink.packets;
  assert.deepEqual(again, [first, second]);
  assert.deepEqual(sink.views.map((view) => view.extensionLength(8)), [0, 2, 0, 2]);
});

Deno.test("DownTrack resends one packet at most 3 times, about a round trip apart", () => {
  const { down, sink, send } = setup();
  send(100, KEY);
  const nack = (now: number) => {
    const before = sink.packets.length;
    down.receiveNack(Uint16Array.of(100), 1, now);
    return sink.packets.length - before;
  };
  // Nine tenths of 70 ms, which is taken for granted until the round trip is measured.
  assert.deepEqual([10, 50, 72, 73].map(nack), [1, 0, 0, 1]);
  down.receiveReport(200, new ReportBlock(), 73);
  assert.deepEqual([173, 252, 253, 600].map(nack), [0, 0, 1, 0]);
  assert.equal(down.drops.get(DROP.nackTooSoon), 4);
  assert.equal(down.drops.get(DROP.nackExhausted), 1);
  down.receiveNack(Uint16Array.of(99, 5000), 2, 600);
  assert.equal(down.drops.get(DROP.nackUnknown), 2);
});

Deno.test("DownTrack resends what is told to be lost once, and not again for the request of that time", () => {
  const { down, sink, send } = setup();
  send(100, KEY);
  send(101, DELTA, { now: 33 });
  down.lost(101, 90);
  assert.deepEqual(sink.kinds.slice(2), [PACKET_KIND.repair]);
  down.lost(101, 500);
  down.receiveNack(Uint16Array.of(101), 1, 100);
  assert.equal(sink.packets.length, 3, "a request that left before it came");
  down.receiveNack(Uint16Array.of(101, 100), 2, 200);
  down.lost(100, 900);
  assert.equal(sink.packets.length, 5, "what was asked for is the requests' business");
  down.lost(5_000, 900);
  assert.equal(sink.packets.length, 5, "what was never sent");
  down.setTarget({ enabled: false, maxSpatial: 2, maxTemporal: 3 }, 1_000);
  send(102, DELTA, { now: 1_000 });
  down.lost(102, 1_100);
  assert.equal(sink.packets.length, 5, "nothing of it is wanted");
});

Deno.test("DownTrack sends nothing again unasked to who has no stream for it", () => {
  const { down, sink, send } = setup({ rtx: false });
  send(100, KEY);
  send(101, DELTA, { now: 33 });
  down.lost(101, 90);
  assert.equal(sink.packets.length, 2);
  down.receiveNack(Uint16Array.of(101), 1, 100);
  assert.equal(sink.packets.length, 3);
});

Deno.test("DownTrack resends video within its connection's budget, of which all its tracks have a part", () => {
  const budget = new RepairBudget();
  const { down, sink, send } = setup({ repairs: budget });
  const most = 40;
  for (let i = 0; i < most; i++) {
    send(
      100 + i,
      i === 0 ? KEY : vp8Payload({ pictureId: 6 + i, tl0: 2, body: new Array(1_000).fill(1) }),
    );
  }
  const numbers = Uint16Array.from({ length: most }, (_, i) => 100 + i);
  const resent = (now: number) => {
    const before = sink.packets.length;
    down.receiveNack(numbers, most, now);
    return sink.packets.length - before;
  };
  budget.setRate(320_000, 1_000);
  const first = resent(1_000);
  assert.ok(first >= 14 && first <= 16, `a burst of 15,000 bytes: ${first}`);
  assert.equal(down.drops.get(DROP.nackOverBudget), most - first);
  // Half of 40,000 bytes a second is 20 bytes a ms.
  const later = resent(1_500);
  assert.ok(later >= 9 && later <= 11, `10,000 bytes in 500 ms: ${later}`);
  budget.setRate(Infinity, 1_500);
  assert.ok(resent(2_000) > 10, "without a limit everything");
});

Deno.test("DownTrack resends each packet twice where its connection says so, in two numbers of the RTX stream", () => {
  const budget = new RepairBudget();
  const { down, sink, send } = setup({ repairs: budget });
  send(100, KEY);
  send(101, DELTA);
  budget.copies = 2;
  down.receiveNack(Uint16Array.of(100, 101), 2, 50);
  const again = sink.views.slice(2);
  assert.deepEqual(again.map(({ ssrc }) => ssrc), [RTX_SSRC, RTX_SSRC, RTX_SSRC, RTX_SSRC]);
  const first = again[0]!.sequenceNumber;
  const numbers = again.map(({ sequenceNumber }) => (sequenceNumber - first) & 0xffff);
  assert.deepEqual(numbers, [0, 1, 2, 3]);
  const originals = again.map((view) =>
    (view.bytes[view.payloadOffset]! << 8) | view.bytes[view.payloadOffset + 1]!
  );
  assert.deepEqual(originals, [100, 100, 101, 101]);
  down.receiveNack(Uint16Array.of(100), 1, 55);
  assert.equal(sink.packets.length, 6, "not again within a round trip");
});

Deno.test("repairCopies() is more than one on long ways that lose packets, and on all that lose many, unless they are full", () => {
  assert.equal(repairCopies(0.05, 200, false, true), 2);
  assert.equal(repairCopies(0.05, 200, true, true), 1);
  assert.equal(repairCopies(0.009, 200, false, true), 1);
  assert.equal(repairCopies(0.05, 50, false, true), 1);
  assert.equal(repairCopies(0.1, 50, false, true), 2);
  assert.equal(repairCopies(0.1, 50, true, true), 1);
  assert.equal(repairCopies(0.1, 50, false, false), 1, "not all that is wanted fits");
  assert.equal(repairCopies(0.05, 200, false, false), 2);
  assert.equal(repairCopies(0.1, 200, false, true), 3);
  assert.equal(repairCopies(0.1, 200, false, false), 2);
  assert.equal(repairCopies(0.2, 50, false, true), 1);
  assert.equal(repairCopies(0.15, 200, false, true), 2, "nearly half of the media again");
  assert.equal(repairCopies(0.1, -1, false, true), 1);
  assert.equal(repairCopies(0.05, -1, false, true), 1);
});

Deno.test("DownTrack pads with recent packets on the retransmission stream, else with padding alone", () => {
  const { down, sink, send } = setup();
  assert.equal(down.pad(true, 0), false, "nothing was sent yet");
  assert.equal(down.pad(false, 0), true);
  const [empty] = sink.views;
  assert.deepEqual([empty!.ssrc, empty!.payloadType], [RTX_SSRC, 121]);
  const last = empty!.bytes.length - 1;
  assert.equal(empty!.bytes[0]! & 0x20, 0x20);
  assert.equal(
    empty!.payloadOffset + empty!.bytes[last]!,
    empty!.bytes.length,
    "nothing but padding",
  );
  send(100, KEY, { now: 10 });
  send(101, DELTA, { now: 20 });
  const before = sink.packets.length;
  assert.equal(down.pad(true, 30), true);
  assert.equal(down.pad(true, 30), true);
  const again = sink.views.slice(before);
  const original = again.map((view) =>
    (view.bytes[view.payloadOffset]! << 8) | view.bytes[view.payloadOffset + 1]!
  );
  assert.deepEqual(original.sort(), [100, 101]);
  for (const view of again) assert.deepEqual([view.ssrc, view.payloadType], [RTX_SSRC, 121]);
  const sequences = [empty!, ...again].map((view) => view.sequenceNumber);
  assert.deepEqual(sequences.map((sequence) => (sequence - sequences[0]!) & 0xffff), [0, 1, 2]);
  assert.equal(down.pad(true, 30, DELTA.length), false, "nothing is so small with its header");
  assert.equal(down.pad(true, 2_000), false, "what is old is not recent");
});

Deno.test("DownTrack leaves padding-only packets out of its numbers", () => {
  const { sink, send } = setup();
  send(1, KEY);
  send(2, new Uint8Array(0));
  send(3, DELTA);
  send(5, vp8Payload({ pictureId: 7, tl0: 2 }));
  send(4, new Uint8Array(0));
  const views = sink.views;
  assert.deepEqual(views.map((view) => view.sequenceNumber), [1, 2, 4, 3]);
  assert.equal(views[3]!.payloadLength, 0, "a late one fills the number kept for it");
  assert.equal(views[3]!.paddingLength, 0);
});

Deno.test("DownTrack maps the publisher's sender report to its own timestamps (lip sync)", () => {
  const { up, down, sink, send } = setup();
  const figures = new SenderReportFigures();
  send(1, KEY, { timestamp: 900_000 });
  assert.equal(down.senderReport(0, figures), false, "nothing to map yet");
  up.receiveSenderReport(0, 3_900_000_000, 0x8000_0000, 900_000, 10);
  assert.ok(down.senderReport(10, figures));
  // Muted for a while: the offset changes, because the publisher's clock stood still.
  up.setMuted(true, 20);
  up.setMuted(false, 5000);
  send(2, vp8Payload({ pictureId: 6, tl0: 2, key: true }), { timestamp: 903_000, now: 5010 });
  assert.equal(sink.views[1]!.timestamp, 900_000 + 5010 * 90);
  // By the report from before it 903000 would be long ago.
  assert.equal(down.senderReport(5010, figures), false, "until the publisher says what it is now");
  up.receiveSenderReport(0, 3_900_000_005, 0x8000_0000, 903_000, 5010);
  assert.equal(down.senderReport(5010, figures), false, "and a picture is where that puts it");
  const next = vp8Payload({ pictureId: 7, tl0: 3 });
  send(3, next, { timestamp: 906_000, now: 5043 });
  const out = sink.views[2]!.timestamp;
  assert.equal(out, 900_000 + 5000 * 90 + 3_000, "as if the clock had gone on");
  assert.ok(down.senderReport(6010, figures));
  const ntpMs = ntpToMs(figures.ntpSeconds, figures.ntpFraction);
  assert.ok(Math.abs(ntpMs - (3_900_000_005_500 + 1000)) < 0.01);
  const captured = 3_900_000_005_500 + 3_000 / 90;
  const mapped = ntpMs + ((out - figures.rtpTimestamp) | 0) / 90;
  assert.ok(Math.abs(mapped - captured) < 0.1, `${mapped - captured} ms off`);
  assert.deepEqual([figures.ssrc, figures.packetCount], [0xcafe_0001, 3]);
  assert.equal(figures.octetCount, KEY.length + KEY.length + 1 + next.length);
});

Deno.test("DownTrack reports no time after a pause in which the publisher's clock stood still", () => {
  const told = (pauseMs: number, stoodStillMs: number) => {
    const { up, down, send } = setup();
    const figures = new SenderReportFigures();
    send(1, KEY, { timestamp: 900_000 });
    up.receiveSenderReport(0, 3_900_000_000, 0, 900_000, 0);
    const timestamp = 900_000 + (pauseMs - stoodStillMs) * 90;
    send(2, vp8Payload({ pictureId: 6, tl0: 2 }), { timestamp, now: pauseMs });
    return down.senderReport(pauseMs, figures);
  };
  assert.equal(told(3_000, 3_000), false);
  assert.equal(told(3_000, 0), true, "its clock went on");
  assert.equal(told(3_000, 400), true, "what came is late");
  assert.equal(told(900, 900), true, "it is a leap and no pause: a stream may have it anywhere");
});

Deno.test("DownTrack picks the payload type by codec and profile, and refuses what fits none", () => {
  const h264 = (pt: number, mode: number, profile: string) =>
    codec("video/H264", pt, pt + 1, `packetization-mode=${mode};profile-level-id=${profile}`);
  const sps = Uint8Array.of(0x67, 1, 2, 3);
  const match = setup({
    source: h264(96, 1, "42e01f"),
    codecs: [h264(30, 0, "42e01f"), h264(32, 1, "640032"), h264(34, 1, "42E034")],
  });
  match.send(1, sps);
  assert.equal(match.sink.views[0]!.payloadType, 34);
  assert.deepEqual([...match.sink.packets[0]!.slice(-4)], [...sps], "H.264 is not touched");
  const vp9 = setup({
    source: codec("video/VP9", 98, 99, "profile-id=0"),
    codecs: [codec("video/VP9", 100, 101, "profile-id=2"), codec("video/VP8", 96)],
  });
  vp9.send(1, Uint8Array.of(0x08, 1, 2));
  assert.equal(vp9.sink.packets.length, 0);
  assert.equal(vp9.down.drops.get(DROP.unsupportedCodec), 1);
  assert.deepEqual(vp9.plis, [], "no key frame is asked for what cannot be sent");
});

Deno.test("DownTrack goes on when the publisher restarts or changes codec on a layer", () => {
  const { up, down, sink, send } = setup({
    codecs: [codec("video/VP8", 120, 121), codec("video/H264", 122, 123, "packetization-mode=1")],
  });
  send(100, KEY, { timestamp: 500 });
  send(40_000, DELTA, { now: 100 });
  send(40_001, vp8Payload({ pictureId: 900, tl0: 77 }), { now: 100, timestamp: 77 });
  assert.equal(sink.packets.length, 1, "waits for a key frame of the new stream");
  send(40_002, vp8Payload({ pictureId: 901, tl0: 78, key: true }), { now: 200, timestamp: 3077 });
  up.bindLayer(0, 1000, codec("video/H264", 102, 103, "packetization-mode=1"), 300);
  const sps = rtpPacket({
    ssrc: 1000,
    payloadType: 102,
    sequenceNumber: 9,
    payload: Uint8Array.of(0x67, 1),
  });
  up.receive(0, viewOf(sps), 300);
  const views = sink.views;
  assert.deepEqual(views.map((view) => view.sequenceNumber), [100, 101, 102]);
  assert.deepEqual(views.map((view) => view.timestamp), [500, 500 + 18_000, 500 + 27_000]);
  assert.deepEqual(views.map((view) => view.payloadType), [120, 120, 122]);
  down.receiveNack(Uint16Array.of(101), 1, 1000);
  assert.equal(viewOf(sink.packets[3]!).payloadType, 121, "still resent as it was sent");
});

Deno.test("DownTrack goes over to another up-track of another codec with numbers and time going on", () => {
  const h264 = codec("video/H264", 102, 103, "packetization-mode=1");
  const { up, down, sink, send } = setup({
    codecs: [codec("video/VP8", 120, 121), codec("video/H264", 122, 123, "packetization-mode=1")],
  });
  send(100, KEY, { timestamp: 500 });
  send(101, DELTA, { timestamp: 3500, now: 33 });
  const asked: number[] = [];
  const other = new UpTrack({
    kind: "video",
    extensions: PUBLISHER_EXTENSIONS,
    listener: { onNack() {}, onKeyFrameNeeded: (ssrc) => asked.push(ssrc) },
  });
  other.bindLayer(0, 2000, h264, 50);
  up.removeDownTrack(down);
  other.addDownTrack(down, 100);
  assert.deepEqual(asked, [2000], "it starts with a key frame");
  const packet = (sequenceNumber: number, payload: Uint8Array, timestamp: number) =>
    viewOf(rtpPacket({ ssrc: 2000, payloadType: 102, sequenceNumber, timestamp, payload }));
  other.receive(0, packet(7_000, Uint8Array.of(0x41, 1), 90_000), 100);
  assert.equal(sink.packets.length, 2, "a delta frame is no start");
  other.receive(0, packet(7_001, Uint8Array.of(0x67, 1), 99_000), 133);
  send(102, DELTA, { timestamp: 6500, now: 140 });
  const views = sink.views;
  assert.deepEqual(views.map((view) => view.ssrc), [0xcafe_0001, 0xcafe_0001, 0xcafe_0001]);
  assert.deepEqual(views.map((view) => view.sequenceNumber), [100, 101, 102]);
  assert.deepEqual(views.map((view) => view.payloadType), [120, 120, 122]);
  assert.deepEqual(views.map((view) => view.timestamp), [500, 3500, 3500 + 9_000]);
  down.receiveNack(Uint16Array.of(100, 102), 2, 500);
  assert.deepEqual(sink.views.slice(3).map((view) => [view.ssrc, view.payloadType]), [
    [0xcafe_0002, 123],
  ], "what came from the first cannot be sent again");
});

Deno.test("DownTrack asks for the wanted layer every 2 × RTT within 200–1000 ms until it is locked", () => {
  for (const [rtt, interval] of [[10, 200], [150, 300], [5000, 1000]] as const) {
    const asked: number[] = [];
    const { up, down } = setup();
    down.receiveReport(rtt, new ReportBlock(), 0);
    const original = up.requestKeyFrame.bind(up);
    up.requestKeyFrame = (spatial, now) => {
      asked.push(now);
      original(spatial, now);
    };
    down.setTarget(ALL, 0);
    for (let now = 1; now <= 3000; now++) if (now >= down.nextWakeAt()) down.tick(now);
    assert.deepEqual(asked.slice(0, 3), [0, interval, 2 * interval]);
  }
});

Deno.test("DownTrack removed from its up-track gets nothing more, and NACKs find nothing", () => {
  const { up, down, sink, send } = setup();
  send(1, KEY);
  up.removeDownTrack(down);
  send(2, DELTA);
  down.receiveNack(Uint16Array.of(1), 1, 500);
  assert.equal(sink.packets.length, 1);
  assert.equal(up.downTrackCount, 0);
  assert.equal(down.nextWakeAt(), Infinity);
});

Deno.test("DownTrack removed by its own onLayer, in the middle of a packet, does no harm", () => {
  const { up, sink, send } = setup();
  const second = new RecordingSink();
  const down: DownTrack = new DownTrack({
    section: { mid: "1", kind: "video", ssrc: 9, codecs: [codec("video/VP8", 96)], extensions: [] },
    publisherExtensions: [],
    sink: second,
    place: undefined,
    listener: layerListener(() => up.removeDownTrack(down)),
    target: ALL,
  });
  up.addDownTrack(down, 0);
  send(1, DELTA);
  send(3, DELTA);
  send(2, KEY);
  send(4, vp8Payload({ pictureId: 8, tl0: 3 }));
  assert.equal(sink.packets.length, 3);
  assert.equal(second.packets.length, 1, "the packet that was on its way");
  assert.equal(up.downTrackCount, 1);
});
