import assert from "node:assert/strict";
import { av1Payloads } from "../../../lib/ingress/av1_packets.ts";
import { h264Payloads } from "../../../lib/ingress/h264_packets.ts";
import { MadeStream, MAX_PAYLOAD_BYTES, PacketBatch } from "../../../lib/ingress/made_packets.ts";
import { joinBytes } from "../../../lib/base/joined_bytes.ts";
import { frameAssembly } from "../../../lib/recording/frames/frame_assembly.ts";
import type { EncodedFrame, FrameAssembly } from "../../../lib/recording/frames/encoded_frame.ts";
import { isAv1KeyFrameStart } from "../../../lib/wire/av1_payload.ts";
import { isH264KeyFrameStart } from "../../../lib/wire/h264_payload.ts";
import { RtcpReader } from "../../../lib/wire/rtcp.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";
import { PPS, SPS } from "../../support/wire/rtmp_encoder.ts";

/** A frame put together again of these payloads by what recordings are made with. */
function assembled(
  frames: FrameAssembly,
  payloads: readonly (readonly Uint8Array[])[],
  timestamp: number,
): EncodedFrame | undefined {
  let frame: EncodedFrame | undefined;
  payloads.forEach((parts, at) => {
    const payload = joinBytes(parts);
    assert.ok(payload.length <= MAX_PAYLOAD_BYTES + 2);
    frame = frames.push(payload, 0, payload.length, timestamp, at === payloads.length - 1);
  });
  return frame;
}

const unit = (random: SeededRandom, kind: number, size: number) => {
  const bytes = random.bytes(size);
  bytes[0] = 0x60 | kind;
  return bytes;
};

/** Units behind their lengths. */
function lengthened(units: readonly Uint8Array[]): Uint8Array {
  return joinBytes(units.flatMap((one) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, one.length);
    return [length, one];
  }));
}

Deno.test("h264Payloads() cuts pictures so that they can be put together again", () => {
  const random = new SeededRandom(31);
  const frames = frameAssembly("h264");
  for (let round = 0; round < 200; round++) {
    const isKey = round === 0 || random.chance(0.3);
    const sizes = Array.from({ length: 1 + random.below(4) }, () => 2 + random.below(5_000));
    const slices = sizes.map((size) => unit(random, isKey ? 5 : 1, size));
    const payloads = h264Payloads(
      [unit(random, 9, 2), ...slices, unit(random, 12, 40)],
      isKey,
      [SPS, PPS],
    );
    const first = joinBytes(payloads[0]!);
    assert.equal(isH264KeyFrameStart(first, 0, first.length), isKey);
    const wanted = isKey ? [SPS, PPS, ...slices] : slices;
    assert.deepEqual(assembled(frames, payloads, round)?.data, lengthened(wanted));
  }
});

Deno.test("h264Payloads() takes a picture's own parameters before those of the configuration", () => {
  const own = Uint8Array.of(0x67, 0x64, 0, 0x28, 1);
  const idr = Uint8Array.of(0x65, 1, 2);
  const [first] = h264Payloads([own, idr], true, [SPS, PPS]);
  const bytes = joinBytes(first!);
  assert.equal(bytes[0]! & 0x1f, 24);
  const text = [...bytes].join();
  assert.ok(text.includes([...own].join()) && text.includes([...PPS].join()));
  assert.ok(!text.includes([...SPS].join()));
});

/** A unit with a size of its own. */
function obu(kind: number, body: Uint8Array): Uint8Array {
  const size: number[] = [];
  for (let left = body.length;;) {
    size.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
    if (left === 0) break;
  }
  return joinBytes([Uint8Array.from([kind << 3 | 2, ...size]), body]);
}

Deno.test("av1Payloads() cuts temporal units so that they can be put together again", () => {
  const random = new SeededRandom(41);
  const config = obu(1, random.bytes(11));
  for (let round = 0; round < 200; round++) {
    const bodies = Array.from(
      { length: 1 + random.below(5) },
      () => random.bytes(random.below(4_000)),
    );
    const isWithin = random.chance(0.5);
    const units = [...(isWithin ? [config] : []), ...bodies.map((body) => obu(6, body))];
    const bytes = joinBytes([obu(2, new Uint8Array(0)), ...units, obu(15, random.bytes(9))]);
    const payloads = av1Payloads(bytes, true, config)!;
    assert.equal(isAv1KeyFrameStart(joinBytes(payloads[0]!), 0, 20), true);
    for (const parts of payloads.slice(1)) {
      assert.equal(isAv1KeyFrameStart(joinBytes(parts), 0, 20), false);
    }
    assert.deepEqual(
      assembled(frameAssembly("av1"), payloads, 1)?.data,
      joinBytes([config, ...bodies.map((body) => obu(6, body))]),
    );
  }
  assert.equal(av1Payloads(Uint8Array.of(0x32, 200, 1), false, config), undefined);
  assert.equal(
    av1Payloads(joinBytes(new Array(300).fill(obu(6, Uint8Array.of(1)))), false, config),
    undefined,
  );
});

Deno.test("MadeStream numbers its packets, and says when they are", () => {
  const stream = new MadeStream({
    ssrc: 5,
    payloadType: 108,
    clockRate: 90_000,
    firstSequence: 65_535,
    firstTimestamp: 4_294_967_000,
    epochMs: 1_000_000,
  });
  const batch = new PacketBatch();
  stream.report(batch, 0);
  stream.put(batch, 0, false, [Uint8Array.of(1), Uint8Array.of(2)]);
  stream.report(batch, 500);
  stream.put(batch, 100, true, [Uint8Array.of(3)]);
  stream.report(batch, 1_000);
  const bytes = batch.take();
  assert.equal(batch.length, 0);
  const view = new RtpView();
  const seen: unknown[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at]! << 8 | bytes[at + 1]!;
    const packet = bytes.subarray(at + 2, at + 2 + length);
    at += 2 + length;
    if (packet[1] === 200) {
      new RtcpReader().read(
        packet,
        length,
        {
          senderReport: (...told: number[]) => seen.push(told.slice(0, 4)),
        } as unknown as Parameters<RtcpReader["read"]>[2],
      );
      continue;
    }
    assert.ok(view.wrap(packet));
    seen.push([view.sequenceNumber, view.timestamp, view.marker, view.payloadType, view.ssrc]);
  }
  const seconds = 2_208_988_800 + 1_000;
  assert.deepEqual(seen, [
    [5, seconds, 0, 4_294_967_000],
    [65_535, 4_294_967_000, false, 108, 5],
    [0, (4_294_967_000 + 9_000) % 2 ** 32, true, 108, 5],
    [5, seconds + 1, 0, (4_294_967_000 + 90_000) % 2 ** 32],
  ]);
});
