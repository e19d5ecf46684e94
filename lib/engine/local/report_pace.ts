/**
 * How often a connection is reported on: each interval while it has tracks, and now and then while
 * it has none, so that whoever begins to listen hears of it, too.
 *
 * @module
 */

/** Reports that name no track are so far apart, ms. */
export const EMPTY_REPORT_INTERVAL_MS = 30_000;

/** Says which reports of one connection are told; ask once for each that could be. */
export class ReportPace {
  #wasEmpty = false;
  #emptyToldAt = -Infinity;

  /** Whether the last one that could be told named no track. */
  get wasEmpty(): boolean {
    return this.#wasEmpty;
  }

  /**
   * @param isEmpty Whether the report of `now` names no track. The first of these is always due.
   */
  isDue(isEmpty: boolean, now: number): boolean {
    const isNews = isEmpty !== this.#wasEmpty;
    this.#wasEmpty = isEmpty;
    if (!isEmpty) return true;
    if (!isNews && now - this.#emptyToldAt < EMPTY_REPORT_INTERVAL_MS) return false;
    this.#emptyToldAt = now;
    return true;
  }
}
