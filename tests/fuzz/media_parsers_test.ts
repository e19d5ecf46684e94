/**
 * Random, truncated and bent bytes through every media parser and through the forwarding plane: no
 * throw, no endless loop, and what is accepted lies within the bytes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { isAv1KeyFrameStart } from "../../lib/wire/av1_payload.ts";
import { DependencyDescriptor } from "../../lib/wire/dependency_descriptor.ts";
import { isH264KeyFrameStart, isH265KeyFrameStart } from "../../lib/wire/h264_payload.ts";
import { packetTrailerLength } from "../../lib/wire/packet_trailer.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { parseTransportFeedback, TransportFeedback } from "../../lib/wire/transport_cc.ts";
import { Vp8Descriptor } from "../../lib/wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../lib/wire/vp9_descriptor.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  vp8Payload,
} from "../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const ROUNDS = 20_000;

Deno.test("payload parsers accept or refuse random bytes and stay within them", () => {
  const random = new SeededRandom(101);
  const vp8 = new Vp8Descriptor();
  const vp9 = new Vp9Descriptor();
  const dd = new DependencyDescriptor();
  const accepted: Record<string, number> = {};
  const note = (name: string, isAccepted: boolean) => {
    accepted[name] = (accepted[name] ?? 0) + (isAccepted ? 1 : 0);
    return isAccepted;
  };
  for (let i = 0; i < ROUNDS; i++) {
    const bytes = random.bytes(random.below(24));
    const offset = random.below(4);
    const length = Math.max(0, bytes.length - offset) + (random.chance(0.1) ? 1 : 0);
    if (note("vp8", vp8.parse(bytes, offset, length))) {
      assert.ok(vp8.headerLength >= 1 && offset + vp8.headerLength < bytes.length);
      assert.ok(vp8.pictureId < 0x8000 && vp8.temporalId < 4 && vp8.keyIdx < 32);
    }
    if (note("vp9", vp9.parse(bytes, offset, length))) {
      assert.ok(vp9.spatialId < 8 && vp9.pictureId < 0x8000);
    }
    if (note("dd", dd.parse(bytes, offset, length))) assert.ok(dd.frameNumber <= 0xffff);
    for (const check of [isH264KeyFrameStart, isH265KeyFrameStart, isAv1KeyFrameStart]) {
      // What lies outside of the payload has no say.
      const shorter = random.below(length + 1);
      const others = random.bytes(bytes.length);
      others.set(bytes.subarray(offset, offset + shorter), Math.min(offset, bytes.length));
      const isStart = check(bytes, offset, shorter);
      assert.equal(check(others, offset, shorter), isStart, `${check.name} of ${bytes.toHex()}`);
      note(check.name, isStart);
    }
  }
  for (const [name, count] of Object.entries(accepted)) {
    assert.ok(count > 0 && count < ROUNDS * 3, `${name} accepted ${count}`);
  }
});

Deno.test("packetTrailerLength() leaves something of every payload, and looks at nothing else", () => {
  const random = new SeededRandom(104);
  const magic = [0x4c, 0x4b, 0x54, 0x53];
  let found = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const bytes = random.bytes(random.below(40));
    if (bytes.length > 5 && random.chance(0.8)) {
      bytes.set(magic, bytes.length - 4);
      if (random.chance(0.7)) bytes[bytes.length - 5] = random.below(45) ^ 0xff;
    }
    const end = bytes.length - (random.chance(0.1) ? random.below(3) - 1 : 0);
    const length = random.below(bytes.length + 2);
    const told = packetTrailerLength(bytes, end, length);
    assert.ok(told === 0 || told >= 5 && told < length, `${told} of ${length}`);
    if (told === 0) continue;
    found++;
    assert.deepEqual([...bytes.subarray(end - 4, end)], magic);
    assert.equal(bytes[end - 5], told ^ 0xff);
  }
  assert.ok(found > 100, `${found} found`);
});

Deno.test("parseTransportFeedback() accepts or refuses random bytes and stays within its capacity", () => {
  const random = new SeededRandom(102);
  const feedback = new TransportFeedback();
  let accepted = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const bytes = random.bytes(random.below(80));
    if (bytes.length > 3 && random.chance(0.7)) bytes[2] = 0; // a believable count
    if (!parseTransportFeedback(bytes, 0, bytes.length, feedback)) continue;
    accepted++;
    assert.ok(feedback.statusCount > 0 && feedback.statusCount <= feedback.deltas.length);
  }
  assert.ok(accepted > 100, `${accepted} accepted`);
});

Deno.test("UpTrack and DownTrack live through random and bent packets and go on forwarding", () => {
  const random = new SeededRandom(103);
  const extensions = [
    { id: 1, uri: EXTENSION_URI.mid },
    { id: 2, uri: EXTENSION_URI.dependencyDescriptor },
    { id: 3, uri: EXTENSION_URI.absCaptureTime },
  ];
  const up = new UpTrack({
    kind: "video",
    extensions,
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  const sink = new RecordingSink();
  const down = new DownTrack({
    section: {
      mid: "0",
      kind: "video",
      ssrc: 1,
      rtxSsrc: 2,
      codecs: [codec("video/VP8", 96, 97), codec("video/AV1", 35, 36)],
      extensions,
    },
    publisherExtensions: extensions,
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 2, maxTemporal: 1 },
  });
  up.addDownTrack(down, 0);
  const view = new RtpView();
  const out = new RtpView();
  for (let i = 0; i < ROUNDS; i++) {
    const spatial = random.below(3) as 0 | 1 | 2;
    if (i % 1000 === 0) {
      const av1 = random.chance(0.3);
      up.bindLayer(
        spatial,
        random.uint32(),
        codec(av1 ? "video/AV1" : "video/VP8", av1 ? 35 : 96),
        i,
      );
    }
    const packet = rtpPacket({
      ssrc: random.uint32(),
      payloadType: random.chance(0.8) ? 96 : 35,
      sequenceNumber: random.chance(0.9) ? i : random.uint32(),
      timestamp: random.chance(0.9) ? i * 3000 : random.uint32(),
      extensions: random.chance(0.3) ? { 2: random.bytes(1 + random.below(8)) } : {},
      payload: random.bytes(random.below(30)),
    });
    for (let bends = random.below(3); bends > 0; bends--) {
      packet[random.below(packet.length)] = random.uint32() & 0xff;
    }
    const length = random.chance(0.2) ? random.below(packet.length + 1) : packet.length;
    if (!view.wrap(packet, length)) continue;
    if (random.chance(0.2)) up.receiveRtx(spatial, view, i);
    else up.receive(spatial, view, i);
    if (random.chance(0.1)) down.receiveNack(Uint16Array.of(random.uint32(), i), 2, i);
    if (random.chance(0.05)) down.receivePictureLoss(i);
    up.tick(i);
    down.tick(i);
    for (const sent of sink.packets.splice(0)) assert.ok(out.wrap(sent), "every packet is one");
  }
  const before = down.stats().packets;
  up.bindLayer(2, 5, codec("video/VP8", 96), ROUNDS);
  for (let i = 0; i < 10; i++) {
    const payload = vp8Payload({ pictureId: i, tl0: i, key: i === 3 });
    const bytes = rtpPacket({ ssrc: 5, payloadType: 96, sequenceNumber: i, payload });
    assert.ok(view.wrap(bytes));
    up.receive(2, view, ROUNDS + i);
  }
  assert.equal(down.stats().packets, before + 7, "from the key frame on");
});
