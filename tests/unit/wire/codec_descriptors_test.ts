import assert from "node:assert/strict";
import { isAv1KeyFrameStart } from "../../../lib/wire/av1_payload.ts";
import { DependencyDescriptor } from "../../../lib/wire/dependency_descriptor.ts";
import { isH264KeyFrameStart, isH265KeyFrameStart } from "../../../lib/wire/h264_payload.ts";
import { CODEC, codecFamily, isKeyFrameStart } from "../../../lib/wire/key_frame.ts";
import { Vp8Descriptor, writeVp8Descriptor } from "../../../lib/wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../../lib/wire/vp9_descriptor.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

Deno.test("Vp8Descriptor.parse() reads every optional field (RFC 7741 §4.2)", () => {
  const d = new Vp8Descriptor();
  // X S, partition 0; I L T K; 15-bit id 0x1234; TL0 200; TID 2, Y, KEYIDX 17; P = 0
  const payload = bytes(0xff, 0x90, 0xf0, 0x92, 0x34, 200, 0xb1, 0x10);
  assert.ok(d.parse(payload, 1, 7));
  assert.equal(d.headerLength, 6);
  assert.deepEqual([d.pictureIdBits, d.pictureId, d.tl0PicIdx], [15, 0x1234, 200]);
  assert.deepEqual([d.temporalId, d.layerSync, d.keyIdx], [2, true, 17]);
  assert.equal(d.keyFrameStart, true);
});

Deno.test("Vp8Descriptor.parse() takes a packet within a frame for no key frame start", () => {
  const d = new Vp8Descriptor();
  assert.ok(d.parse(bytes(0x00, 0x10), 0, 2));
  assert.equal(d.keyFrameStart, false);
  assert.ok(d.parse(bytes(0x11, 0x10), 0, 2), "partition 1");
  assert.equal(d.keyFrameStart, false);
  assert.ok(d.parse(bytes(0x10, 0x11), 0, 2), "P = 1");
  assert.equal(d.keyFrameStart, false);
});

Deno.test("Vp8Descriptor.parse() refuses every cut of a descriptor, and one without a payload", () => {
  const d = new Vp8Descriptor();
  const payload = bytes(0x90, 0xf0, 0x92, 0x34, 200, 0xb1, 0x10);
  for (let length = 0; length < payload.length; length++) {
    assert.equal(d.parse(payload, 0, length), false, `${length} bytes`);
  }
  assert.equal(d.parse(payload, 0, payload.length + 1), false, "longer than the bytes");
});

Deno.test("writeVp8Descriptor() writes what parse reads, and makes 7-bit picture ids 15 bits", () => {
  const d = new Vp8Descriptor();
  const source = bytes(0x90, 0xf0, 0x12, 200, 0xb1, 0x10);
  assert.ok(d.parse(source, 0, source.length));
  const out = new Uint8Array(16);
  const written = writeVp8Descriptor(out, 2, source[0]!, d, 0x7abc, 7, 30);
  assert.equal(written, d.headerLength + 1);
  assert.deepEqual([...out.subarray(2, 8)], [0x90, 0xf0, 0xfa, 0xbc, 7, 0xa0 | 30]);
});

Deno.test("writeVp8Descriptor() keeps a one-byte descriptor one byte", () => {
  const d = new Vp8Descriptor();
  assert.ok(d.parse(bytes(0x10, 0x10), 0, 2));
  const out = new Uint8Array(4);
  assert.equal(writeVp8Descriptor(out, 0, 0x10, d, 1, 1, 1), 1);
  assert.equal(out[0], 0x10);
});

Deno.test("Vp9Descriptor.parse() reads layers and tells key frames (RFC 9628 §4.2)", () => {
  const d = new Vp9Descriptor();
  // I L B E V, 15-bit id 0x0123, T=1 U S=0 D=0, TL0 5
  assert.ok(d.parse(bytes(0xae, 0x81, 0x23, 0x30, 5), 0, 5));
  assert.deepEqual([d.pictureId, d.temporalId, d.spatialId], [0x123, 1, 0]);
  assert.deepEqual([d.switchingUpPoint, d.endOfFrame, d.keyFrameStart], [true, true, true]);
  assert.ok(d.parse(bytes(0xae, 0x81, 0x23, 0x33, 5), 0, 5));
  assert.deepEqual([d.spatialId, d.keyFrameStart], [1, false], "an upper spatial layer");
  assert.ok(d.parse(bytes(0xee, 0x81, 0x23, 0x30, 5), 0, 5));
  assert.equal(d.keyFrameStart, false, "P: inter-picture predicted");
  assert.equal(d.parse(bytes(0xae, 0x81), 0, 2), false, "cut in the picture id");
  assert.equal(d.parse(bytes(0xae, 0x81, 0x23), 0, 3), false, "cut before the layer indices");
});

