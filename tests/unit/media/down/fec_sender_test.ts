/** Repair packets of what a subscriber is sent, and what a receiver makes of them. */
import assert from "node:assert/strict";
import { PACKET_KIND } from "../../../../lib/base/packet_sink.ts";
import { EXTENSION_URI, FLEXFEC_MIME } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { GROUP_MS } from "../../../../lib/media/down/fec_sender.ts";
import { Pacer } from "../../../../lib/media/down/pacer.ts";
import { RepairBudget } from "../../../../lib/media/down/repair_budget.ts";
import { FecDecoder } from "../../../../lib/media/layer/fec_decoder.ts";
import { PacketCache } from "../../../../lib/media/layer/packet_cache.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { FlexfecHeader } from "../../../../lib/wire/flexfec.ts";
import type { ExtSeq } from "../../../../lib/wire/seq.ts";
import {
  codec,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const [SSRC, RTX, FEC] = [5, 6, 7];
const FEC_TYPE = 49;
const NUMBER_ID = 5;

/** Keeps what each packet was for. */
function setup(options: { pacer?: Pacer; repairs?: RepairBudget; takesRepair?: boolean } = {}) {
  const { takesRepair = true, ...more } = options;
  const up = new UpTrack({
    kind: "video",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 1000, codec("video/VP8", 96), 0);
  const sink = new RecordingSink();
  const timed: number[] = [];
  const down = new DownTrack({
    section: {
      mid: "1",
      kind: "video",
      ssrc: SSRC,
      rtxSsrc: RTX,
      ...(takesRepair ? { fecSsrc: FEC } : {}),
      codecs: [codec("video/VP8", 101, 102), codec(FLEXFEC_MIME, FEC_TYPE)],
      extensions: [{ id: NUMBER_ID, uri: EXTENSION_URI.transportCc }],
    },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: {
      onLayer() {},
      onTimed: (at) => void timed.push(at),
      onFailed: (error) => {
        throw error;
      },
    },
    target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
    firstRtxSequence: 500,
    ...more,
  });
  up.addDownTrack(down, 0);
  let number = 65_530;
  const send = (count: number, now: number) => {
    for (let i = 0; i < count; i++) {
      const n = number++;
      const body = new Array(50 + (n * 37) % 700).fill(n & 0xff);
      const payload = vp8Payload({ pictureId: n & 0x7fff, tl0: n & 0xff, key: n === 65_530, body });
      const fields = { ssrc: 1000, payloadType: 96, sequenceNumber: n & 0xffff, timestamp: n * 90 };
      up.receive(0, viewOf(rtpPacket({ ...fields, marker: true, payload })), now);
    }
  };
  const repairs = () => sink.views.filter(({ ssrc }) => ssrc === FEC);
  const media = () => sink.views.filter(({ ssrc }) => ssrc === SSRC);
  return { down, sink, send, repairs, media, timed };
}

/** Makes of all that was sent, but for one packet, that one again. */
function recover(sink: RecordingSink, lost: number): Uint8Array | undefined {
  const stream = { ssrc: SSRC, cache: new PacketCache(512, 512), highest: 0 as ExtSeq };
  const decoder = new FecDecoder([NUMBER_ID]);
  let made: Uint8Array | undefined;
  for (const view of sink.views) {
    const { ssrc, bytes, payloadOffset, payloadLength, sequenceNumber, length } = view;
    if (ssrc === FEC) {
      assert.ok(decoder.take(stream, bytes, payloadOffset, payloadLength));
      const seq = decoder.recover(stream);
      if (seq >= 0) made = decoder.bytes.slice(0, decoder.length);
      if (seq >= 0) assert.equal(seq & 0xffff, lost);
      continue;
    }
    const seq = (sequenceNumber < 0x8000 ? 2 : 1) * 0x10000 + sequenceNumber;
    if (seq > stream.highest) stream.highest = seq as ExtSeq;
    if (sequenceNumber === lost) continue;
    stream.cache.stage(seq as ExtSeq, bytes, length);
    stream.cache.storeStaged(seq as ExtSeq, length, seq, 0);
  }
  return made;
}

/** A packet as a receiver makes it: without its transport-wide number. */
function unnumbered(bytes: Uint8Array): Uint8Array {
  const at = viewOf(bytes).extensionOffset(NUMBER_ID);
  assert.ok(at > 0);
  return bytes.slice().fill(0, at, at + 2);
}

Deno.test("DownTrack sends a repair packet after each group, of which any one packet can be made", () => {
  const { down, sink, send, repairs, media } = setup();
  down.setRepairGroup(4);
  send(20, 1_000);
  assert.equal(repairs().length, 5);
  assert.deepEqual(sink.views.map(({ ssrc }) => ssrc).slice(0, 6), [5, 5, 5, 5, 7, 5]);
  for (const { bytes, sequenceNumber } of media()) {
    assert.deepEqual(recover(sink, sequenceNumber), unnumbered(bytes), `${sequenceNumber}`);
  }
});

Deno.test("DownTrack's repair packets have numbers of their own, and those of the connection", () => {
  const { down, sink, send, repairs } = setup();
  down.setRepairGroup(3);
  send(9, 1_000);
  assert.deepEqual(repairs().map(({ sequenceNumber }) => sequenceNumber), [500, 501, 502]);
  assert.deepEqual(repairs().map(({ payloadType }) => payloadType), [FEC_TYPE, FEC_TYPE, FEC_TYPE]);
  const numbers = sink.views.map((view) => {
    const at = view.extensionOffset(NUMBER_ID);
    return (view.bytes[at]! << 8) | view.bytes[at + 1]!;
  });
  assert.deepEqual(numbers, numbers.map((_, i) => (numbers[0]! + i) & 0xffff));
  assert.deepEqual(
    sink.kinds.filter((kind) => kind !== PACKET_KIND.media),
    new Array(3).fill(PACKET_KIND.repair),
  );
});

Deno.test("DownTrack ends a group that is not full after 100 ms", () => {
  const { down, send, repairs, timed } = setup();
  down.setRepairGroup(10);
  send(3, 1_000);
  assert.ok(timed.includes(1_000 + GROUP_MS));
  down.tick(1_000 + GROUP_MS - 1);
  assert.equal(repairs().length, 0);
  assert.equal(down.nextWakeAt(), 1_000 + GROUP_MS);
  down.tick(1_000 + GROUP_MS);
  const [repair] = repairs();
  const header = new FlexfecHeader();
  assert.ok(header.parse(repair!.bytes, repair!.payloadOffset, repair!.payloadLength));
  assert.equal(header.count, 3);
  assert.equal(down.nextWakeAt(), Infinity);
});

Deno.test("DownTrack sends no repair packets unasked, nor to whom does not take them", () => {
  const quiet = setup();
  quiet.send(20, 1_000);
  assert.equal(quiet.repairs().length, 0);
  const old = setup({ takesRepair: false });
  old.down.setRepairGroup(3);
  old.send(20, 1_000);
  assert.equal(old.sink.packets.length, 20);
  quiet.down.setRepairGroup(3);
  quiet.send(2, 1_010);
  quiet.down.setRepairGroup(0);
  quiet.send(20, 1_020);
  quiet.down.tick(2_000);
  assert.equal(quiet.repairs().length, 0, "and what was begun is forgotten");
});

Deno.test("DownTrack's repair packets are within the budget for repairs", () => {
  const repairs = new RepairBudget();
  repairs.setRate(8_000, 1_000);
  const { down, send, repairs: sent, media } = setup({ repairs });
  down.setRepairGroup(2);
  send(200, 1_000);
  const bytes = sent().reduce((sum, { length }) => sum + length, 0);
  assert.equal(media().length, 200);
  // 500 ms of half the rate, or a key frame's worth, and the packet that takes the last of it.
  assert.ok(bytes > 14_000 && bytes < 16_500, `${bytes}`);
});

Deno.test("DownTrack protects packets of a burst as they leave", () => {
  const pacer = new Pacer(() => {});
  pacer.setRate(1_000_000);
  const { down, sink, send, repairs, media } = setup({ pacer });
  down.setRepairGroup(4);
  send(40, 1_000);
  assert.equal(repairs().length, 2);
  for (let now = 1_010; now <= 1_100; now += 10) pacer.tick(now);
  assert.equal(repairs().length, 10);
  for (const { bytes, sequenceNumber } of media()) {
    assert.deepEqual(recover(sink, sequenceNumber), unnumbered(bytes), `${sequenceNumber}`);
  }
});

Deno.test("DownTrack does not protect what it sends again", () => {
  const { down, send, repairs } = setup();
  down.setRepairGroup(4);
  send(3, 1_000);
  down.receiveNack(Uint16Array.of(65_531), 1, 1_020);
  assert.equal(repairs().length, 0);
});

Deno.test("what is told to be lost waits for its repair packet, or for a request", () => {
  const { down, sink, send } = setup();
  const resent = () => sink.views.filter(({ ssrc }) => ssrc === RTX).length;
  down.setRepairGroup(4);
  send(2, 0);
  down.lost(65_531, 60);
  assert.equal(resent(), 0);
  down.receiveNack(Uint16Array.of(65_531), 1, 100);
  assert.equal(resent(), 1);
  down.setRepairGroup(0);
  send(1, 120);
  down.lost(65_532, 180);
  assert.equal(resent(), 2);
});
