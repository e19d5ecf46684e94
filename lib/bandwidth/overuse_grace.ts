/**
 * Whether a queue that grows is an event that passes by itself: key frames of everybody at once, or
 * a radio that stood still for a moment. Neither says that the path carries less, and layers would
 * be changed for nothing.
 *
 * Contract: grace is short, and not given again before {@linkcode AGAIN_MS}: a path that really has
 * become slower is answered a moment later. Nothing is raised meanwhile.
 *
 * @module
 */

/** How long it is waited whether the queue empties by itself, ms. */
const GRACE_MS = 350;
/** Until the next one may begin, ms. */
const AGAIN_MS = 3_000;
/** Nothing arrived for so much longer than nothing was sent, ms. */
const STALL_MS = 100;
/** So much more than the estimate was sent within a fifth of a second. */
const BURST = 1.25;

/** Grace of one path. */
export class OveruseGrace {
  #lastSentAt = -1;
  #lastArrivedAt = -1;
  /** When a stall was last seen, by our clock. */
  #stalledAt = -Infinity;
  #since = -Infinity;

  /** A packet arrived; the times are of two clocks. */
  arrived(sentAt: number, arrivedAt: number, now: number): void {
    const gap = arrivedAt - this.#lastArrivedAt - Math.max(0, sentAt - this.#lastSentAt);
    if (this.#lastSentAt >= 0 && gap >= STALL_MS) this.#stalledAt = now;
    this.#lastSentAt = sentAt;
    this.#lastArrivedAt = arrivedAt;
  }

  /**
   * Whether a queue that grows now is to be let pass.
   *
   * @param sentPeakBps Sent in the busiest moment of late.
   */
  isGiven(sentPeakBps: number, bps: number, now: number): boolean {
    const elapsed = now - this.#since;
    if (elapsed < GRACE_MS) return true;
    if (elapsed < AGAIN_MS) return false;
    if (now - this.#stalledAt > GRACE_MS && sentPeakBps < bps * BURST) return false;
    this.#since = now;
    return true;
  }

  clear(): void {
    this.#lastSentAt = this.#lastArrivedAt = -1;
    this.#stalledAt = this.#since = -Infinity;
  }
}
