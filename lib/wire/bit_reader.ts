/**
 * Reads numbers bit by bit, most significant first. Reading past the end gives zeros and sets
 * `overrun`, so that a parser asks once at its end and not at every field.
 *
 * @module
 */

/** Reused: `begin` points it at other bytes. */
export class BitReader {
  overrun = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Starts at `bytes[offset]`; `length` bytes may be read and must lie within `bytes`. */
  begin(bytes: Uint8Array, offset: number, length: number): void {
    this.#bytes = bytes;
    this.#at = offset * 8;
    this.#end = (offset + length) * 8;
    this.overrun = false;
  }

  /** The next `count` bits, at most 31. */
  read(count: number): number {
    if (this.#at + count > this.#end) {
      this.overrun = true;
      return 0;
    }
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value = (value << 1) | ((this.#bytes[this.#at >> 3]! >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  /**
   * A number below `range` in as few bits as it takes: `ns(n)` of the AV1 specification, §4.10.7.
   */
  readBelow(range: number): number {
    let width = 0;
    for (let x = range; x !== 0; x >>= 1) width++;
    const short = (1 << width) - range;
    const value = this.read(width - 1);
    if (value < short) return value;
    return (value << 1) - short + this.read(1);
  }

  skip(count: number): void {
    this.#at += count;
    if (this.#at > this.#end) this.overrun = true;
  }
}
