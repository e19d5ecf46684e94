/**
 * Every piece of outside input that is not used is counted under a name; counters, not logs, are
 * how a running server explains itself.
 *
 * Each folder that counts lists its reasons in its `drop_reasons.ts` with a phrase that says what
 * happened, and takes a {@linkcode DropSink} of those alone.
 *
 * @module
 */

/** The reasons of one folder: counter names, each with what it means to an operator. */
export type DropReasons = Readonly<Record<string, string>>;

/** Where drops are counted. Whoever takes more reasons will do for whoever has fewer. */
export interface DropSink<Reason extends string> {
  /** Adds one (or `by`) under `reason`, for example `"stun_bad_integrity"`. */
  readonly count: (reason: Reason, by?: number) => void;
}

/** Counts by reason. Reasons are few and fixed in code, so the map stays small. */
export class DropCounters<Reason extends string = string> implements DropSink<Reason> {
  readonly #counts = new Map<string, number>();

  /** Adds one (or `by`) under `reason`, for example `"stun_bad_integrity"`. */
  count(reason: Reason, by = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + by);
  }

  /** Adds what other counters of the same reasons counted. */
  merge(counts: DropCounts<Reason>): void {
    for (const reason in counts) this.count(reason, counts[reason]);
  }

  /** How often `reason` was counted. */
  get(reason: Reason): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** All counts as a plain, cloneable record. */
  snapshot(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** Counts by reason; those that never happened are left out. */
export type DropCounts<Reason extends string> = Readonly<Partial<Record<Reason, number>>>;
