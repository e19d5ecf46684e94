/**
 * The outside world of a test: time that moves only when told to, seeded randomness, silence.
 *
 * @module
 */
import { type Cancel, type Log, type Platform, silentLog } from "../../../lib/base/platform.ts";
import { SeededRandom } from "./seeded_random.ts";

interface VirtualTimer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Wall clock of virtual time zero: 2026-01-01T00:00:00Z. */
const WALL_START_MS = 1_767_225_600_000;

/** A {@linkcode Platform} that the test moves by hand; two runs with one seed are identical. */
export class VirtualPlatform implements Platform {
  #now = 0;
  #order = 0;
  #timers: VirtualTimer[] = [];
  readonly random: SeededRandom;

  constructor(seed = 1, readonly log: Log = silentLog) {
    this.random = new SeededRandom(seed);
  }

  readonly clock = {
    now: () => this.#now,
    nowUs: () => this.#now * 1000,
    wallMs: () => WALL_START_MS + this.#now,
  };

  readonly timers = {
    after: (delayMs: number, callback: () => void): Cancel => {
      const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
  };

  /** Timers that have not run or been cancelled. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Moves time on by `ms`, running due timers in order of time, then of their making. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  /** Time passes and nothing runs, as in a process that stands still. */
  stall(ms: number): void {
    this.#now += ms;
  }

  /** As {@linkcode advance} in steps, letting promises settle between them. */
  async advanceAsync(ms: number, stepMs = 10): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(stepMs, left));
      await settle();
    }
  }
}

/** Lets everything that is only waiting for promises run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
