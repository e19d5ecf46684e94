import assert from "node:assert/strict";
import { FrameSize } from "../../lib/wire/frame_size.ts";
import { CODEC } from "../../lib/wire/key_frame.ts";
import { Vp8Descriptor } from "../../lib/wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../lib/wire/vp9_descriptor.ts";
import { mutations } from "../support/hostile/hostile_bytes.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const ROUNDS = 3_000;
/** Starts of key frames, by family. */
const STARTS: Readonly<Record<keyof typeof CODEC, string>> = {
  other: "",
  vp8: "9080812310020 09d012a80026801".replaceAll(" ", ""),
  vp9: "aa010000300140 00b402800168".replaceAll(" ", ""),
  h264: "6764001facd9405005bb0110000003001000000303c0f1831960",
  h265: "40010c01ffff0160000003009000000300000300",
  av1: "180a0b0000000449a6bdfc000000",
};

Deno.test("FrameSize is total, and never says a size that is none", () => {
  const random = new SeededRandom(41);
  const [size, vp8, vp9] = [new FrameSize(), new Vp8Descriptor(), new Vp9Descriptor()];
  const check = (family: keyof typeof CODEC, payload: Uint8Array) => {
    const bytes = new Uint8Array(payload.length + 8);
    bytes.set(payload, 4);
    if (family === "vp8" && !vp8.parse(bytes, 4, payload.length)) return;
    if (family === "vp9" && !vp9.parse(bytes, 4, payload.length)) return;
    size.read(CODEC[family], bytes, 4, payload.length, vp8, vp9);
    const { width, height } = size;
    assert.ok(width >= 0 && width <= 16_384 && height >= 0 && height <= 16_384);
    assert.equal(width === 0, height === 0);
  };
  for (const family of Object.keys(CODEC) as (keyof typeof CODEC)[]) {
    const start = Uint8Array.fromHex(STARTS[family]);
    if (start.length > 0) {
      for (const bytes of mutations(start, random, ROUNDS)) check(family, bytes);
      for (let length = 0; length <= start.length; length++) check(family, start.slice(0, length));
    }
    for (let round = 0; round < ROUNDS; round++) check(family, random.bytes(random.below(80)));
  }
  assert.ok(size.width > 0, "some of it was read");
});
