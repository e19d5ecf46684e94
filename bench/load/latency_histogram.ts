/**
 * Times in fixed memory, with percentiles good to about one per cent: what is recorded for every
 * packet must cost nothing.
 *
 * @module
 */

/** Buckets per doubling: a bucket is 1.1 % wide. */
const PER_DOUBLING = 64;
/** 1 µs to over 2 minutes. */
const DOUBLINGS = 27;

/** Percentiles, ms; 0 where nothing was recorded. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Exactly. */
  readonly max: number;
}

/**
 * Times in fixed memory: `add` allocates nothing, and percentiles are within about one per cent.
 */
export class LatencyHistogram {
  readonly #buckets = new Uint32Array(PER_DOUBLING * DOUBLINGS);
  #count = 0;
  #max = 0;

  /** Records a time in µs; less than 1 counts as 1. */
  add(micros: number): void {
    const place = micros <= 1 ? 0 : Math.floor(Math.log2(micros) * PER_DOUBLING);
    this.#buckets[Math.min(place, this.#buckets.length - 1)]!++;
    this.#count++;
    if (micros > this.#max) this.#max = micros;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
    this.#max = 0;
  }

  /** All figures so far. */
  percentiles(): Percentiles {
    const at = (share: number) => this.#percentile(share) / 1000;
    const { p50, p99, p999 } = { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
    return { count: this.#count, p50, p99, p999, max: this.#max / 1000 };
  }

  /** The smallest bucket's middle that `share` of all times do not exceed, µs. */
  #percentile(share: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    for (let place = 0; place < this.#buckets.length; place++) {
      seen += this.#buckets[place]!;
      if (seen >= rank) return Math.min(2 ** ((place + 0.5) / PER_DOUBLING), this.#max);
    }
    return this.#max;
  }
}
