/**
 * Redundant audio (RFC 2198 §3): one payload that holds its own frame last, and before it copies of
 * the frames that went before.
 *
 * A parser of outside bytes that is reused packet after packet: it allocates nothing, and anything
 * that is not a whole payload is `false`.
 *
 * @module
 */

/**
 * Copies that are looked at; libwebrtc sends up to two, nine is the most it could be told to
 * (`modules/audio_coding/codecs/red/audio_encoder_copy_red.cc`).
 */
const MAX_COPIES = 9;
const COPY_HEADER_BYTES = 4;

/**
 * A reused view on one RFC 2198 payload, valid until the next `parse`. Offsets are from the start
 * of the bytes given to `parse`.
 */
export class RedPayload {
  /** How many copies of earlier frames there are. */
  copies = 0;
  primaryOffset = 0;
  primaryLength = 0;
  readonly #offset = new Uint32Array(MAX_COPIES);
  readonly #length = new Uint32Array(MAX_COPIES);
  readonly #age = new Uint32Array(MAX_COPIES);

  /** Reads `bytes[offset, offset + length)`; the fields are valid only after `true`. */
  parse(bytes: Uint8Array, offset: number, length: number): boolean {
    const end = offset + length;
    if (end > bytes.length) return false;
    let at = offset;
    let copied = 0;
    this.copies = 0;
    while (at < end && (bytes[at]! & 0x80) !== 0) {
      if (at + COPY_HEADER_BYTES > end || this.copies === MAX_COPIES) return false;
      const i = this.copies++;
      this.#age[i] = (bytes[at + 1]! << 6) | (bytes[at + 2]! >> 2);
      this.#length[i] = ((bytes[at + 2]! & 0x03) << 8) | bytes[at + 3]!;
      copied += this.#length[i]!;
      at += COPY_HEADER_BYTES;
    }
    if (at >= end) return false;
    at++; // the header of the frame itself is its payload type alone
    if (at + copied > end) return false;
    for (let i = 0; i < this.copies; i++) {
      this.#offset[i] = at;
      at += this.#length[i]!;
    }
    this.primaryOffset = at;
    this.primaryLength = end - at;
    return true;
  }

  /** Where the copy of the frame `back` packets ago starts, `1 <= back <= copies`. */
  offsetOf(back: number): number {
    return this.#offset[this.copies - back]!;
  }

  /** Its bytes; 0 if the sender left it out. */
  lengthOf(back: number): number {
    return this.#length[this.copies - back]!;
  }

  /** How much older it is than the frame itself, in RTP clock units. */
  ageOf(back: number): number {
    return this.#age[this.copies - back]!;
  }
}

/**
 * Writes what stands in front of the frames: a header for each copy, the oldest first, and one for
 * the frame itself.
 *
 * @param copies So many entries of `ages` and `lengths` count, the newest copy's first; ages are in
 *   RTP clock units below 2^14, lengths in bytes below 2^10.
 * @returns Where the oldest copy is to be written.
 */
export function writeRedHeaders(
  into: Uint8Array,
  at: number,
  payloadType: number,
  copies: number,
  ages: Uint32Array,
  lengths: Uint32Array,
): number {
  for (let i = copies - 1; i >= 0; i--) {
    const age = ages[i]!;
    const length = lengths[i]!;
    into[at++] = 0x80 | payloadType;
    into[at++] = age >> 6;
    into[at++] = ((age & 0x3f) << 2) | (length >> 8);
    into[at++] = length & 0xff;
  }
  into[at++] = payloadType;
  return at;
}

/**
 * Bytes of copies, and of what says where they are, in a redundant payload at `bytes[offset, offset
 * + length)`; 0 if that is none.
 */
export function copiedBytes(bytes: Uint8Array, offset: number, length: number): number {
  let copied = 0;
  for (let at = 0; at + COPY_HEADER_BYTES < length; at += COPY_HEADER_BYTES) {
    if ((bytes[offset + at]! & 0x80) === 0) break;
    const size = ((bytes[offset + at + 2]! & 0x03) << 8) | bytes[offset + at + 3]!;
    copied += COPY_HEADER_BYTES + size;
  }
  return copied < length ? copied : 0;
}
