import assert from "node:assert/strict";
import { copiedBytes, RedPayload } from "../../../lib/wire/red_payload.ts";
import { redundantPayload } from "../../support/media/redundant_payload.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

Deno.test("RedPayload.parse() finds the frame behind its copies, newest copy last", () => {
  const bytes = redundantPayload([1, 2, 3], [{ age: 960, frame: [4, 5] }, {
    age: 1920,
    frame: [6],
  }]);
  const red = new RedPayload();
  assert.equal(red.parse(bytes, 0, bytes.length), true);
  assert.equal(red.copies, 2);
  const part = (offset: number, length: number) => [...bytes.subarray(offset, offset + length)];
  assert.deepEqual(part(red.primaryOffset, red.primaryLength), [1, 2, 3]);
  assert.deepEqual(part(red.offsetOf(1), red.lengthOf(1)), [4, 5]);
  assert.deepEqual(part(red.offsetOf(2), red.lengthOf(2)), [6]);
  assert.deepEqual([red.ageOf(1), red.ageOf(2)], [960, 1920]);
});

Deno.test("RedPayload.parse() reads the widest age and length of RFC 2198", () => {
  const frame = Array.from({ length: 1023 }, (_, i) => i & 0xff);
  const bytes = redundantPayload([9], [{ age: 16_383, frame }]);
  const red = new RedPayload();
  assert.equal(red.parse(bytes, 0, bytes.length), true);
  assert.deepEqual([red.ageOf(1), red.lengthOf(1), red.primaryLength], [16_383, 1023, 1]);
});

Deno.test("RedPayload.parse() refuses what is cut off anywhere before the frame", () => {
  const bytes = redundantPayload([], [{ age: 960, frame: [4, 5] }]);
  const red = new RedPayload();
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(red.parse(bytes, 0, length), false, `${length} bytes`);
  }
  assert.equal(red.parse(bytes, 0, bytes.length), true, "an empty frame is none of its business");
  assert.equal(red.parse(bytes, 1, bytes.length), false, "beyond the bytes");
});

Deno.test("RedPayload.parse() refuses more copies than anybody sends", () => {
  const bytes = Uint8Array.from([...Array(10).fill([0xef, 0, 0, 0]).flat(), 111, 1]);
  assert.equal(new RedPayload().parse(bytes, 0, bytes.length), false);
});

Deno.test("copiedBytes() counts all but the frame of a redundant payload, and nothing of other bytes (seeded)", () => {
  const red = new RedPayload();
  const random = new SeededRandom(7);
  for (let i = 0; i < 20_000; i++) {
    const copies = Array.from({ length: random.uint32() % 4 }, (_, back) => ({
      age: 960 * (back + 1),
      frame: new Array(random.uint32() % 300).fill(1),
    }));
    const bytes = redundantPayload([1, 2, 3], copies);
    // As it is, cut off, or with a byte changed.
    const length = i % 3 === 1 ? random.uint32() % (bytes.length + 1) : bytes.length;
    if (i % 3 === 2) bytes[random.uint32() % bytes.length] = random.uint32() & 0xff;
    const copied = copiedBytes(bytes, 0, length);
    assert.ok(copied >= 0 && copied <= length);
    if (i % 3 === 0) {
      assert.equal(red.parse(bytes, 0, length), true);
      // (The header of the frame itself is one byte, and is needed.)
      assert.equal(copied, length - 1 - red.primaryLength);
    }
  }
});
