/**
 * Keys out of a secret that two sides share: HKDF with SHA-256 (RFC 5869).
 *
 * @module
 */
import { type HandshakeCrypto, SHA256_BYTES } from "./handshake_crypto.ts";

/** What a secret and a salt give: 32 bytes that are as good as random (RFC 5869 §2.2). */
export function hkdfExtract(
  crypto: HandshakeCrypto,
  salt: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  return crypto.hmac(salt, secret);
}

/**
 * `length` bytes for the purpose that `info` names (RFC 5869 §2.3).
 *
 * @param prk Out of {@linkcode hkdfExtract}.
 * @param length At most 255 hashes.
 */
export function hkdfExpand(
  crypto: HandshakeCrypto,
  prk: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const out = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array();
  for (let done = 0, counter = 1; done < length; done += SHA256_BYTES, counter++) {
    const data = new Uint8Array(block.length + info.length + 1);
    data.set(block);
    data.set(info, block.length);
    data[data.length - 1] = counter;
    block = crypto.hmac(prk, data);
    out.set(block.subarray(0, Math.min(SHA256_BYTES, length - done)), done);
  }
  return out;
}
