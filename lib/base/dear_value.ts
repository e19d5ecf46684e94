/**
 * Something that takes long to make: the same is given again for a while, so that making it takes
 * no more than a part of the time, however often somebody asks.
 *
 * @module
 */
import type { Clock } from "./platform.ts";

/** The newest of its kind. */
export class DearValue<T extends NonNullable<unknown>> {
  #value: T | undefined;
  #until = -Infinity;

  /**
   * @param parts Making it takes no more than one part in so many of the time…
   * @param longestMs …but it is not given for longer: a process that was stopped meanwhile took no
   *   time to make it.
   */
  constructor(readonly clock: Clock, readonly parts: number, readonly longestMs: number) {}

  /** What was made last, unless it is to be made anew. */
  get kept(): T | undefined {
    return this.clock.now() < this.#until ? this.#value : undefined;
  }

  /**
   * It was made just now.
   *
   * @param startedUs When that began, by the clock's `nowUs`.
   */
  made(value: T, startedUs: number): T {
    const tookMs = (this.clock.nowUs() - startedUs) / 1000;
    this.#value = value;
    this.#until = this.clock.now() + Math.min(this.longestMs, tookMs * this.parts);
    return value;
  }
}
