/**
 * A thread on a machine with too few cores: now and then it has to wait for one, and does all that
 * was due meanwhile at once. Times are drawn from a seed.
 *
 * @module
 */

/** It runs for so long in the mean, and waits for so long at least and at most, ms. */
const RUNS_MS = 60;
const LEAST_MS = 2;
const MOST_MS = 30;

/** One thread; ask with times that do not go back. */
export class LateThread {
  readonly #chance: () => number;
  #waitsFrom = 0;
  #waitsUntil = 0;

  constructor(chance: () => number) {
    this.#chance = chance;
  }

  /** Whether it waits at `now`, ms. */
  waits(now: number): boolean {
    while (now >= this.#waitsUntil) {
      this.#waitsFrom = this.#waitsUntil - RUNS_MS * Math.log(1 - this.#chance());
      this.#waitsUntil = this.#waitsFrom + LEAST_MS + (MOST_MS - LEAST_MS) * this.#chance();
    }
    return now >= this.#waitsFrom;
  }
}
