/** What an up-track makes of its publisher's repair packets. */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { FecEncoder } from "../../../../lib/media/down/fec_encoder.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import {
  NUMBER_ID,
  protect,
  PROTECTED_SSRC,
  TIME_ID,
} from "../../../support/media/protected_stream.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const VP8 = codec("video/VP8", 96, 97);

/** A publisher that protects its packets, and a subscriber. */
function setup() {
  const nacked: number[] = [];
  const up = new UpTrack({
    kind: "video",
    extensions: [
      { id: NUMBER_ID, uri: EXTENSION_URI.transportCc },
      { id: TIME_ID, uri: EXTENSION_URI.absSendTime },
    ],
    listener: {
      onNack: (_ssrc, numbers, count) => void nacked.push(...numbers.subarray(0, count)),
      onKeyFrameNeeded() {},
    },
  });
  up.bindLayer(0, PROTECTED_SSRC, VP8, 0);
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: {
      mid: "1",
      kind: "video",
      ssrc: 5,
      codecs: [codec("video/VP8", 101)],
      extensions: [],
    },
    publisherExtensions: up.extensions,
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
  });
  up.addDownTrack(down, 0);
  const encoder = new FecEncoder(PROTECTED_SSRC);
  const random = new SeededRandom(8);
  /** Sends packet `n`, which is lost or not. */
  const send = (n: number, isLost = false, now = n * 5) => {
    const body = [n & 0xff, ...random.bytes(20 + random.below(400))];
    const bytes = rtpPacket({
      ssrc: PROTECTED_SSRC,
      payloadType: 96,
      sequenceNumber: n & 0xffff,
      timestamp: n * 3_000,
      marker: true,
      extensions: { [NUMBER_ID]: random.bytes(2), [TIME_ID]: random.bytes(3) },
      payload: vp8Payload({ pictureId: n & 0x7fff, tl0: n & 0xff, key: n === 100, body }),
    });
    protect(encoder, bytes, n);
    if (!isLost) up.receive(0, viewOf(bytes), now);
    return bytes;
  };
  const repair = (now: number, length = Infinity) => {
    assert.ok(encoder.finish());
    const payload = encoder.bytes.slice(encoder.at, encoder.at + Math.min(encoder.length, length));
    return up.receiveFec(
      0,
      viewOf(rtpPacket({ ssrc: 9, payloadType: 49, sequenceNumber: 1, timestamp: 1, payload })),
      now,
    );
  };
  const sent = () => sink.views.map(({ sequenceNumber }) => sequenceNumber);
  return { up, send, repair, sent, sink, nacked };
}

Deno.test("UpTrack makes a lost packet of a repair packet, forwards it, and never asks for it", () => {
  const { up, send, repair, sent, sink, nacked } = setup();
  const packets = [100, 101, 102, 103].map((n) => send(n, n === 102));
  assert.deepEqual(sent(), [100, 101, 103]);
  assert.equal(repair(520), DROP.none);
  assert.deepEqual(sent(), [100, 101, 103, 102]);
  const payload = ({ bytes, payloadOffset }: ReturnType<typeof viewOf>) =>
    bytes.subarray(payloadOffset);
  // The descriptor's picture id goes on, what is behind it is what was sent.
  assert.deepEqual(payload(sink.views[3]!).slice(6), payload(viewOf(packets[2]!)).slice(6));
  for (let now = 520; now < 1_000; now += 10) up.tick(now);
  assert.deepEqual(nacked, []);
  assert.equal(up.stats()[0]!.repaired, 1);
});

Deno.test("UpTrack makes the last packet of a group, though nothing after it has come", () => {
  const { send, repair, sent } = setup();
  for (const n of [100, 101, 102]) send(n, n === 102);
  repair(520);
  assert.deepEqual(sent(), [100, 101, 102]);
});

Deno.test("UpTrack makes a second lost packet once the first one came late, but not of its RTX", () => {
  for (const isRtx of [false, true]) {
    const { up, send, repair, sent, nacked } = setup();
    const packets = [100, 101, 102, 103].map((n) => send(n, n === 101 || n === 102));
    repair(520);
    assert.deepEqual(sent(), [100, 103]);
    up.tick(560);
    assert.deepEqual(nacked, [101, 102]);
    const late = viewOf(packets[1]!);
    const rtx = rtpPacket({
      ssrc: 10,
      payloadType: 97,
      sequenceNumber: 1,
      timestamp: late.timestamp,
      marker: true,
      payload: Uint8Array.of(0, 101, ...packets[1]!.subarray(late.payloadOffset)),
    });
    if (isRtx) up.receiveRtx(0, viewOf(rtx), 600);
    else up.receive(0, late, 600);
    // A retransmission's extensions need not be the original's: what is made of it might be wrong.
    assert.deepEqual(sent(), isRtx ? [100, 103, 101] : [100, 103, 101, 102]);
    send(104);
    assert.deepEqual(sent().at(-1), 104);
  }
});

Deno.test("UpTrack makes nothing of a packet that was made itself, and is kept without its padding", () => {
  const { up, sent } = setup();
  const random = new SeededRandom(9);
  const packets = [100, 101, 102].map((n) =>
    rtpPacket({
      ssrc: PROTECTED_SSRC,
      payloadType: 96,
      sequenceNumber: n,
      timestamp: n * 3_000,
      marker: true,
      padding: n === 101 ? 40 : 0,
      payload: vp8Payload({ pictureId: n, tl0: n, key: n === 100, body: [n, ...random.bytes(50)] }),
    })
  );
  const repair = (first: number) => {
    const encoder = new FecEncoder(PROTECTED_SSRC);
    for (const i of [first, first + 1]) {
      const written = 12;
      const source = packets[i]!;
      const sourceLength = source.length - written;
      const parts = { written, source, sourceAt: written, sourceLength };
      assert.ok(encoder.add(100 + i, source.slice(0, written), parts, -1, -1));
    }
    assert.ok(encoder.finish());
    const payload = encoder.bytes.slice(encoder.at, encoder.at + encoder.length);
    const fields = { ssrc: 9, payloadType: 49, sequenceNumber: 1, timestamp: 1 };
    return up.receiveFec(0, viewOf(rtpPacket({ ...fields, payload })), 520);
  };
  up.receive(0, viewOf(packets[0]!), 500);
  assert.equal(repair(1), DROP.none);
  assert.equal(repair(0), DROP.none);
  assert.deepEqual(sent(), [100, 101]);
  assert.equal(up.drops.get(DROP.payloadType), 0);
  up.receive(0, viewOf(packets[2]!), 530);
  assert.deepEqual(sent(), [100, 101, 102]);
});

Deno.test("UpTrack counts repair packets that are none", () => {
  const { up, send, repair } = setup();
  send(100);
  assert.equal(repair(510, 12), DROP.malformedPayload);
  assert.equal(up.drops.get(DROP.malformedPayload), 1);
});