Deno.test("isH264KeyFrameStart() finds a parameter set alone, aggregated and fragmented", () => {
  const check = (...payload: number[]) => isH264KeyFrameStart(bytes(...payload), 0, payload.length);
  assert.equal(check(0x67, 0x42), true, "SPS");
  assert.equal(check(0x65, 0x88), false, "IDR without parameter sets");
  assert.equal(check(0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42), true, "STAP-A: AUD, SPS");
  assert.equal(check(0x78, 0, 2, 0x09, 0x10, 0, 9, 0x67, 0x42), false, "STAP-A too long");
  assert.equal(check(0x78, 0, 0, 0x67, 0x42), false, "STAP-A with an empty unit");
  assert.equal(check(0x7c, 0x87, 1), true, "FU-A, first fragment of an SPS");
  assert.equal(check(0x7c, 0x07, 1), false, "FU-A, later fragment");
  assert.equal(check(0x67), false, "one byte");
});

Deno.test("isH265KeyFrameStart() finds a parameter set alone, aggregated and fragmented", () => {
  const check = (...payload: number[]) => isH265KeyFrameStart(bytes(...payload), 0, payload.length);
  assert.equal(check(0x40, 1, 0), true, "VPS");
  assert.equal(check(0x42, 1, 0), true, "SPS");
  assert.equal(check(0x26, 1, 0), false, "IDR");
  assert.equal(check(0x60, 1, 0, 2, 0x42, 1), true, "aggregation packet");
  assert.equal(check(0x62, 1, 0x80 | 33), true, "fragment start");
  assert.equal(check(0x62, 1, 33), false, "later fragment");
});

Deno.test("isAv1KeyFrameStart() wants N without Z", () => {
  assert.equal(isAv1KeyFrameStart(bytes(0x18, 0x0a), 0, 2), true);
  assert.equal(isAv1KeyFrameStart(bytes(0x98, 0x0a), 0, 2), false);
  assert.equal(isAv1KeyFrameStart(bytes(0x10, 0x0a), 0, 2), false);
  assert.equal(isAv1KeyFrameStart(bytes(0x18), 0, 1), false);
});

Deno.test("DependencyDescriptor.parse() reads the mandatory fields and the structure flag", () => {
  const d = new DependencyDescriptor();
  assert.ok(d.parse(bytes(0x80 | 0x05, 0x12, 0x34, 0x80), 0, 4));
  assert.deepEqual([d.startOfFrame, d.endOfFrame, d.templateId], [true, false, 5]);
  assert.deepEqual([d.frameNumber, d.keyFrameStart], [0x1234, true]);
  assert.ok(d.parse(bytes(0xc0, 0, 1), 0, 3));
  assert.equal(d.keyFrameStart, false, "mandatory fields only");
  assert.equal(d.parse(bytes(0xc0, 0), 0, 2), false);
});

Deno.test("isKeyFrameStart() goes by codec, and by the descriptor for AV1 that is encrypted", () => {
  const vp8 = new Vp8Descriptor();
  const vp9 = new Vp9Descriptor();
  const dd = new DependencyDescriptor();
  const check = (mime: string, payload: Uint8Array, descriptor?: DependencyDescriptor) =>
    isKeyFrameStart(codecFamily(mime), payload, 0, payload.length, vp8, vp9, descriptor);
  assert.equal(codecFamily("audio/opus"), CODEC.other);
  assert.equal(check("VIDEO/h264", bytes(0x67, 0x42)), true);
  assert.equal(check("video/H265", bytes(0x42, 1, 0)), true);
  assert.equal(check("video/VP9", bytes(0x08, 0x80)), true);
  assert.equal(check("video/AV1", bytes(0x18, 0x0a)), true);
  assert.equal(check("video/unknown", bytes(0x67, 0x42)), false);
  dd.parse(bytes(0x80, 0, 1, 0x80), 0, 4);
  assert.equal(check("video/AV1", bytes(0xff, 0xff), dd), true);
  vp8.parse(bytes(0x10, 0x10), 0, 2);
  assert.equal(check("video/VP8", bytes(0x10, 0x10)), true);
});
