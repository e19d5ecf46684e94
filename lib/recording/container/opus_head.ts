/**
 * What decoders are told of Opus (RFC 7845 §5.1). A call's stream has no beginning of its own:
 * nothing of it is to be skipped.
 *
 * @module
 */

const CHANNELS = 2;
const SAMPLE_RATE = 48_000;

/** The identification header, with its magic words. */
export function opusHead(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(19);
  bytes.set(new TextEncoder().encode("OpusHead"));
  bytes[8] = 1;
  bytes[9] = CHANNELS;
  new DataView(bytes.buffer).setUint32(12, SAMPLE_RATE, true);
  return bytes;
}

/** The same as MP4 has it (Encapsulation of Opus in ISOBMFF, §4.3.2). */
export function opusSpecificBox(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(11);
  bytes[1] = CHANNELS;
  new DataView(bytes.buffer).setUint32(4, SAMPLE_RATE);
  return bytes;
}
