/**
 * Repair packets of draft-ietf-payload-flexible-fec-scheme-03, as libwebrtc has them: one stream
 * protected, with a mask of its packets, no retransmissions in it. The payload of such a packet is
 * a header of 20, 24 or 32 bytes and the packets' bytes behind their fixed headers, added up
 * without carry.
 *
 * ```
 * | R F P X CC | M PT | length |  timestamp  | count 0 0 0 |  SSRC  | base | k mask … |
 * ```
 *
 * A parser of outside bytes that is reused packet after packet: it allocates nothing, and anything
 * that is not such a payload is `false`.
 *
 * @module
 */
import { readUint32, writeUint32 } from "./big_endian.ts";

/** Packets that one repair packet can protect: bits of the three parts of a mask. */
export const MOST_PROTECTED = 109;
/** Bytes before the mask: what is added up, the count of streams, an SSRC and a number. */
const MASK_AT = 18;
/** Of what is added up of a packet's fixed header, its length included. */
export const RECOVERY_BYTES = 8;
/** Mask bits before the second and the third part. */
const SECOND_PART = 15;
const THIRD_PART = 46;
const FIRST_OFFSET = [0, SECOND_PART, THIRD_PART] as const;
/** Where the parts begin in a mask, and header bytes with one, two and three of them. */
const PART_AT = [0, 2, 6] as const;
const HEADER_BYTES = [20, 24, 32] as const;
/** The longest. */
export const MOST_HEADER_BYTES = 32;

/** The header of one repair packet; a reused view, valid after `parse` was `true`. */
export class FlexfecHeader {
  /** The protected stream. */
  ssrc = 0;
  /** 16 bits: the number that `offsets` begin at. */
  base = 0;
  /** So many entries of `offsets` count, in growing order. */
  count = 0;
  readonly offsets: Uint8Array = new Uint8Array(MOST_PROTECTED);
  /** Bytes of the header; what follows is what packets are made of. */
  length = 0;

  /** Reads `bytes[at, at + length)`, the payload of a repair packet. */
  parse(bytes: Uint8Array, at: number, length: number): boolean {
    if (length < HEADER_BYTES[0] || at + length > bytes.length) return false;
    // Neither retransmissions nor fixed patterns, and one stream alone.
    if ((bytes[at]! & 0xc0) !== 0 || bytes[at + 8] !== 1) return false;
    this.ssrc = readUint32(bytes, at + 12);
    this.base = (bytes[at + 16]! << 8) | bytes[at + 17]!;
    this.count = 0;
    const mask = at + MASK_AT;
    this.#read(bytes, mask, 0, SECOND_PART);
    this.length = HEADER_BYTES[0];
    if ((bytes[mask]! & 0x80) === 0) {
      if (length < HEADER_BYTES[1]) return false;
      this.#read(bytes, mask + 2, SECOND_PART, THIRD_PART);
      this.length = HEADER_BYTES[1];
      if ((bytes[mask + 2]! & 0x80) === 0) {
        if (length < HEADER_BYTES[2] || (bytes[mask + 6]! & 0x80) === 0) return false;
        this.#read(bytes, mask + 6, THIRD_PART, MOST_PROTECTED);
        this.length = HEADER_BYTES[2];
      }
    }
    return this.count > 0;
  }

  /** Notes the bits of one part; the first one of it says whether it is the last part. */
  #read(bytes: Uint8Array, at: number, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const bit = i - from + 1;
      if ((bytes[at + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0) this.offsets[this.count++] = i;
    }
  }
}

/**
 * Writes what of a header is not added up, from byte 8 on.
 *
 * @param base 16 bits.
 * @param offsets Of the protected packets from `base`, below {@linkcode MOST_PROTECTED}, in growing
 *   order; `count` of them.
 * @returns The header's length.
 */
export function writeFlexfecHeader(
  into: Uint8Array,
  at: number,
  ssrc: number,
  base: number,
  offsets: Uint8Array,
  count: number,
): number {
  const parts = partsFor(count === 0 ? 0 : offsets[count - 1]!);
  const length = HEADER_BYTES[parts - 1]!;
  into.fill(0, at + RECOVERY_BYTES, at + length);
  into[at + 8] = 1;
  writeUint32(into, at + 12, ssrc);
  into[at + 16] = (base >> 8) & 0xff;
  into[at + 17] = base & 0xff;
  const mask = at + MASK_AT;
  for (let i = 0; i < count; i++) {
    const offset = offsets[i]!;
    const part = partsFor(offset) - 1;
    const bit = offset - FIRST_OFFSET[part]! + 1;
    into[mask + PART_AT[part]! + (bit >> 3)]! |= 0x80 >> (bit & 7);
  }
  into[mask + PART_AT[parts - 1]!]! |= 0x80;
  return length;
}

/** Parts of a mask in which a packet's offset has its bit in the last. */
function partsFor(offset: number): 1 | 2 | 3 {
  return offset < SECOND_PART ? 1 : offset < THIRD_PART ? 2 : 3;
}
