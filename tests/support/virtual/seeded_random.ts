/**
 * The seeded {@linkcode Random} of all tests: the same seed gives the same numbers on every
 * machine.
 *
 * @module
 */
import type { Random } from "../../../lib/base/platform.ts";

/** A small fast generator (mulberry32) with a few draws that tests like to make. */
export class SeededRandom implements Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff);
  }

  /** An integer in `[0, limit)`. */
  below(limit: number): number {
    return this.uint32() % limit;
  }

  /** `true` with probability `p`. */
  chance(p: number): boolean {
    return this.uint32() < p * 2 ** 32;
  }
}
