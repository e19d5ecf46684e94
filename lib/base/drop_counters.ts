/**
 * Every piece of outside input that is not used is counted under a name; counters, not logs, are
 * how a running server explains itself.
 *
 * @module
 */

/** Counts by reason. Reasons are few and fixed in code, so the map stays small. */
export class DropCounters {
  readonly #counts = new Map<string, number>();

  /** Adds one (or `by`) under `reason`, for example `"stun_bad_integrity"`. */
  count(reason: string, by = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + by);
  }

  /** How often `reason` was counted. */
  get(reason: string): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** All counts as a plain, cloneable record. */
  snapshot(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
