/**
 * HMAC-SHA1 with a fixed key (RFC 2104), prepared once per ICE password.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { StunMac } from "../wire/stun.ts";

/** SHA-1's block, to which RFC 2104 pads the key. */
const BLOCK_BYTES = 64;

/**
 * The {@linkcode StunMac} of the ICE password `pwd` (the key is its UTF-8 bytes, RFC 8489 §9.1.1).
 *
 * Keeps the two hash states behind the padded key and copies them per message: less than half the cost
 * of a fresh HMAC object.
 */
export function stunKey(pwd: string): StunMac {
  let key: Uint8Array = new TextEncoder().encode(pwd);
  if (key.length > BLOCK_BYTES) key = createHash("sha1").update(key).digest();
  const innerPad = new Uint8Array(BLOCK_BYTES).fill(0x36);
  const outerPad = new Uint8Array(BLOCK_BYTES).fill(0x5c);
  for (let i = 0; i < key.length; i++) {
    innerPad[i]! ^= key[i]!;
    outerPad[i]! ^= key[i]!;
  }
  const inner = createHash("sha1").update(innerPad);
  const outer = createHash("sha1").update(outerPad);
  return (bytes) => outer.copy().update(inner.copy().update(bytes).digest()).digest();
}
