/**
 * How much of its cores this process uses.
 *
 * @module
 */
import process from "node:process";
import type { Clock } from "../base/platform.ts";

/** Shorter spans say little, ms. */
const LEAST_SPAN_MS = 500;

/** Measures between one question and the next; who asks again soon gets the same answer. */
export class ProcessorMeter {
  readonly #clock: Pick<Clock, "now">;
  readonly #cores: number;
  readonly #cpuUs: () => number;
  #atMs: number;
  #usedUs: number;
  #share = 0;

  /** @param cpuUs CPU time of this process since its start, µs. */
  constructor(clock: Pick<Clock, "now">, cores: number, cpuUs: () => number = processCpuUs) {
    this.#clock = clock;
    this.#cores = cores;
    this.#cpuUs = cpuUs;
    this.#atMs = clock.now();
    this.#usedUs = cpuUs();
  }

  /** Share of the cores since it was last measured, 0 to 1. */
  measure(): number {
    const spanMs = this.#clock.now() - this.#atMs;
    if (spanMs < LEAST_SPAN_MS) return this.#share;
    const used = this.#cpuUs();
    this.#share = Math.min(1, (used - this.#usedUs) / 1000 / spanMs / this.#cores);
    this.#atMs = this.#clock.now();
    this.#usedUs = used;
    return this.#share;
  }
}

function processCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
