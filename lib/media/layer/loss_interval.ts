/**
 * What was lost on one stream since it was last asked for, out of totals since its start.
 *
 * Pure; the owner brings the totals.
 *
 * @module
 */

/** Packets of one interval. */
export interface LossFigures {
  /** Packets that should have come. */
  readonly expected: number;
  /** Those of them that did not. */
  readonly lost: number;
  /** Packets that were not in their place when they left, and so look lost but are not. */
  readonly outOfOrder: number;
}

/** One stream's losses between two looks; never negative, whatever the totals do. */
export class LossInterval {
  #expected = 0;
  #lost = 0;
  #outOfOrder = 0;

  /** Begins a new interval at these totals. */
  begin(expected: number, lost: number, outOfOrder: number): void {
    this.#expected = expected;
    this.#lost = lost;
    this.#outOfOrder = outOfOrder;
  }

  /** The interval that ends at these totals, which begins the next; never negative. */
  take(expected: number, lost: number, outOfOrder: number): LossFigures {
    const figures = {
      expected: Math.max(0, expected - this.#expected),
      // A loss made good since counts for the interval it happened in, which is over.
      lost: Math.max(0, lost - this.#lost),
      outOfOrder: Math.max(0, outOfOrder - this.#outOfOrder),
    };
    this.begin(expected, lost, outOfOrder);
    return figures;
  }
}
