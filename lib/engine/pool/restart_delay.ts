/**
 * How long a lost engine stays away: hardly at all the first time, longer each time it is lost soon
 * after its return, so that whatever kills it does not keep the machine busy.
 *
 * Pure: `now` is monotonic ms.
 *
 * @module
 */

/** The first wait, ms: time for the system to free the ports. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
/** An engine that lived this long had nothing to do with how it was lost before, ms. */
const STABLE_MS = 60_000;

/**
 * One engine's delay in milliseconds, longer each time it is lost soon after its return, up to a
 * limit. `now` is monotonic ms.
 */
export class RestartDelay {
  #delayMs = 0;
  #startedAt: number;

  constructor(now: number) {
    this.#startedAt = now;
  }

  /** It runs. */
  started(now: number): void {
    this.#startedAt = now;
  }

  /** It was lost, or could not start. @returns how long to wait, ms. */
  lost(now: number): number {
    const isStable = now - this.#startedAt >= STABLE_MS;
    this.#delayMs = isStable || this.#delayMs === 0
      ? FIRST_DELAY_MS
      : Math.min(this.#delayMs * 4, LONGEST_DELAY_MS);
    return this.#delayMs;
  }
}
