import assert from "node:assert/strict";
import { FrameSize } from "../../../lib/wire/frame_size.ts";
import { CODEC, type CodecFamily } from "../../../lib/wire/key_frame.ts";
import { Vp8Descriptor } from "../../../lib/wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../../lib/wire/vp9_descriptor.ts";

function sizeOf(family: CodecFamily, payload: ArrayLike<number>, size = new FrameSize()) {
  const bytes = Uint8Array.from([0xee, ...Array.from(payload), 0xee]);
  const [vp8, vp9] = [new Vp8Descriptor(), new Vp9Descriptor()];
  if (family === CODEC.vp8) assert.ok(vp8.parse(bytes, 1, payload.length));
  if (family === CODEC.vp9) assert.ok(vp9.parse(bytes, 1, payload.length));
  size.read(family, bytes, 1, payload.length, vp8, vp9);
  return [size.width, size.height];
}

/** Writes bit by bit, as the specifications count. */
class BitWriter {
  readonly #bits: number[] = [];

  u(value: number, count: number): this {
    for (let i = count - 1; i >= 0; i--) this.#bits.push((value >>> i) & 1);
    return this;
  }

  ue(value: number): this {
    const length = 32 - Math.clz32(value + 1);
    return this.u(0, length - 1).u(value + 1, length);
  }

  bytes(): number[] {
    const bits = [...this.#bits, 1];
    while (bits.length % 8 !== 0) bits.push(0);
    return Array.from(
      { length: bits.length / 8 },
      (_, i) => parseInt(bits.slice(i * 8, i * 8 + 8).join(""), 2),
    );
  }
}

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

Deno.test("FrameSize reads VP8 key frames and nothing that only looks like one", () => {
  const frame = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x81];
  // The upper two bits of each side are its scaling.
  assert.deepEqual(sizeOf(CODEC.vp8, [0x10, ...frame]), [0x280, 0x168]);
  const extended = [0x90, 0x80, 0x81, 0x23, ...frame];
  assert.deepEqual(sizeOf(CODEC.vp8, extended), [640, 360]);
  assert.deepEqual(sizeOf(CODEC.vp8, [0x10, ...frame.slice(0, 9)]), [0, 0], "cut short");
  assert.deepEqual(sizeOf(CODEC.vp8, [0x10, ...frame.map((byte) => byte ^ 0x40)]), [0, 0]);
});

Deno.test("FrameSize reads H.264 parameter sets that well-known encoders write", () => {
  const sets = {
    "67 42 00 0a f8 41 a2": [128, 96],
    "67 64 00 1f ac d9 40 50 05 bb 01 10 00 00 03 00 10 00 00 03 03 c0 f1 83 19 60": [1280, 720],
    "67 64 00 28 ac d9 40 78 02 27 e5 84 00 00 03 00 04 00 00 03 00 f0 3c 60 c6 58": [1920, 1080],
  };
  for (const [set, size] of Object.entries(sets)) {
    assert.deepEqual(sizeOf(CODEC.h264, hex(set)), size, set);
    const aggregated = hex(set);
    const other = [0x68, 0xce, 0x3c, 0x80];
    const stap = [0x18, 0, other.length, ...other, 0, aggregated.length, ...aggregated];
    assert.deepEqual(sizeOf(CODEC.h264, stap), size, "beside a picture parameter set");
  }
});

