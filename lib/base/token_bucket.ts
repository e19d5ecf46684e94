/**
 * How often something may happen: a few times at once, and then at a steady rate.
 *
 * Pure; `now` is monotonic milliseconds and need not advance between calls.
 *
 * @module
 */

/**
 * A bucket that is full when made: `take` says whether one more may happen now, and takes it if so.
 * `now` need not advance.
 */
export class TokenBucket {
  #tokens: number;
  #filledAt = 0;

  /**
   * @param capacity How often at once.
   * @param perSecond How often in the long run.
   */
  constructor(readonly capacity: number, readonly perSecond: number) {
    this.#tokens = capacity;
  }

  /** Whether it may happen now; if so it counts as happened. */
  take(now: number): boolean {
    const filled = this.#tokens + (now - this.#filledAt) * this.perSecond / 1000;
    this.#tokens = Math.min(this.capacity, filled);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
