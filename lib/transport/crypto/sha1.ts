/**
 * SHA-1 written out (FIPS 180-4 §6.1), for HMACs with a key that stays (RFC 2104).
 *
 * For short input the calls into `node:crypto` cost several times the hashing itself: its HMAC has
 * no reset, so each message takes two hash objects. Everything here is synchronous and allocates
 * nothing per message, with one scratch for the one hash that can run at a time.
 *
 * @module
 */

/** SHA-1's block, to which RFC 2104 §2 pads the key. */
export const SHA1_BLOCK_BYTES = 64;
export const SHA1_DIGEST_BYTES = 20;

const INITIAL = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
const state = new Int32Array(5);
const schedule = new Int32Array(80);
const tail = new Uint8Array(2 * SHA1_BLOCK_BYTES);

/** What is kept of an HMAC key: the states after its inner and its outer block. */
export interface HmacSha1Key {
  readonly inner: Int32Array;
  readonly outer: Int32Array;
}

/** Prepares a key of any length. */
export function hmacSha1Key(key: Uint8Array): HmacSha1Key {
  let short = key;
  if (key.length > SHA1_BLOCK_BYTES) {
    short = new Uint8Array(SHA1_DIGEST_BYTES);
    hash(INITIAL, 0, key, key.length, short);
  }
  return { inner: stateAfter(short, 0x36), outer: stateAfter(short, 0x5c) };
}

/** HMAC-SHA1 of `bytes[0..length)`; writes 20 bytes to `out`, which must not be `bytes`. */
export function hmacSha1(
  key: HmacSha1Key,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
): void {
  hash(key.inner, SHA1_BLOCK_BYTES, bytes, length, out);
  finishHmacSha1(key, out, out);
}

/** The outer half of an HMAC, for an inner digest that was made elsewhere. */
export function finishHmacSha1(key: HmacSha1Key, innerDigest: Uint8Array, out: Uint8Array): void {
  hash(key.outer, SHA1_BLOCK_BYTES, innerDigest, SHA1_DIGEST_BYTES, out);
}

/** The state after the block that is `key`, padded with zeros and XORed with `pad`. */
function stateAfter(key: Uint8Array, pad: number): Int32Array {
  const block = new Uint8Array(SHA1_BLOCK_BYTES).fill(pad);
  for (let i = 0; i < key.length; i++) block[i]! ^= key[i]!;
  state.set(INITIAL);
  compress(block, 0);
  return state.slice();
}

/** SHA-1 of `prefixBytes` whole blocks, already taken into `start`, and then `bytes[0..length)`. */
function hash(
  start: Int32Array,
  prefixBytes: number,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
): void {
  for (let i = 0; i < 5; i++) state[i] = start[i]!;
  const whole = length - length % SHA1_BLOCK_BYTES;
  for (let at = 0; at < whole; at += SHA1_BLOCK_BYTES) compress(bytes, at);
  const rest = length - whole;
  // One bit of padding and a 64-bit length must fit behind the rest.
  const tailBytes = rest + 9 <= SHA1_BLOCK_BYTES ? SHA1_BLOCK_BYTES : 2 * SHA1_BLOCK_BYTES;
  for (let i = 0; i < rest; i++) tail[i] = bytes[whole + i]!;
  tail[rest] = 0x80;
  for (let i = rest + 1; i < tailBytes; i++) tail[i] = 0;
  const bits = (prefixBytes + length) * 8;
  for (let i = 1; i <= 4; i++) tail[tailBytes - i] = bits >>> (8 * (i - 1));
  compress(tail, 0);
  if (tailBytes > SHA1_BLOCK_BYTES) compress(tail, SHA1_BLOCK_BYTES);
  for (let i = 0; i < SHA1_DIGEST_BYTES; i++) out[i] = state[i >> 2]! >>> (24 - 8 * (i & 3));
}

/** FIPS 180-4 §6.1.2 on the block at `at`: four runs of 20 steps, each with its own function. */
function compress(bytes: Uint8Array, at: number): void {
  const w = schedule;
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let i = 16; i < 80; i++) {
    const mixed = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
    w[i] = (mixed << 1) | (mixed >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  for (let i = 0; i < 20; i++) {
    const f = (d ^ (b & (c ^ d))) + 0x5a827999;
    const next = (((a << 5) | (a >>> 27)) + f + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let i = 20; i < 40; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + 0x6ed9eba1 + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let i = 40; i < 60; i++) {
    const f = ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
    const next = (((a << 5) | (a >>> 27)) + f + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let i = 60; i < 80; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + 0xca62c1d6 + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
  state[4] = (state[4]! + e) | 0;
}
