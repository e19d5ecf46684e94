/**
 * The trailer that LiveKit's clients put behind a video frame, in which they say when it was made
 * and which one it is: parts of a tag, a length and a value, then the length of it all, each byte
 * of these inverted, and `LKTS` (livekit-client 2.x, `frameMetadata`).
 *
 * Total on whatever comes.
 *
 * @module
 */

/** The length and the four letters behind it. */
const ENVELOPE_BYTES = 5;
const MAGIC = [0x4c, 0x4b, 0x54, 0x53] as const;

/**
 * How many bytes at the end of a frame's last packet are a trailer.
 *
 * @param end Where the payload ends in `bytes`.
 * @param length Of the payload, which is no trailer alone.
 * @returns 0 if there is none, or its length makes no sense.
 */
export function packetTrailerLength(bytes: Uint8Array, end: number, length: number): number {
  if (length <= ENVELOPE_BYTES || end > bytes.length || end < length) return 0;
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[end - MAGIC.length + i] !== MAGIC[i]) return 0;
  }
  const told = bytes[end - ENVELOPE_BYTES]! ^ 0xff;
  return told >= ENVELOPE_BYTES && told < length ? told : 0;
}
