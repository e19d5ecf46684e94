/**
 * Maps one source's sequence numbers to a subscriber's: no gap where a packet was left out on
 * purpose or the source changed, the same gap where the source has one.
 *
 * Invariant: a source number gets at most one outgoing number, and outgoing numbers are dense over
 * what was forwarded, what is filled, and what the source itself still misses. All numbers are
 * extended. Memory is fixed, nothing allocates.
 *
 * @module
 */

/** Source numbers remembered, a power of two: what comes later than this is too late anyway. */
const WINDOW = 512;
const MASK = WINDOW - 1;
/** Outgoing numbers that come from no source start above one cycle, so that none is negative. */
const FIRST_CYCLE = 0x1_0000;

/**
 * One subscriber's numbers. A source number gets at most one outgoing number, and no outgoing
 * number is left out but where the source itself has a hole.
 */
export class SequenceRewriter {
  #started = false;
  #first = 0;
  #highest = -1;
  #offset = 0;
  #lastOut = -1;
  /** From here on outgoing numbers are `#offset` less, and not noted: most sources leave it so. */
  #plainFrom = 0;
  /** Outgoing number by source number below that; -1 for one that was left out. */
  readonly #out = new Float64Array(WINDOW);

  /** Highest number sent, or -1. */
  get lastOut(): number {
    return this.#lastOut;
  }

  /** Whether every number up to the last one sent is given, and none above it is kept free. */
  get isDense(): boolean {
    return this.#highest - this.#offset === this.#lastOut;
  }

  /** Highest source number seen since the switch; one less than the first before it came. */
  get highest(): number {
    return this.#highest;
  }

  /** Makes `seq` the first number of a new source; it will follow the last one sent. */
  switchTo(seq: number): void {
    this.#offset = this.#started ? seq - (this.#lastOut + 1) : 0;
    this.#started = true;
    this.#first = this.#plainFrom = seq;
    this.#highest = seq - 1;
  }

  /** Whether `seq` can still be mapped: neither before the switch nor out of the window. */
  isKnown(seq: number): boolean {
    return seq >= this.#first && seq > this.#highest - WINDOW;
  }

  /** The outgoing number of a packet that is sent, or -1 if `seq` was left out. */
  forward(seq: number): number {
    const out = seq >= this.#plainFrom ? seq - this.#offset : this.#out[seq & MASK]!;
    if (seq > this.#highest) {
      // A number is kept free for each source number that is missing below it.
      this.#highest = seq;
      this.#lastOut = out;
    } else if (out > this.#lastOut) this.#lastOut = out;
    return out;
  }

  /**
   * Leaves `seq` out.
   *
   * @returns -1 if no number is used; or the number that was already kept free for a late packet,
   *   and which must be filled with an empty one.
   */
  drop(seq: number): number {
    if (seq <= this.#highest) return this.forward(seq);
    this.#noteBelow(seq);
    this.#out[seq & MASK] = -1;
    this.#plainFrom = seq + 1;
    this.#highest = seq;
    this.#offset++;
    return -1;
  }

  /**
   * The next outgoing number, for a packet that comes from no source.
   *
   * @param first The number if it is the first of all, 16 bits.
   */
  insert(first: number): number {
    this.#noteBelow(this.#highest + 1);
    this.#plainFrom = this.#highest + 1;
    this.#lastOut = this.#started ? this.#lastOut + 1 : FIRST_CYCLE + first;
    this.#started = true;
    this.#offset--;
    return this.#lastOut;
  }

  /**
   * None of the numbers from `first` on has left: the next source, which has to follow, goes on
   * with them.
   */
  takeBack(first: number): void {
    if (first <= this.#lastOut) this.#lastOut = first - 1;
  }

  /** What is missing until now comes too late: its numbers may have been given to other packets. */
  giveUpMissing(): void {
    this.#first = this.#highest + 1;
  }

  /** Notes what is not yet, as the offset is about to change: a free number for what is missing. */
  #noteBelow(seq: number): void {
    for (let s = Math.max(this.#plainFrom, seq - WINDOW + 1); s < seq; s++) {
      this.#out[s & MASK] = s - this.#offset;
    }
  }
}
