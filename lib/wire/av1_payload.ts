/**
 * The AV1 aggregation header (RTP payload format for AV1, §4.4), one byte before the OBUs.
 *
 * @module
 */

/**
 * Whether the payload is the first packet of a coded video sequence: N is set, which the format
 * allows only there, and the packet does not continue an earlier OBU (Z).
 */
export function isAv1KeyFrameStart(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length < 2 || offset + length > bytes.length) return false;
  const header = bytes[offset]!;
  return (header & 0x08) !== 0 && (header & 0x80) === 0;
}
