/**
 * A sliding window that says whether a packet number was seen (RFC 3711 §3.3.2, RFC 6347 §4.1.2.6).
 *
 * Contract: {@linkcode ReplayWindow.isFresh} changes nothing, and {@linkcode ReplayWindow.accept}
 * is called only for packets that authenticated. Numbers are exact up to 2^53; memory is fixed.
 *
 * @module
 */

/**
 * The numbers seen of one sender. A number is fresh once; only `accept` moves the window, so forged
 * packets change nothing.
 */
export class ReplayWindow {
  readonly #bits: Uint32Array;
  readonly #size: number;
  readonly #mask: number;
  /** Highest number accepted, or -1 before the first. */
  #highest = -1;

  /** @param size Numbers remembered below the highest; a power of two, at least 32. */
  constructor(size: number) {
    this.#size = size;
    this.#mask = size - 1;
    this.#bits = new Uint32Array(size >>> 5);
  }

  /** Highest number accepted, or -1. */
  get highest(): number {
    return this.#highest;
  }

  /** `false` for a number already accepted, below the window, or negative. */
  isFresh(index: number): boolean {
    if (index > this.#highest) return true;
    if (index < 0 || index <= this.#highest - this.#size) return false;
    const slot = index & this.#mask;
    return (this.#bits[slot >>> 5]! & (1 << (slot & 31))) === 0;
  }

  /** Records an authenticated number. */
  accept(index: number): void {
    if (index > this.#highest) {
      if (index - this.#highest >= this.#size) this.#bits.fill(0);
      else for (let i = this.#highest + 1; i < index; i++) this.#clear(i & this.#mask);
      this.#highest = index;
    }
    const slot = index & this.#mask;
    this.#bits[slot >>> 5]! |= 1 << (slot & 31);
  }

  #clear(slot: number): void {
    this.#bits[slot >>> 5]! &= ~(1 << (slot & 31));
  }
}
