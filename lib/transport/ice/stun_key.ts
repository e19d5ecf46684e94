/**
 * HMAC-SHA1 with a fixed key (RFC 2104 §2), prepared once per password.
 *
 * @module
 */
import type { StunMac } from "../../wire/stun.ts";
import { hmacSha1, hmacSha1Key, SHA1_DIGEST_BYTES } from "../crypto/sha1.ts";

/** As {@linkcode stunMacOf}, of the ICE password `pwd`: its UTF-8 bytes (RFC 8489 §9.1.1). */
export function stunKey(pwd: string): StunMac {
  return stunMacOf(new TextEncoder().encode(pwd));
}

/**
 * The {@linkcode StunMac} of a key.
 *
 * The returned function allocates nothing: its result is overwritten by its next call.
 */
export function stunMacOf(secret: Uint8Array): StunMac {
  const key = hmacSha1Key(secret);
  const digest = new Uint8Array(SHA1_DIGEST_BYTES);
  return (bytes, length) => {
    hmacSha1(key, bytes, length, digest);
    return digest;
  };
}
