import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";
import { CounterMode } from "../../../../lib/transport/srtp/counter_mode.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const KEY = bytes("2b7e151628aed2a6abf7158809cf4f3c");
const SALT = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd");
const SSRC = 0x9abc_def0;

/** Packet `index` of a stream as RFC 3711 §4.1.1 writes its counter, by node:crypto's own CTR. */
function sealed(clear: Uint8Array, ssrc: number, index: number): Uint8Array {
  const iv = Buffer.alloc(16);
  iv.writeUInt32BE(ssrc, 4);
  iv.writeUIntBE(index, 8, 6);
  for (const [i, byte] of SALT.entries()) iv[i]! ^= byte;
  return new Uint8Array(createCipheriv("aes-128-ctr", KEY, iv).update(clear));
}

/** Applies `mode` to a whole copy of `clear`. */
function applied(mode: CounterMode, clear: Uint8Array, ssrc: number, index: number): Uint8Array {
  const copy = clear.slice();
  const high = Math.floor(index / 0x1_0000);
  assert.equal(mode.apply(copy, 0, copy.length, ssrc, high, index % 0x1_0000), true);
  return copy;
}

Deno.test("CounterMode makes the keystream of RFC 3711 B.2", () => {
  assert.deepEqual(
    applied(new CounterMode(KEY, SALT), new Uint8Array(48), 0, 0),
    bytes(
      "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab" +
        "41e95b3bb0a2e8dd477901e4fca894c0",
    ),
  );
});

Deno.test("CounterMode.apply() follows a stream that counts on by one through its roll-over", () => {
  const random = new SeededRandom(1);
  const mode = new CounterMode(KEY, SALT);
  for (let index = 0x3_0000 - 40; index < 0x3_0000 + 40; index++) {
    const clear = random.bytes(1_188);
    assert.deepEqual(applied(mode, clear, SSRC, index), sealed(clear, SSRC, index));
  }
});

Deno.test("CounterMode.apply() foresees no length: each packet may be longer or shorter", () => {
  const random = new SeededRandom(2);
  const mode = new CounterMode(KEY, SALT);
  for (let index = 0; index < 300; index++) {
    const clear = random.bytes(random.below(1_500));
    assert.deepEqual(applied(mode, clear, SSRC, index), sealed(clear, SSRC, index));
  }
});

Deno.test("CounterMode.apply() takes any order: late, repeated, skipped and far packets", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new SeededRandom(seed);
    const mode = new CounterMode(KEY, SALT);
    let index = random.below(0xffff_0000);
    for (let step = 0; step < 200; step++) {
      const move = random.below(9);
      if (move < 6) index += 1;
      else if (move === 6) index = Math.max(0, index - random.below(20));
      else if (move === 7) index += 2 + random.below(20);
      else if (move === 8) index += random.below(0x2_0000);
      const clear = random.bytes(random.below(100));
      const expected = sealed(clear, SSRC, index);
      assert.deepEqual(applied(mode, clear, SSRC, index), expected, `seed ${seed} step ${step}`);
    }
  }
});

Deno.test("CounterMode.apply() keeps more streams apart than it runs ahead for", () => {
  const random = new SeededRandom(3);
  const mode = new CounterMode(KEY, SALT);
  for (let index = 10; index < 20; index++) {
    for (let stream = 0; stream < 150; stream++) {
      const clear = random.bytes(20);
      const ssrc = 0xffff_ff00 + stream;
      assert.deepEqual(applied(mode, clear, ssrc, index), sealed(clear, ssrc, index));
    }
  }
});

Deno.test("CounterMode.apply() changes just its range, at every alignment of range and memory", () => {
  const random = new SeededRandom(4);
  const mode = new CounterMode(KEY, SALT);
  let index = 0;
  for (let offset = 0; offset < 5; offset++) {
    for (let from = 0; from < 5; from++) {
      for (const length of [0, 1, 3, 4, 5, 15, 16, 17, 63, 101]) {
        // Memory of an odd size, so that its last word is not whole.
        const memory = random.bytes(offset + 121).subarray(offset);
        const before = memory.slice();
        const to = from + length;
        assert.equal(mode.apply(memory, from, to, SSRC, 0, ++index), true);
        assert.deepEqual(memory.subarray(0, from), before.subarray(0, from));
        assert.deepEqual(memory.subarray(from, to), sealed(before.slice(from, to), SSRC, index));
        assert.deepEqual(memory.subarray(to), before.subarray(to));
      }
    }
  }
});

Deno.test("CounterMode.apply() with packets in two buffers in turn writes to the right one", () => {
  const random = new SeededRandom(5);
  const mode = new CounterMode(KEY, SALT);
  const buffers = [new Uint8Array(256), new Uint8Array(512)];
  for (let index = 0; index < 40; index++) {
    const clear = random.bytes(200);
    const [buffer, other] = index % 2 === 0 ? buffers : buffers.toReversed();
    const untouched = other!.slice();
    buffer!.set(clear, 12);
    assert.equal(mode.apply(buffer!, 12, 212, SSRC, 0, index), true);
    assert.deepEqual(buffer!.subarray(12, 212), sealed(clear, SSRC, index));
    assert.deepEqual(other, untouched);
  }
});

Deno.test("CounterMode.apply() a second time gives the clear text back", () => {
  const mode = new CounterMode(KEY, SALT);
  const clear = new SeededRandom(6).bytes(1_000);
  for (let index = 0; index < 20; index++) {
    assert.deepEqual(applied(mode, applied(mode, clear, SSRC, index), SSRC, index), clear);
  }
});

Deno.test("CounterMode.apply() takes 2,048 bytes and leaves longer packets alone", () => {
  const mode = new CounterMode(KEY, SALT);
  const clear = new SeededRandom(7).bytes(2_048);
  assert.deepEqual(applied(mode, clear, SSRC, 5), sealed(clear, SSRC, 5));
  const long = new Uint8Array(2_049);
  assert.equal(mode.apply(long, 0, long.length, SSRC, 0, 6), false);
  assert.deepEqual(long, new Uint8Array(2_049));
});
