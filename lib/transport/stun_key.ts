/**
 * HMAC-SHA1 with a fixed key (RFC 2104, FIPS 180-4 §6.1), prepared once per ICE password.
 *
 * Written out because a check is only five blocks long: the calls into `node:crypto` (two hash objects
 * per message, as its HMAC has no reset) cost five times the hashing itself. Nothing but STUN uses it.
 *
 * @module
 */
import type { StunMac } from "../wire/stun.ts";

/** SHA-1's block, to which RFC 2104 pads the key. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 20;

/**
 * The {@linkcode StunMac} of the ICE password `pwd` (the key is its UTF-8 bytes, RFC 8489 §9.1.1).
 *
 * The returned function allocates nothing: its result is overwritten by its next call.
 */
export function stunKey(pwd: string): StunMac {
  let key: Uint8Array = new TextEncoder().encode(pwd);
  if (key.length > BLOCK_BYTES) {
    const digest = new Uint8Array(DIGEST_BYTES);
    hash(INITIAL, 0, key, key.length, digest);
    key = digest;
  }
  const inner = keyed(key, 0x36);
  const outer = keyed(key, 0x5c);
  const innerDigest = new Uint8Array(DIGEST_BYTES);
  const digest = new Uint8Array(DIGEST_BYTES);
  return (bytes, length) => {
    hash(inner, BLOCK_BYTES, bytes, length, innerDigest);
    hash(outer, BLOCK_BYTES, innerDigest, DIGEST_BYTES, digest);
    return digest;
  };
}

const INITIAL = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
/** Scratch of the one hash that can run at a time: the current state, schedule and last blocks. */
const state = new Int32Array(5);
const schedule = new Int32Array(80);
const tail = new Uint8Array(2 * BLOCK_BYTES);

/** The state after the block that is `key`, padded with zeros and XORed with `pad`. */
function keyed(key: Uint8Array, pad: number): Int32Array {
  const block = new Uint8Array(BLOCK_BYTES).fill(pad);
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
  state.set(start);
  const whole = length - length % BLOCK_BYTES;
  for (let at = 0; at < whole; at += BLOCK_BYTES) compress(bytes, at);
  const rest = length - whole;
  // One bit of padding and a 64-bit length must fit behind the rest.
  const tailBytes = rest + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  for (let i = 0; i < rest; i++) tail[i] = bytes[whole + i]!;
  tail[rest] = 0x80;
  tail.fill(0, rest + 1, tailBytes);
  const bits = (prefixBytes + length) * 8;
  for (let i = 1; i <= 4; i++) tail[tailBytes - i] = bits >>> (8 * (i - 1));
  compress(tail, 0);
  if (tailBytes > BLOCK_BYTES) compress(tail, BLOCK_BYTES);
  for (let i = 0; i < DIGEST_BYTES; i++) out[i] = state[i >> 2]! >>> (24 - 8 * (i & 3));
}

/** FIPS 180-4 §6.1.2 on the block at `at`. */
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
  for (let i = 0; i < 80; i++) {
    let f: number;
    if (i < 20) f = ((b & c) | (~b & d)) + 0x5a827999;
    else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1;
    else if (i < 60) f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    else f = (b ^ c ^ d) + 0xca62c1d6;
    const next = (((a << 5) | (a >>> 27)) + f + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
}
