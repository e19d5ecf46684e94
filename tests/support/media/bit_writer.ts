/**
 * Writes headers bit by bit, as specifications count them.
 *
 * @module
 */

/** Bits in the order they are written. */
export class BitWriter {
  #bits = "";
  write(value: number, width: number): this {
    this.#bits += value.toString(2).padStart(width, "0");
    return this;
  }
  /** The last byte is filled up with zeros. */
  get bytes(): Uint8Array {
    const padded = this.#bits.padEnd(Math.ceil(this.#bits.length / 8) * 8, "0");
    return Uint8Array.from(padded.match(/.{8}/g)!, (byte) => parseInt(byte, 2));
  }
}
