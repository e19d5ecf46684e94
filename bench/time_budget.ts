/**
 * How long everything may take: the benchmark ends by itself, whatever happens.
 *
 * @module
 */

/** All of it, ms: what is not measured by then is left out, and the report says so. */
export const TOTAL_MS = 865_000;
/** One line of the table of loads, ms, beside all that; those who idle take longer. */
export const LOAD_MS = 50_000;
/** One line of the forwarding table, ms; only a thousand handshakes come near. */
export const LINE_MS = 90_000;
/** A line is not begun with less than this left, ms. */
export const MIN_LINE_MS = 15_000;
/** What the lines of the forwarding table leave for the parts after it, ms. */
export const RESERVE_MS: Readonly<Record<string, number>> = {
  workers: 50_000,
  storm: 30_000,
  flood: 45_000,
  joins: 60_000,
  control: 55_000,
  rooms: 90_000,
  directory: 15_000,
  relays: 190_000,
  congestion: 30_000,
  join: 20_000,
};

/** A span of time that runs out. */
export class TimeBudget {
  readonly #endsAt: number;

  constructor(totalMs: number, private readonly now: () => number = () => performance.now()) {
    this.#endsAt = now() + totalMs;
  }

  /** What is left above `reservedMs`. */
  leftMs(reservedMs = 0): number {
    return this.#endsAt - reservedMs - this.now();
  }
}
