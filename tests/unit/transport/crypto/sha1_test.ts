import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import {
  finishHmacSha1,
  hmacSha1,
  hmacSha1Key,
  SHA1_BLOCK_BYTES,
  SHA1_DIGEST_BYTES,
} from "../../../../lib/transport/crypto/sha1.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const hex = (of: Uint8Array) => Buffer.from(of).toString("hex");
const text = (of: string) => new TextEncoder().encode(of);
const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte);

function hmacHex(key: Uint8Array, message: Uint8Array, length = message.length): string {
  const out = new Uint8Array(SHA1_DIGEST_BYTES);
  hmacSha1(hmacSha1Key(key), message, length, out);
  return hex(out);
}

const nodeHmacHex = (key: Uint8Array, message: Uint8Array) =>
  createHmac("sha1", key).update(message).digest("hex");

/** RFC 2202 §3: key, message, digest. */
const RFC_2202: readonly (readonly [Uint8Array, Uint8Array, string])[] = [
  [filled(20, 0x0b), text("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"],
  [
    text("Jefe"),
    text("what do ya want for nothing?"),
    "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
  ],
  [filled(20, 0xaa), filled(50, 0xdd), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"],
  [
    Uint8Array.from({ length: 25 }, (_, i) => i + 1),
    filled(50, 0xcd),
    "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
  ],
  [filled(20, 0x0c), text("Test With Truncation"), "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"],
  [
    filled(80, 0xaa),
    text("Test Using Larger Than Block-Size Key - Hash Key First"),
    "aa4ae5e15272d00e95705637ce8a3b55ed402112",
  ],
  [
    filled(80, 0xaa),
    text("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"),
    "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
  ],
];

Deno.test("hmacSha1() gives the digests of RFC 2202", () => {
  for (const [key, message, digest] of RFC_2202) assert.equal(hmacHex(key, message), digest);
});

Deno.test("hmacSha1() agrees with node:crypto at every length up to five blocks", () => {
  const random = new SeededRandom(1);
  const key = random.bytes(20);
  const message = random.bytes(5 * SHA1_BLOCK_BYTES + 1);
  for (let length = 0; length <= message.length; length++) {
    // What lies behind the length must not count.
    assert.equal(hmacHex(key, message, length), nodeHmacHex(key, message.subarray(0, length)));
  }
});

Deno.test("hmacSha1Key() takes keys shorter, as long and longer than a block", () => {
  const random = new SeededRandom(2);
  const message = random.bytes(100);
  for (const length of [0, 1, 20, 63, 64, 65, 119, 120, 128, 200]) {
    const key = random.bytes(length);
    assert.equal(hmacHex(key, message), nodeHmacHex(key, message), `key of ${length} bytes`);
  }
});

Deno.test("hmacSha1() reads unaligned bytes, writes unaligned digests and changes nothing else", () => {
  const random = new SeededRandom(3);
  const key = random.bytes(20);
  const prepared = hmacSha1Key(key);
  for (let offset = 0; offset < 8; offset++) {
    const memory = random.bytes(offset + 150 + 8);
    const before = memory.slice();
    const message = memory.subarray(offset, offset + 150);
    const around = filled(offset + SHA1_DIGEST_BYTES + 3, 0xee);
    hmacSha1(prepared, message, 150, around.subarray(offset, offset + SHA1_DIGEST_BYTES));
    assert.equal(hex(around.subarray(offset, -3)), nodeHmacHex(key, message));
    assert.deepEqual(around.subarray(0, offset), filled(offset, 0xee));
    assert.deepEqual(around.subarray(-3), filled(3, 0xee));
    assert.deepEqual(memory, before);
  }
});

Deno.test("hmacSha1() with several keys in turn mixes none of them up", () => {
  const random = new SeededRandom(4);
  const keys = Array.from({ length: 5 }, () => random.bytes(20));
  const prepared = keys.map(hmacSha1Key);
  for (let round = 0; round < 20; round++) {
    const message = random.bytes(random.below(200));
    for (const [i, key] of keys.entries()) {
      const out = new Uint8Array(SHA1_DIGEST_BYTES);
      hmacSha1(prepared[i]!, message, message.length, out);
      assert.equal(hex(out), nodeHmacHex(key, message));
    }
  }
});

Deno.test("finishHmacSha1() completes an inner digest made by node:crypto", () => {
  const random = new SeededRandom(5);
  const key = random.bytes(20);
  const message = random.bytes(1_200);
  const innerPad = filled(SHA1_BLOCK_BYTES, 0x36).map((byte, i) => byte ^ (key[i] ?? 0));
  const inner = createHash("sha1").update(innerPad).update(message).digest();
  const out = new Uint8Array(SHA1_DIGEST_BYTES);
  finishHmacSha1(hmacSha1Key(key), inner, out);
  assert.equal(hex(out), nodeHmacHex(key, message));
});
