/**
 * HMAC-SHA1 with a fixed key (RFC 2104 §2), prepared once per ICE password.
 *
 * @module
 */
import type { StunMac } from "../../wire/stun.ts";
import { hmacSha1, hmacSha1Key, SHA1_DIGEST_BYTES } from "../crypto/sha1.ts";

/**
 * The {@linkcode StunMac} of the ICE password `pwd` (the key is its UTF-8 bytes, RFC 8489 §9.1.1).
 *
 * The returned function allocates nothing: its result is overwritten by its next call.
 */
export function stunKey(pwd: string): StunMac {
  const key = hmacSha1Key(new TextEncoder().encode(pwd));
  const digest = new Uint8Array(SHA1_DIGEST_BYTES);
  return (bytes, length) => {
    hmacSha1(key, bytes, length, digest);
    return digest;
  };
}
