/**
 * The time of what is received in one go: the clock is read once, when a batch begins.
 *
 * @module
 */
import type { Clock } from "./platform.ts";

/**
 * One receiver's batches, one after the other. Between two of them the time is that of the last.
 */
export class BatchTime {
  /** Monotonic milliseconds, an integer. */
  ms = 0;
  /** The same instant in whole microseconds. */
  us = 0;
  /** Whether a batch is being received. */
  isOpen = false;
  readonly #clock: Pick<Clock, "nowUs">;

  constructor(clock: Pick<Clock, "nowUs">) {
    this.#clock = clock;
  }

  /** Something came: begins a batch unless it belongs to one. */
  begin(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.us = this.#clock.nowUs();
    this.ms = Math.trunc(this.us / 1000);
  }

  /** The next thing that comes begins another batch. */
  end(): void {
    this.isOpen = false;
  }
}
