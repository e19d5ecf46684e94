/**
 * A reusable, read-only view on one RTP packet (RFC 3550 §5.1, header extensions RFC 8285).
 *
 * One view is made per receiver and wrapped around packet after packet, so reading a header
 * allocates nothing. A view is valid until the next `wrap` and only while the bytes under it are.
 * Whoever keeps a copy of the packet takes the view over with it: a header is read once.
 *
 * @module
 */
import { readUint32 } from "./big_endian.ts";

/**
 * Room for extension ids of one-byte (1–14) and small two-byte headers: a browser that has more
 * than 14 extensions goes on with 16.
 */
const MAX_EXTENSION_ID = 32;
const MIN_HEADER_BYTES = 12;

/**
 * A read-only view on one packet, valid until the next `wrap`. All offsets are from the start of
 * the packet, in bytes; nothing in it reaches beyond the packet.
 */
export class RtpView {
  bytes: Uint8Array = new Uint8Array(0);
  /** Packet length in bytes, padding included. */
  length = 0;
  marker = false;
  payloadType = 0;
  /** 16 bits, as on the wire. */
  sequenceNumber = 0;
  /** 32 bits, as on the wire. */
  timestamp = 0;
  ssrc = 0;
  /** Where the payload starts. */
  payloadOffset = 0;
  /** Payload bytes, without padding. */
  payloadLength = 0;
  /** Padding bytes at the end, the count byte included. */
  paddingLength = 0;
  /** Where the extension block starts; 0 without one. */
  #blockAt = 0;
  /** Bit `1 << id` for each extension there is: what is kept of others is of an earlier packet. */
  #present = 0;
  readonly #extensionOffset = new Uint16Array(MAX_EXTENSION_ID);
  readonly #extensionLength = new Uint8Array(MAX_EXTENSION_ID);

  /**
   * Points this view at a packet.
   *
   * @returns `false`, with the view unusable, for anything that is not a whole RTP packet.
   */
  wrap(bytes: Uint8Array, length: number = bytes.length): boolean {
    return this.wrapSealed(bytes, length) && this.opened(length);
  }

  /**
   * Points this view at a packet whose payload is still sealed. The fixed header and where the
   * payload starts can be read at once; the rest, which nobody vouches for yet, waits for
   * {@linkcode RtpView.opened}.
   *
   * @returns `false`, with the view unusable, for anything that does not begin with a whole header.
   */
  wrapSealed(bytes: Uint8Array, length: number): boolean {
    if (length < MIN_HEADER_BYTES || length > bytes.length) return false;
    const first = bytes[0]!;
    if (first >> 6 !== 2) return false;
    const second = bytes[1]!;
    this.bytes = bytes;
    this.marker = (second & 0x80) !== 0;
    this.payloadType = second & 0x7f;
    this.sequenceNumber = (bytes[2]! << 8) | bytes[3]!;
    this.timestamp = readUint32(bytes, 4);
    this.ssrc = readUint32(bytes, 8);
    let offset = MIN_HEADER_BYTES + (first & 0x0f) * 4;
    if (offset > length) return false;
    this.#blockAt = 0;
    if ((first & 0x10) !== 0) {
      if (offset + 4 > length) return false;
      this.#blockAt = offset;
      offset += 4 + ((bytes[offset + 2]! << 8) | bytes[offset + 3]!) * 4;
      if (offset > length) return false;
    }
    this.payloadOffset = offset;
    return true;
  }

  /**
   * The payload is clear now: reads what is left, the header extensions and the padding.
   *
   * @param length What the packet is without a tag, bytes; not less than its header.
   * @returns `false`, with the view unusable, if its padding is longer than what is padded.
   */
  opened(length: number): boolean {
    const { bytes, payloadOffset } = this;
    this.length = length;
    this.#present = 0;
    const block = this.#blockAt;
    if (block !== 0) {
      const profile = (bytes[block]! << 8) | bytes[block + 1]!;
      if (profile === 0xbede) this.#readOneByte(block + 4, payloadOffset);
      else if ((profile & 0xfff0) === 0x1000) this.#readTwoByte(block + 4, payloadOffset);
    }
    this.paddingLength = 0;
    if ((bytes[0]! & 0x20) !== 0) {
      const padding = bytes[length - 1]!;
      if (padding === 0 || payloadOffset + padding > length) return false;
      this.paddingLength = padding;
    }
    this.payloadLength = length - payloadOffset - this.paddingLength;
    return true;
  }

  /**
   * Takes over all that `other` has read, for a copy of its packet in `bytes` without the padding.
   */
  takeOver(other: RtpView, bytes: Uint8Array): void {
    this.bytes = bytes;
    this.length = other.payloadOffset + other.payloadLength;
    this.marker = other.marker;
    this.payloadType = other.payloadType;
    this.sequenceNumber = other.sequenceNumber;
    this.timestamp = other.timestamp;
    this.ssrc = other.ssrc;
    this.payloadOffset = other.payloadOffset;
    this.payloadLength = other.payloadLength;
    this.paddingLength = 0;
    this.#present = other.#present;
    for (let left = other.#present, id = 0; left !== 0; left ^= 1 << id) {
      id = 31 - Math.clz32(left);
      this.#extensionOffset[id] = other.#extensionOffset[id]!;
      this.#extensionLength[id] = other.#extensionLength[id]!;
    }
  }

  /** Whether the packet has one of the extensions in a mask of bits `1 << id`, ids below 32. */
  hasAnyExtension(mask: number): boolean {
    return (this.#present & mask) !== 0;
  }

  /** Where extension `id` starts, or 0 if the packet has none (or an empty one). */
  extensionOffset(id: number): number {
    return this.#has(id) ? this.#extensionOffset[id]! : 0;
  }

  /** Bytes of extension `id`; 0 if absent. */
  extensionLength(id: number): number {
    return this.#has(id) ? this.#extensionLength[id]! : 0;
  }

  #has(id: number): boolean {
    return id > 0 && id < MAX_EXTENSION_ID && (this.#present >> id & 1) !== 0;
  }

  #readOneByte(from: number, end: number): void {
    let at = from;
    while (at < end) {
      const header = this.bytes[at]!;
      const id = header >> 4;
      if (id === 0) {
        at++; // padding between elements
        continue;
      }
      if (id === 15) return; // reserved: stop reading (RFC 8285 §4.2)
      const size = (header & 0x0f) + 1;
      if (at + 1 + size > end) return;
      this.#present |= 1 << id;
      this.#extensionOffset[id] = at + 1;
      this.#extensionLength[id] = size;
      at += 1 + size;
    }
  }

  #readTwoByte(from: number, end: number): void {
    let at = from;
    while (at < end) {
      const id = this.bytes[at]!;
      if (id === 0) {
        at++;
        continue;
      }
      if (at + 2 > end) return;
      const size = this.bytes[at + 1]!;
      if (at + 2 + size > end) return;
      if (id < MAX_EXTENSION_ID) {
        this.#present |= 1 << id;
        this.#extensionOffset[id] = at + 2;
        this.#extensionLength[id] = size;
      }
      at += 2 + size;
    }
  }
}
