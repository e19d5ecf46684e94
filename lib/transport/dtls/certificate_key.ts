/**
 * The key in a certificate, if it is of the kind that WebRTC's have: on the curve P-256 (RFC 5280
 * §4.1, RFC 5480 §2).
 *
 * Contract: total; whatever is not such a certificate as far as its key is `undefined`. Nothing
 * else of it is looked at: whose it is its fingerprint says.
 *
 * @module
 */
import { P256_KEY_HEAD, P256_POINT_BYTES } from "../crypto/handshake_crypto.ts";

const SEQUENCE = 0x30;
/** The version of a certificate. */
const EXPLICIT_0 = 0xa0;
/** Serial number, signature algorithm, issuer, validity and subject stand before the key. */
const FIELDS_BEFORE_KEY = 5;

/** The uncompressed point, a view on `der`. */
export function p256PointOf(der: Uint8Array): Uint8Array | undefined {
  let at = contentOf(der, contentOf(der, 0));
  if (at >= 0 && der[at] === EXPLICIT_0) at = behind(der, at);
  for (let field = 0; field < FIELDS_BEFORE_KEY && at >= 0; field++) at = behind(der, at);
  const point = at + P256_KEY_HEAD.length;
  if (at < 0 || point + P256_POINT_BYTES > der.length) return undefined;
  for (let i = 0; i < P256_KEY_HEAD.length; i++) {
    if (der[at + i] !== P256_KEY_HEAD[i]) return undefined;
  }
  return der.subarray(point, point + P256_POINT_BYTES);
}

/** Where the content of the sequence at `at` begins; -1 if there is none. */
function contentOf(der: Uint8Array, at: number): number {
  return at >= 0 && der[at] === SEQUENCE ? at + headBytes(der, at) : -1;
}

/** Where the element at `at` ends, within `der`; -1 if it does not. */
function behind(der: Uint8Array, at: number): number {
  if (at + 2 > der.length) return -1;
  const head = headBytes(der, at);
  let length = der[at + 1]!;
  if (head > 2) {
    length = 0;
    for (let i = at + 2; i < at + head; i++) length = length * 256 + (der[i] ?? 0);
  }
  const end = at + head + length;
  return end <= der.length ? end : -1;
}

/** Bytes of tag and length (X.690 §8.1.3); longer lengths than of four bytes lead out of any. */
function headBytes(der: Uint8Array, at: number): number {
  const first = der[at + 1] ?? 0;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}
