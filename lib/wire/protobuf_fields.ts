/**
 * Walks over the fields of one protobuf message without making anything of them.
 *
 * Pure, total and without allocation. Groups, which no current schema has, count as malformed.
 * Source: Protocol Buffers, "Encoding".
 *
 * @module
 */

/** How a value is written. */
export const WIRE = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const;

/** Bytes of a varint, at most. */
const MAX_VARINT_BYTES = 10;
const TWO_32 = 0x1_0000_0000;

/**
 * A place in a message. After each `next` that is `true` the other properties tell of one field;
 * after the last, `isBroken` says whether there was more that cannot be read.
 */
export class ProtobufFields {
  isBroken = false;
  /** Number of the field, and how its value is written. */
  number = 0;
  wire = 0;
  /** Where the field begins, with its tag. */
  start = 0;
  /** The value: `[from, to)`; without the length that stands before a delimited one. */
  from = 0;
  to = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  #left = 0;
  /** Lower and upper half of the varint read last. */
  #low = 0;
  #high = 0;
  #at = 0;

  /** Begins at `from`; there may be `limit` fields. */
  begin(bytes: Uint8Array, from: number, to: number, limit: number): void {
    this.#bytes = bytes;
    this.#at = this.from = this.to = from;
    this.#end = to;
    this.#left = limit;
    this.isBroken = false;
  }

  /** How many fields more there may be. */
  get left(): number {
    return this.#left;
  }

  /** Goes to the next field; `false` if there is none that can be read. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    this.start = this.#at;
    if (--this.#left < 0 || !this.#varint()) return this.#broken();
    const tag = this.#low;
    this.number = tag >>> 3;
    this.wire = tag & 7;
    if (this.number === 0) return this.#broken();
    this.from = this.#at;
    switch (this.wire) {
      case WIRE.varint:
        if (!this.#varint()) return this.#broken();
        break;
      case WIRE.fixed64:
        this.#at += 8;
        break;
      case WIRE.fixed32:
        this.#at += 4;
        break;
      case WIRE.delimited:
        if (!this.#varint() || this.#high !== 0) return this.#broken();
        this.from = this.#at;
        this.#at += this.#low;
        break;
      default:
        return this.#broken();
    }
    this.to = this.#at;
    return this.#at <= this.#end || this.#broken();
  }

  /** The value of a varint, its lower 32 bits. */
  get uint32(): number {
    return this.#low;
  }

  /** The value of a varint as an unsigned number; above 2^53 it is not exact. */
  get uint64(): number {
    return this.#high * TWO_32 + this.#low;
  }

  #broken(): false {
    this.isBroken = true;
    this.#at = this.#end;
    return false;
  }

  #varint(): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    const end = Math.min(this.#end, at + MAX_VARINT_BYTES);
    let low = 0;
    let high = 0;
    for (let shift = 0; at < end; shift += 7) {
      const byte = bytes[at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else if (shift < 60) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) {
        this.#at = at;
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return true;
      }
    }
    return false;
  }
}

/** Bytes of `value`, below 2^32, as a varint. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes `value`, below 2^32, at `at`. @returns where it ends. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    out[at++] = value & 0x7f | 0x80;
    value >>>= 7;
  }
  out[at++] = value;
  return at;
}
