/**
 * Whether a subscriber's audio is sent with copies of earlier frames: they protect it against loss,
 * and take two or three times what the frames themselves do.
 *
 * Contract: they are sent until a path has shown for a while that it loses nothing, and again from
 * the first loss on that is told. They stay longer each time that they were left out too soon. A
 * path of which nothing is told keeps them.
 *
 * Pure: `now` is monotonic ms. Nothing allocates, and nothing waits for a timer: copies are left
 * out when it is told that sound came whole.
 *
 * @module
 */

/** A path that is new has to carry everything for so long first, ms. */
const START_MS = 5_000;
/** So long after the last loss copies are left out, ms, … */
const HOLD_MS = 20_000;
/** … and longer, up to this, where something was lost so soon after they were. */
const MOST_HOLD_MS = 120_000;
const RELAPSE_MS = 120_000;

/** Of one path. */
export class CopiesByNeed {
  isNeeded = true;
  #holdMs = START_MS;
  /** The last loss, or when the path was first heard of; `Infinity` before that. */
  #since = Infinity;
  #leftOutAt = -Infinity;

  /** A report says that all sound came since the one before. */
  whole(now: number): void {
    if (this.#since === Infinity) this.#since = now;
    if (!this.isNeeded || now - this.#since < this.#holdMs) return;
    this.isNeeded = false;
    this.#leftOutAt = now;
  }

  /** Some sound did not come. */
  lost(now: number): void {
    if (this.isNeeded) this.#holdMs = Math.max(HOLD_MS, this.#holdMs);
    else if (now - this.#leftOutAt >= RELAPSE_MS) this.#holdMs = HOLD_MS;
    else this.#holdMs = Math.min(MOST_HOLD_MS, Math.max(HOLD_MS, 2 * this.#holdMs));
    this.#since = now;
    this.isNeeded = true;
  }

  /** Packets take another path from now on, of which nothing is known. */
  pathChanged(): void {
    this.isNeeded = true;
    this.#holdMs = START_MS;
    this.#since = Infinity;
    this.#leftOutAt = -Infinity;
  }
}