Deno.test("FrameSize reads H.264 of every shape its size depends on", () => {
  /** A sequence parameter set of 20 × 12 macroblocks. */
  const set = (options: {
    readonly chroma?: number;
    readonly scaling?: boolean;
    readonly order?: number;
    readonly interlaced?: boolean;
    readonly crop?: readonly number[];
  }) => {
    const { chroma, scaling = false, order = 2, interlaced = false, crop } = options;
    const bits = new BitWriter().u(chroma === undefined ? 66 : 100, 8).u(0, 16).ue(0);
    if (chroma !== undefined) {
      bits.ue(chroma);
      if (chroma === 3) bits.u(0, 1);
      bits.ue(0).ue(0).u(0, 1).u(scaling ? 1 : 0, 1);
      if (scaling) {
        // The first list says its first step (+2, coded as 3) and that the rest is the same (-10).
        bits.u(1, 1).ue(3).ue(20);
        bits.u(0, (chroma === 3 ? 12 : 8) - 1);
      }
    }
    bits.ue(0).ue(order);
    if (order === 0) bits.ue(4);
    if (order === 1) bits.u(0, 1).ue(0).ue(0).ue(2).ue(5).ue(6);
    bits.ue(1).u(0, 1).ue(19).ue(interlaced ? 5 : 11).u(interlaced ? 0 : 1, 1);
    if (interlaced) bits.u(0, 1);
    bits.u(1, 1).u(crop === undefined ? 0 : 1, 1);
    for (const value of crop ?? []) bits.ue(value);
    return [0x67, ...bits.u(0, 1).bytes()];
  };
  assert.deepEqual(sizeOf(CODEC.h264, set({})), [320, 192]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ order: 0 })), [320, 192]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ order: 1 })), [320, 192]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ interlaced: true })), [320, 192]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ crop: [1, 2, 3, 3] })), [314, 180]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ crop: [0, 0, 0, 3], interlaced: true })), [320, 180]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ chroma: 3, crop: [0, 4, 0, 12] })), [316, 180]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ chroma: 0, scaling: true })), [320, 192]);
  assert.deepEqual(sizeOf(CODEC.h264, set({ chroma: 3, scaling: true })), [320, 192]);
});

Deno.test("FrameSize reads the largest layer of VP9's scalability structure", () => {
  // Not flexible; a key picture's first packet with two layers and their sizes.
  const layers = [(1 << 5) | 0x10, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68];
  const start = [0x80 | 0x20 | 0x08 | 0x02, 0x01, 0x00, 0x00];
  assert.deepEqual(sizeOf(CODEC.vp9, [...start, ...layers]), [640, 360]);
  assert.deepEqual(sizeOf(CODEC.vp9, [...start, ...layers.slice(0, -1)]), [0, 0], "cut short");
  assert.deepEqual(sizeOf(CODEC.vp9, [...start, 1 << 5, 0]), [0, 0], "without sizes");
});

Deno.test("FrameSize reads AV1 sequence headers, short and long ones", () => {
  const size = (bits: BitWriter) => bits.u(10, 4).u(9, 4).u(1919, 11).u(1079 & 0x3ff, 10).u(0, 8);
  const short = size(new BitWriter().u(0, 3).u(1, 1).u(1, 1).u(8, 5)).bytes();
  const plain = size(new BitWriter().u(0, 5).u(0, 1).u(0, 1).u(0, 5).u(0, 12).u(8, 5).u(0, 1));
  const timed = size(
    new BitWriter().u(0, 5).u(1, 1).u(1, 32).u(30, 32).u(1, 1).ue(2)
      .u(1, 1).u(3, 5).u(1, 32).u(4, 5).u(4, 5)
      .u(1, 1).u(1, 5)
      .u(0x101, 12).u(9, 5).u(1, 1).u(1, 1).u(0, 9).u(1, 1).u(3, 4)
      .u(0x100, 12).u(4, 5).u(0, 1).u(0, 1),
  );
  const wanted = [1920, (1079 & 0x3ff) + 1];
  for (const header of [short, plain.bytes(), timed.bytes()]) {
    assert.deepEqual(sizeOf(CODEC.av1, [0x18, 0x08, ...header]), wanted, "fills the packet");
    const sized = [0x0a, header.length, ...header];
    assert.deepEqual(sizeOf(CODEC.av1, [0x08, sized.length, ...sized, 1, 0x30]), wanted);
    assert.deepEqual(sizeOf(CODEC.av1, [0x18, 0x0c, 0x00, ...header]), wanted, "with an extension");
  }
  assert.deepEqual(sizeOf(CODEC.av1, [0x18, 0x30, ...short]), [0, 0], "a frame");
});

Deno.test("FrameSize keeps what it knew when a key frame does not say", () => {
  const size = new FrameSize();
  sizeOf(CODEC.h264, hex("67 42 00 0a f8 41 a2"), size);
  for (
    const [family, payload] of [
      [CODEC.h264, [0x7c, 0x87, 0x42]],
      [CODEC.h264, [0x67]],
      [CODEC.h265, [0x40, 0x01, 0x0c]],
      [CODEC.av1, [0x18]],
    ] as const
  ) {
    assert.deepEqual(sizeOf(family, payload, size), [128, 96]);
  }
});
