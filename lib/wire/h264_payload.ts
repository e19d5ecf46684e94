/**
 * Where a key frame starts in H.264 (RFC 6184 §5) and H.265 (RFC 7798 §4) payloads.
 *
 * A key frame is joined at its sequence parameter set, not at the picture: a decoder that starts at
 * an IDR or IRAP picture without parameter sets shows nothing.
 *
 * @module
 */

const H264_SPS = 7;
const H264_STAP_A = 24;
const H264_FU_A = 28;
const H265_VPS = 32;
const H265_SPS = 33;
const H265_AP = 48;
const H265_FU = 49;

/** Whether an H.264 payload carries (the start of) a sequence parameter set. */
export function isH264KeyFrameStart(bytes: Uint8Array, offset: number, length: number): boolean {
  const end = offset + length;
  if (length < 2 || end > bytes.length) return false;
  const type = bytes[offset]! & 0x1f;
  if (type === H264_FU_A) {
    return (bytes[offset + 1]! & 0x80) !== 0 && (bytes[offset + 1]! & 0x1f) === H264_SPS;
  }
  if (type !== H264_STAP_A) return type === H264_SPS;
  for (let at = offset + 1; at + 2 < end;) {
    const size = (bytes[at]! << 8) | bytes[at + 1]!;
    if (size === 0 || at + 2 + size > end) return false;
    if ((bytes[at + 2]! & 0x1f) === H264_SPS) return true;
    at += 2 + size;
  }
  return false;
}

/** Whether an H.265 payload carries (the start of) a video or sequence parameter set. */
export function isH265KeyFrameStart(bytes: Uint8Array, offset: number, length: number): boolean {
  const end = offset + length;
  if (length < 3 || end > bytes.length) return false;
  const type = (bytes[offset]! >> 1) & 0x3f;
  if (type === H265_FU) {
    const inner = bytes[offset + 2]! & 0x3f;
    return (bytes[offset + 2]! & 0x80) !== 0 && (inner === H265_VPS || inner === H265_SPS);
  }
  if (type !== H265_AP) return type === H265_VPS || type === H265_SPS;
  for (let at = offset + 2; at + 2 < end;) {
    const size = (bytes[at]! << 8) | bytes[at + 1]!;
    if (size === 0 || at + 2 + size > end) return false;
    const inner = (bytes[at + 2]! >> 1) & 0x3f;
    if (inner === H265_VPS || inner === H265_SPS) return true;
    at += 2 + size;
  }
  return false;
}
