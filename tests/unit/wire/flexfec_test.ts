import assert from "node:assert/strict";
import {
  FlexfecHeader,
  MOST_HEADER_BYTES,
  MOST_PROTECTED,
  writeFlexfecHeader,
} from "../../../lib/wire/flexfec.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

/** A header that protects packets `offsets` from `base`, as bytes. */
function headerOf(offsets: readonly number[], ssrc = 0x01020304, base = 0xfffe): Uint8Array {
  const into = new Uint8Array(MOST_HEADER_BYTES).fill(0xee);
  into.fill(0, 0, 8);
  const length = writeFlexfecHeader(into, 0, ssrc, base, Uint8Array.from(offsets), offsets.length);
  return into.slice(0, length);
}

Deno.test("writeFlexfecHeader() is what the draft draws, with one, two and three parts of the mask", () => {
  // Figures 9 and 10 of the draft: the mask's parts have 15, 31 and 63 bits behind a k each.
  const fixed = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 0xff, 0xfe];
  assert.deepEqual([...headerOf([0])], [...fixed, 0xc0, 0x00]);
  assert.deepEqual([...headerOf([0, 14])], [...fixed, 0xc0, 0x01]);
  assert.deepEqual([...headerOf([1, 15])], [...fixed, 0x20, 0, 0xc0, 0, 0, 0]);
  assert.deepEqual([...headerOf([45])], [...fixed, 0, 0, 0x80, 0, 0, 1]);
  assert.deepEqual([...headerOf([0, 46])], [
    ...[...fixed, 0x40, 0, 0, 0, 0, 0],
    ...[0xc0, 0, 0, 0, 0, 0, 0, 0],
  ]);
  assert.deepEqual([...headerOf([108])].slice(24), [0x80, 0, 0, 0, 0, 0, 0, 1]);
});

Deno.test("FlexfecHeader.parse() reads every mask that can be written", () => {
  const random = new SeededRandom(3);
  const header = new FlexfecHeader();
  for (let i = 0; i < 2_000; i++) {
    const most = 1 + random.below(MOST_PROTECTED);
    const offsets = Array.from({ length: most }, (_, n) => n).filter(() => random.chance(0.3));
    if (offsets.length === 0) continue;
    const base = random.below(0x10000);
    const bytes = headerOf(offsets, 0xfedcba98, base);
    assert.ok(header.parse(bytes, 0, bytes.length));
    assert.deepEqual([...header.offsets.subarray(0, header.count)], offsets);
    assert.deepEqual([header.ssrc, header.base, header.length], [
      0xfedcba98,
      base,
      bytes.length,
    ]);
  }
});

Deno.test("FlexfecHeader.parse() refuses what is cut off, and what no browser sends", () => {
  const header = new FlexfecHeader();
  for (const offsets of [[0], [20], [60]]) {
    const whole = headerOf(offsets);
    for (let length = 0; length < whole.length; length++) {
      assert.equal(header.parse(whole, 0, length), false, `${length} of ${whole.length}`);
    }
    assert.equal(header.parse(whole, 0, whole.length), true);
    assert.equal(header.parse(whole, 1, whole.length), false, "beyond the bytes");
    for (const [at, value] of [[0, 0x80], [0, 0x40], [8, 0], [8, 2]] as const) {
      const changed = whole.slice();
      changed[at] = value;
      assert.equal(header.parse(changed, 0, changed.length), false, `byte ${at} is ${value}`);
    }
  }
  const none = headerOf([0]);
  none[18] = 0x80;
  assert.equal(header.parse(none, 0, none.length), false, "nothing is protected");
  const endless = headerOf([60]);
  endless[24]! &= 0x7f;
  assert.equal(header.parse(endless, 0, endless.length), false, "no last part");
});
