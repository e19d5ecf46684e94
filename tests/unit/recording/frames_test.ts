/** Frames that were cut into payloads come out whole, and those that are not whole not at all. */
import assert from "node:assert/strict";
import { Av1Frames } from "../../../lib/recording/frames/av1_frames.ts";
import type { EncodedFrame, FrameAssembly } from "../../../lib/recording/frames/encoded_frame.ts";
import {
  MAX_FRAME_BYTES,
  MAX_UNITS_IN_PACKET,
} from "../../../lib/recording/frames/encoded_frame.ts";
import { frameAssembly } from "../../../lib/recording/frames/frame_assembly.ts";
import { H264Frames } from "../../../lib/recording/frames/h264_frames.ts";
import { OpusFrames, opusSamples } from "../../../lib/recording/frames/opus_frames.ts";
import { Vp8Frames } from "../../../lib/recording/frames/vp8_frames.ts";
import { Vp9Frames } from "../../../lib/recording/frames/vp9_frames.ts";
import { BitWriter } from "../../support/media/bit_writer.ts";
import {
  av1Payloads,
  h264Payloads,
  leb128,
  vp8Frame,
  vp8Payloads,
  vp9KeyFrame,
  vp9Payloads,
} from "../../support/media/recorded_payloads.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

/** Gives all payloads of a frame; what comes out with the last. */
function give(
  frames: FrameAssembly,
  payloads: readonly Uint8Array[],
  timestamp: number,
): EncodedFrame | undefined {
  let frame: EncodedFrame | undefined;
  payloads.forEach((payload, i) => {
    assert.equal(frame, undefined, "not before its last packet");
    // In the middle of other bytes, as in a packet.
    const bytes = new Uint8Array(payload.length + 20);
    bytes.set(payload, 12);
    frame = frames.push(bytes, 12, payload.length, timestamp, i === payloads.length - 1);
  });
  return frame;
}

/** Nothing comes out of a frame's payloads if the one at `missing` has not come. */
function assertNoFrame(
  frames: FrameAssembly,
  payloads: readonly Uint8Array[],
  missing: number,
  timestamp: number,
): void {
  let given = 0;
  payloads.forEach((payload, i) => {
    if (i === missing) return frames.gap();
    if (frames.push(payload, 0, payload.length, timestamp, i === payloads.length - 1)) given++;
  });
  assert.equal(given, 0, `without packet ${missing}`);
}

const SPS = Uint8Array.of(
  0x67,
  0x42,
  0xc0,
  0x1f,
  0xda,
  0x01,
  0x40,
  0x16,
  0xe8,
  0x06,
  0xd0,
  0xa1,
  0x35,
);
const PPS = Uint8Array.of(0x68, 0xce, 0x06, 0xe2);

function lengthPrefixed(units: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(
    units.flatMap((unit) => [0, 0, unit.length >> 8, unit.length & 0xff, ...unit]),
  );
}

Deno.test("Vp8Frames gives back random frames, each with its kind and size", () => {
  const random = new SeededRandom(7741);
  const frames = new Vp8Frames();
  for (let n = 0; n < 300; n++) {
    const isKey = n === 0 || random.chance(0.2);
    const [width, height] = [16 + random.below(2_000), 16 + random.below(2_000)];
    const whole = vp8Frame(isKey, width, height, random.bytes(random.below(9_000)));
    const frame = give(frames, vp8Payloads(whole, 1_100), n * 3_000);
    assert.deepEqual(frame!.data, whole);
    assert.equal(frame!.isKey, isKey);
    assert.deepEqual([frame!.width, frame!.height], isKey ? [width, height] : [0, 0]);
  }
});

Deno.test("Vp8Frames gives no frame of which a packet is missing, first or last", () => {
  const frames = new Vp8Frames();
  const random = new SeededRandom(1);
  const payloads = (n: number) =>
    vp8Payloads(vp8Frame(n === 0, 320, 240, random.bytes(3_000)), 1_000);
  for (let missing = 0; missing < 4; missing++) {
    assertNoFrame(frames, payloads(0), missing, missing);
    assert.ok(give(frames, payloads(1), 1_000 + missing), "the next is whole");
  }
});

