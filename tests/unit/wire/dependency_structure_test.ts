import assert from "node:assert/strict";
import { BitReader } from "../../../lib/wire/bit_reader.ts";
import {
  activeTargetsLength,
  DependencyDescriptor,
  takesActiveTargets,
  writeActiveTargets,
} from "../../../lib/wire/dependency_descriptor.ts";
import { DependencyStructure } from "../../../lib/wire/dependency_structure.ts";
import { BitWriter } from "../../support/media/bit_writer.ts";
import { writeStructure } from "../../support/media/svc_world.ts";

function structureBytes(): Uint8Array {
  const w = new BitWriter();
  writeStructure(w, "L3T3_KEY", 60);
  return w.bytes;
}

function readStructure(bytes: Uint8Array, length = bytes.length): DependencyStructure | undefined {
  const reader = new BitReader();
  reader.begin(bytes, 0, length);
  const structure = new DependencyStructure();
  return structure.read(reader) ? structure : undefined;
}

Deno.test("DependencyStructure.read() reads layers, indications, chains and sizes (AV1 RTP A.8.3)", () => {
  const s = readStructure(structureBytes());
  assert.ok(s !== undefined);
  assert.deepEqual([s.templateIdOffset, s.templateCount, s.targetCount, s.chainCount], [
    60,
    9,
    9,
    3,
  ]);
  assert.deepEqual([...s.spatialId.subarray(0, 9)], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  assert.deepEqual([...s.temporalId.subarray(0, 9)], [0, 1, 2, 0, 1, 2, 0, 1, 2]);
  assert.deepEqual([...s.targetSpatial.subarray(0, 9)], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  assert.deepEqual([...s.targetTemporal.subarray(0, 9)], [0, 1, 2, 0, 1, 2, 0, 1, 2]);
  assert.deepEqual([...s.targetChain.subarray(0, 9)], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  // Layer (1, 1): not in the targets of layer 0, switch-less in (1, 0), discardable in (1, 1).
  assert.deepEqual([...s.dtis.subarray(4 * 32, 4 * 32 + 9)], [0, 0, 0, 0, 1, 3, 0, 0, 0]);
  assert.deepEqual([s.frameDiffCount[3], s.frameDiffCount[4], s.frameDiffs[4 * 8]], [0, 1, 1]);
  assert.deepEqual([s.width[0], s.height[0], s.width[2], s.height[2]], [160, 90, 640, 360]);
  assert.equal(s.maxSpatial, 2);
});

Deno.test("DependencyStructure.templateOf() wraps around 64 and knows its own ids only", () => {
  const s = readStructure(structureBytes())!;
  assert.deepEqual([60, 63, 0, 4].map((id) => s.templateOf(id)), [0, 3, 4, 8]);
  assert.deepEqual([5, 59].map((id) => s.templateOf(id)), [-1, -1]);
});

Deno.test("DependencyStructure.read() refuses every cut, and layers beyond the format's", () => {
  const bytes = structureBytes();
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(readStructure(bytes, length), undefined, `${length} bytes`);
  }
  const high = new BitWriter().write(0, 11);
  for (let i = 0; i < 4; i++) high.write(2, 2); // a fifth spatial layer
  assert.equal(readStructure(high.write(3, 2).write(0, 300).bytes), undefined);
  const endless = new BitWriter().write(0, 11);
  for (let i = 0; i < 70; i++) endless.write(0, 2);
  assert.equal(readStructure(endless.write(0, 300).bytes), undefined, "more than 64 templates");
});

Deno.test("BitReader.readBelow() reads numbers of unequal width, and zeros past the end", () => {
  const reader = new BitReader();
  // ns(5): 0, 1, 2 take two bits, 3 and 4 three.
  const bytes = new BitWriter().write(0, 2).write(1, 2).write(2, 2).write(6, 3).write(7, 3).bytes;
  reader.begin(bytes, 0, bytes.length);
  assert.deepEqual([0, 0, 0, 0, 0].map(() => reader.readBelow(5)), [0, 1, 2, 3, 4]);
  assert.equal(reader.overrun, false);
  assert.equal(reader.read(20), 0);
  assert.equal(reader.overrun, true);
});

Deno.test("DependencyDescriptor.readFrame() takes what is custom, and the rest from the template", () => {
  const structure = readStructure(structureBytes())!;
  const d = new DependencyDescriptor();
  const w = new BitWriter().write(0b01, 2).write(0, 6).write(0xfffe, 16); // template 4
  w.write(0b01011, 5).write(0b101010101, 9);
  w.write(1, 2).write(15, 4).write(3, 2).write(4095, 12).write(0, 2);
  w.write(200, 8).write(0, 8).write(7, 8);
  assert.ok(d.parse(w.bytes, 0, w.bytes.length) && d.readFrame(structure));
  assert.deepEqual([d.endOfFrame, d.spatialId, d.temporalId, d.frameNumber], [true, 1, 1, 0xfffe]);
  assert.deepEqual([...d.frameDiffs.subarray(0, d.frameDiffCount)], [16, 4096]);
  assert.deepEqual([...d.chainDiffs.subarray(0, d.chainCount)], [200, 0, 7]);
  assert.deepEqual([...d.dtis.subarray(0, d.targetCount)], [0, 0, 0, 0, 1, 3, 0, 0, 0]);
  assert.equal(d.activeTargets, 0b101010101);
  assert.ok(d.parse(w.bytes, 0, w.bytes.length - 1));
  assert.equal(d.readFrame(structure), false, "cut short");
  assert.ok(d.parse(Uint8Array.of(30, 0, 0), 0, 3));
  assert.equal(d.readFrame(structure), false, "a template of another structure");
});

Deno.test("writeActiveTargets() adds or replaces the mask and keeps every other field", () => {
  const structure = readStructure(structureBytes())!;
  const bare = new BitWriter().write(0x80 | 61, 8).write(77, 16).bytes;
  const custom = (active: boolean) => {
    const w = new BitWriter().write(0x40 | 61, 8).write(77, 16).write(
      active ? 0b01011 : 0b00011,
      5,
    );
    if (active) w.write(0x1ff, 9);
    return w.write(1, 2).write(8, 4).write(0, 2).write(1, 8).write(2, 8).write(3, 8).bytes;
  };
  for (const source of [bare, custom(false), custom(true)]) {
    assert.ok(takesActiveTargets(source, 0, source.length));
    const out = new Uint8Array(40).fill(0xff);
    const written = writeActiveTargets(out, 5, source, 0, source.length, 0b11, 9);
    assert.equal(written, activeTargetsLength(source, 0, source.length, 9));
    assert.equal(out[5 + written], 0xff, "nothing is written behind it");
    const [before, after] = [new DependencyDescriptor(), new DependencyDescriptor()];
    assert.ok(before.parse(source, 0, source.length) && before.readFrame(structure));
    assert.ok(after.parse(out, 5, written) && after.readFrame(structure));
    assert.deepEqual([after.hasActiveDecodeTargets, after.activeTargets], [true, 3]);
    for (const key of ["startOfFrame", "endOfFrame", "templateId", "frameNumber"] as const) {
      assert.equal(after[key], before[key], key);
    }
    assert.deepEqual(after.frameDiffs, before.frameDiffs);
    assert.deepEqual(after.chainDiffs, before.chainDiffs);
    assert.deepEqual(after.dtis, before.dtis);
  }
  assert.equal(takesActiveTargets(Uint8Array.of(0, 0, 0, 0x80), 0, 4), false, "has a structure");
});
