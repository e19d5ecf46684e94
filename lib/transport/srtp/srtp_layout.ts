/**
 * Sizes and byte orders that every SRTP cipher shares (RFC 3711 §3, RFC 7714 §8 and §9).
 *
 * @module
 */

/** HMAC-SHA1-80. */
export const SHA1_TAG_BYTES = 10;
export const GCM_TAG_BYTES = 16;
/** Fixed RTCP header and SSRC: what SRTCP leaves in the clear. */
export const RTCP_HEADER_BYTES = 8;
/** E bit and index. */
export const RTCP_INDEX_BYTES = 4;
/** "This packet is encrypted", above the 31 bits of the SRTCP index. */
export const E_BIT = 0x8000_0000;
/** Longest part of one packet that AES-CM encrypts: beyond any MTU we receive. */
export const MAX_CM_BYTES = 2048;

/** The other byte order of a 32-bit word: Deno runs on little-endian machines only. */
export function swapBytes(word: number): number {
  return (word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff_0000) | (word << 24);
}

/** Whether `bytes[at .. at + length)` is all there. */
export function isWithin(bytes: Uint8Array, at: number, length: number): boolean {
  return at >= 0 && length >= 0 && at + length <= bytes.length;
}

/** Puts the end of a payload behind its beginning; `false` if it is not there or has no room. */
export function copyPayload(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  sourceAt: number,
  length: number,
): boolean {
  if (!isWithin(source, sourceAt, length) || !isWithin(out, at, length)) return false;
  out.set(source.subarray(sourceAt, sourceAt + length), at);
  return true;
}