Deno.test("Vp9Frames makes one picture of all its layers, with the index behind it", () => {
  const random = new SeededRandom(9628);
  const base = vp9KeyFrame(320, 180, random.bytes(500));
  const upper = vp9KeyFrame(640, 360, random.bytes(3_000));
  const payloads = [
    ...vp9Payloads(base, 1_000, { spatialId: 0, isInter: false }),
    ...vp9Payloads(upper, 1_000, { spatialId: 1, isInter: false }),
  ];
  const frame = give(new Vp9Frames(), payloads, 90)!;
  assert.ok(frame.isKey);
  assert.deepEqual([frame.width, frame.height], [640, 360], "of the largest layer");
  // Two frames, two bytes a length: 110 01 001.
  const index = [
    0b110_01_001,
    base.length & 0xff,
    base.length >> 8,
    upper.length & 0xff,
    upper.length >> 8,
    0b110_01_001,
  ];
  assert.deepEqual(frame.data, Uint8Array.from([...base, ...upper, ...index]));
});

Deno.test("Vp9Frames gives a single layer as it is, and nothing that has lost its beginning", () => {
  const frames = new Vp9Frames();
  const key = vp9KeyFrame(1280, 720, new SeededRandom(2).bytes(2_500));
  const frame = give(frames, vp9Payloads(key, 900, { spatialId: 0, isInter: false }), 1)!;
  assert.deepEqual(frame.data, key);
  assert.deepEqual([frame.width, frame.height], [1280, 720]);
  frames.gap();
  const [, ...rest] = vp9Payloads(key, 900, { spatialId: 0, isInter: false });
  assert.equal(give(frames, rest, 2), undefined);
});

Deno.test("H264Frames puts units of all packet kinds behind their lengths, and tells avcC once", () => {
  const random = new SeededRandom(6184);
  const frames = new H264Frames();
  for (let n = 0; n < 200; n++) {
    const isKey = n % 20 === 0;
    const slice = Uint8Array.from([isKey ? 0x65 : 0x41, ...random.bytes(20 + random.below(5_000))]);
    const units = isKey ? [SPS, PPS, slice] : [slice];
    const frame = give(frames, h264Payloads(units, 1_100), n * 3_000)!;
    assert.deepEqual(frame.data, lengthPrefixed(units), `frame ${n}`);
    assert.equal(frame.isKey, isKey);
    if (n === 0) {
      const size = (unit: Uint8Array) => [0, unit.length];
      assert.deepEqual(
        [...frame.decoderConfig!],
        [1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, ...size(SPS), ...SPS, 1, ...size(PPS), ...PPS],
      );
      assert.deepEqual([frame.width, frame.height], [1280, 720]);
    } else assert.equal(frame.decoderConfig, undefined, "nothing new");
  }
});

Deno.test("H264Frames gives no frame that has lost a fragment, nor a key frame without its sets", () => {
  const frames = new H264Frames();
  const slice = Uint8Array.from([0x65, ...new SeededRandom(3).bytes(4_000)]);
  assert.equal(give(frames, h264Payloads([slice], 1_000), 1), undefined, "no parameter sets");
  const payloads = h264Payloads([SPS, PPS, slice], 1_000);
  for (let missing = 0; missing < payloads.length; missing++) {
    assertNoFrame(frames, payloads, missing, 100 + missing);
  }
  assert.ok(give(frames, payloads, 1_000)?.isKey);
});

/** A sequence header with reduced_still_picture_header = 0, 640 × 360, and nothing optional. */
function av1SequenceHeader(): Uint8Array {
  const { bytes } = new BitWriter()
    .write(0, 3) // seq_profile
    .write(0, 2) // still_picture, reduced_still_picture_header
    .write(0, 2) // timing_info_present, initial_display_delay_present
    .write(0, 5) // one operating point
    .write(0, 12)
    .write(8, 5) // level 4.0: tier follows
    .write(0, 1)
    .write(9, 4).write(9, 4)
    .write(639, 10).write(359, 10);
  return Uint8Array.from([1 << 3, ...bytes]);
}

