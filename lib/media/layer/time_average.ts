/**
 * The average of a value over time, where each value holds until the next is set.
 *
 * Pure; times are monotonic milliseconds.
 *
 * @module
 */

/** One value's average since it was last taken. Times are monotonic milliseconds. */
export class TimeAverage {
  #value: number;
  #sum = 0;
  #startedAt = -1;
  #since = 0;

  /** @param initial What holds until the first {@linkcode TimeAverage.set}. */
  constructor(initial: number) {
    this.#value = initial;
  }

  /** The value from `now` on. */
  set(value: number, now: number): void {
    this.#passUntil(now);
    this.#value = value;
  }

  /** The average since the last call (at first: since the first value); begins anew at `now`. */
  take(now: number): number {
    this.#passUntil(now);
    const duration = now - this.#startedAt;
    const average = duration > 0 ? this.#sum / duration : this.#value;
    this.#startedAt = now;
    this.#sum = 0;
    return average;
  }

  #passUntil(now: number): void {
    if (this.#startedAt < 0) this.#startedAt = now;
    else this.#sum += this.#value * (now - this.#since);
    this.#since = now;
  }
}
