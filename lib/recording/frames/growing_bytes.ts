/**
 * Bytes that are put together piece by piece in memory that is kept for the next.
 *
 * @module
 */
import { MAX_FRAME_BYTES } from "./encoded_frame.ts";

const FIRST_BYTES = 16 * 1024;

/** Grows up to {@linkcode MAX_FRAME_BYTES}; what goes beyond makes it useless until `clear`. */
export class GrowingBytes {
  #bytes = new Uint8Array(FIRST_BYTES);
  length = 0;
  /** It was to hold more than it may. */
  overflowed = false;

  clear(): void {
    this.length = 0;
    this.overflowed = false;
  }

  /** Appends `bytes[from, end)`. */
  append(bytes: Uint8Array, from: number, end: number): void {
    const count = end - from;
    if (count <= 0 || !this.#makeRoom(count)) return;
    this.#bytes.set(bytes.subarray(from, end), this.length);
    this.length += count;
  }

  appendByte(byte: number): void {
    if (!this.#makeRoom(1)) return;
    this.#bytes[this.length++] = byte;
  }

  /** 32 bits in network order. */
  appendUint32(value: number): void {
    for (let shift = 24; shift >= 0; shift -= 8) this.appendByte((value >>> shift) & 0xff);
  }

  /** A copy of what there is. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }

  /** What there is, until the next change. */
  get view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  #makeRoom(count: number): boolean {
    const needed = this.length + count;
    if (this.overflowed || needed > MAX_FRAME_BYTES) {
      this.overflowed = true;
      return false;
    }
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.view);
      this.#bytes = larger;
    }
    return true;
  }
}
