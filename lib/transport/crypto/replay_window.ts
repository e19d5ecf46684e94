/**
 * A sliding window that says whether a packet number was seen (RFC 3711 §3.3.2, RFC 6347 §4.1.2.6).
 *
 * Contract: {@linkcode ReplayWindow.isFresh} changes nothing, and {@linkcode ReplayWindow.accept}
 * is called only for packets that authenticated. Numbers are exact up to 2^53; memory is bounded.
 *
 * @module
 */

/**
 * The numbers seen of one sender. A number is fresh once; only `accept` moves the window, so forged
 * packets change nothing.
 */
export class ReplayWindow {
  #bits: Uint32Array;
  /** Numbers there is room for: as many as `#most` before any would have to be forgotten. */
  #size: number;
  readonly #most: number;
  /** Highest number accepted, or -1 before the first. */
  #highest = -1;

  /**
   * @param first Numbers there is room for at first; a power of two, at least 32.
   * @param most Numbers remembered below the highest; a power of two, at least `first`. Who has
   * sent few takes no more room for it.
   */
  constructor(first: number, most = first) {
    this.#size = first;
    this.#most = most;
    this.#bits = new Uint32Array(first >>> 5);
  }

  /** Highest number accepted, or -1. */
  get highest(): number {
    return this.#highest;
  }

  /** `false` for a number already accepted, below the window, or negative. */
  isFresh(index: number): boolean {
    if (index > this.#highest) return true;
    if (index < 0 || index <= this.#highest - this.#size) return false;
    const slot = index & (this.#size - 1);
    return (this.#bits[slot >>> 5]! & (1 << (slot & 31))) === 0;
  }

  /** Records an authenticated number. */
  accept(index: number): void {
    if (index > this.#highest) {
      if (index >= this.#size && this.#size < this.#most) this.#grow(index);
      if (index - this.#highest >= this.#size) this.#bits.fill(0);
      else this.#clear(this.#highest + 1, index);
      this.#highest = index;
    }
    const slot = index & (this.#size - 1);
    this.#bits[slot >>> 5]! |= 1 << (slot & 31);
  }

  /** Makes room for `index`. Until here every number is its own slot: none was forgotten. */
  #grow(index: number): void {
    while (this.#size <= index && this.#size < this.#most) this.#size *= 2;
    const bits = new Uint32Array(this.#size >>> 5);
    bits.set(this.#bits);
    this.#bits = bits;
  }

  /** Forgets what stands where `[from, until)` will, by whole words where it can. */
  #clear(from: number, until: number): void {
    for (let index = from; index < until;) {
      const slot = index & (this.#size - 1);
      if ((slot & 31) === 0 && index + 32 <= until) {
        this.#bits[slot >>> 5] = 0;
        index += 32;
      } else {
        this.#bits[slot >>> 5]! &= ~(1 << (slot & 31));
        index++;
      }
    }
  }
}