Deno.test("Av1Frames puts units together again, gives them sizes, and tells av1C once", () => {
  const random = new SeededRandom(1);
  const frames = new Av1Frames();
  const header = av1SequenceHeader();
  const sized = (
    unit: Uint8Array,
  ) => [unit[0]! | 2, ...leb128(unit.length - 1), ...unit.subarray(1)];
  for (let n = 0; n < 200; n++) {
    const isKey = n % 25 === 0;
    const picture = Uint8Array.from([6 << 3, ...random.bytes(1 + random.below(5_000))]);
    const units = isKey ? [header, picture] : [picture];
    const frame = give(frames, av1Payloads(units, 1_000, isKey), n * 3_000)!;
    assert.deepEqual([...frame.data], units.flatMap(sized), `frame ${n}`);
    assert.equal(frame.isKey, isKey);
    assert.deepEqual([frame.width, frame.height], isKey ? [640, 360] : [0, 0]);
    if (n !== 0) assert.equal(frame.decoderConfig, undefined);
    else assert.deepEqual([...frame.decoderConfig!], [0x81, 0, 0x0c, 0, ...sized(header)]);
  }
});

Deno.test("Av1Frames gives no frame that has lost a piece", () => {
  const frames = new Av1Frames();
  const picture = Uint8Array.from([6 << 3, ...new SeededRandom(4).bytes(3_500)]);
  const payloads = av1Payloads([av1SequenceHeader(), picture], 1_000, true);
  for (let missing = 0; missing < payloads.length; missing++) {
    assertNoFrame(frames, payloads, missing, missing);
  }
});

Deno.test("OpusFrames gives each packet, and opusSamples() knows how long each sounds", () => {
  const frame = new OpusFrames().push(Uint8Array.of(9, 9, 0xfc, 1, 2), 2, 3, 960)!;
  assert.deepEqual([...frame.data], [0xfc, 1, 2]);
  assert.ok(frame.isKey);
  // RFC 6716 §3.1: configuration, and how many frames.
  const table: readonly (readonly [readonly number[], number])[] = [
    [[31 << 3], 960],
    [[(31 << 3) | 1], 1_920],
    [[(28 << 3) | 3, 4], 480],
    [[3 << 3], 2_880],
    [[(3 << 3) | 2], 5_760],
    [[(31 << 3) | 3, 7], 0], // 140 ms: longer than any
    [[(31 << 3) | 3], 0],
    [[], 0],
  ];
  for (const [packet, samples] of table) {
    assert.equal(opusSamples(Uint8Array.from(packet)), samples);
  }
});

Deno.test("A frame that grows beyond all measure is dropped, and the next is whole", () => {
  const frames = new Vp8Frames();
  const part = new Uint8Array(1_001);
  part[0] = 0x10;
  frames.push(part, 0, part.length, 1, false);
  part[0] = 0;
  for (let sent = 0; sent <= MAX_FRAME_BYTES; sent += 1_000) {
    assert.equal(frames.push(part, 0, part.length, 1, false), undefined);
  }
  assert.equal(frames.push(part, 0, part.length, 1, true), undefined);
  assert.ok(give(frames, vp8Payloads(vp8Frame(true, 16, 16, new Uint8Array(9)), 100), 2));
});

Deno.test("a packet of more units than anybody packs together is no part of a frame", () => {
  const parts = (units: number, part: readonly number[]) => Array(units - 1).fill(part).flat();
  const packed = {
    h264: (units: number) =>
      Uint8Array.of(24, 0, 4, 0x67, 0x42, 0, 0x1f, ...parts(units, [0, 1, 0x61])),
    av1: (units: number) => Uint8Array.of(8, 3, 1 << 3, 0, 0, ...parts(units, [2, 6 << 3, 9])),
  };
  for (const codec of ["h264", "av1"] as const) {
    for (const [units, isFrame] of [[MAX_UNITS_IN_PACKET, true], [400, false]] as const) {
      const payload = packed[codec](units);
      const frame = frameAssembly(codec).push(payload, 0, payload.length, 1, true);
      assert.equal(frame !== undefined, isFrame, `${codec}, ${units}`);
    }
  }
});
