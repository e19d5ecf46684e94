/**
 * The VP8 payload descriptor (RFC 7741 §4.2) and the first byte of the VP8 payload header (§4.3).
 *
 * One descriptor object is reused packet after packet: {@linkcode Vp8Descriptor.parse} is total and
 * allocates nothing.
 *
 * @module
 */

/** Fields of one descriptor; meaningless after `parse` returned `false`. */
export class Vp8Descriptor {
  /** Descriptor bytes; the VP8 payload starts behind them. */
  headerLength = 0;
  /** N: no other frame refers to this one. */
  nonReference = false;
  /** S: the packet starts a partition. */
  startOfPartition = false;
  partitionIndex = 0;
  hasPictureId = false;
  /** 7 or 15; 0 without a picture id. */
  pictureIdBits = 0;
  pictureId = 0;
  hasTl0PicIdx = false;
  tl0PicIdx = 0;
  hasTemporalId = false;
  temporalId = 0;
  /** Y: the frame depends on the base layer only, so a receiver may join this layer here. */
  layerSync = false;
  hasKeyIdx = false;
  keyIdx = 0;
  /** The first packet of a key frame. */
  keyFrameStart = false;

  /** Reads the payload `bytes[offset, offset + length)`; `false` if it is no VP8 payload. */
  parse(bytes: Uint8Array, offset: number, length: number): boolean {
    const end = offset + length;
    if (length < 1 || end > bytes.length) return false;
    this.#clear();
    const first = bytes[offset]!;
    this.nonReference = (first & 0x20) !== 0;
    this.startOfPartition = (first & 0x10) !== 0;
    this.partitionIndex = first & 0x07;
    let at = offset + 1;
    if ((first & 0x80) !== 0) {
      if (at >= end) return false;
      at = this.#readExtended(bytes, at, end);
      if (at < 0) return false;
    }
    if (at >= end) return false;
    this.headerLength = at - offset;
    // P bit of the payload header: 0 means key frame; it exists only at the start of partition 0.
    this.keyFrameStart = this.startOfPartition && this.partitionIndex === 0 &&
      (bytes[at]! & 0x01) === 0;
    return true;
  }

  #clear(): void {
    this.hasPictureId =
      this.hasTl0PicIdx =
      this.hasTemporalId =
      this.hasKeyIdx =
        false;
    this.layerSync = false;
    this.pictureIdBits =
      this.pictureId =
      this.tl0PicIdx =
      this.temporalId =
      this.keyIdx =
        0;
  }

  /** Reads the X byte and what it announces; the new offset, or -1 if the packet is cut short. */
  #readExtended(bytes: Uint8Array, from: number, end: number): number {
    let at = from;
    const flags = bytes[at++]!;
    if ((flags & 0x80) !== 0) {
      if (at >= end) return -1;
      const first = bytes[at++]!;
      this.hasPictureId = true;
      this.pictureIdBits = 7;
      this.pictureId = first & 0x7f;
      if ((first & 0x80) !== 0) {
        if (at >= end) return -1;
        this.pictureIdBits = 15;
        this.pictureId = (this.pictureId << 8) | bytes[at++]!;
      }
    }
    if ((flags & 0x40) !== 0) {
      if (at >= end) return -1;
      this.hasTl0PicIdx = true;
      this.tl0PicIdx = bytes[at++]!;
    }
    if ((flags & 0x30) !== 0) {
      if (at >= end) return -1;
      const byte = bytes[at++]!;
      this.hasTemporalId = (flags & 0x20) !== 0;
      if (this.hasTemporalId) {
        this.temporalId = byte >> 6;
        this.layerSync = (byte & 0x20) !== 0;
      }
      this.hasKeyIdx = (flags & 0x10) !== 0;
      if (this.hasKeyIdx) this.keyIdx = byte & 0x1f;
    }
    return at;
  }
}

/**
 * Writes `source` at `out[at…]` with other numbers. The picture id is always written with 15 bits:
 * rewritten ids count on past 127, and receivers count modulo 2^15 only.
 *
 * @param firstByte The first byte of the source descriptor, kept as it is.
 * @returns Bytes written: `source.headerLength`, and one more for a picture id of 7 bits.
 */
export function writeVp8Descriptor(
  out: Uint8Array,
  at: number,
  firstByte: number,
  source: Vp8Descriptor,
  pictureId: number,
  tl0PicIdx: number,
  keyIdx: number,
): number {
  out[at] = firstByte;
  if ((firstByte & 0x80) === 0) return 1;
  let next = at + 2;
  let flags = 0;
  if (source.hasPictureId) {
    flags |= 0x80;
    out[next++] = 0x80 | ((pictureId >> 8) & 0x7f);
    out[next++] = pictureId & 0xff;
  }
  if (source.hasTl0PicIdx) {
    flags |= 0x40;
    out[next++] = tl0PicIdx & 0xff;
  }
  if (source.hasTemporalId || source.hasKeyIdx) {
    if (source.hasTemporalId) flags |= 0x20;
    if (source.hasKeyIdx) flags |= 0x10;
    out[next++] = (source.temporalId << 6) | (source.layerSync ? 0x20 : 0) | (keyIdx & 0x1f);
  }
  out[at + 1] = flags;
  return next - at;
}
