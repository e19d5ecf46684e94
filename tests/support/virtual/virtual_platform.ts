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
  cancelled: boolean;
}

/** Wall clock of virtual time zero: 2026-01-01T00:00:00Z. */
const WALL_START_MS = 1_767_225_600_000;

/** A {@linkcode Platform} that the test moves by hand; two runs with one seed are identical. */
export class VirtualPlatform implements Platform {
  #now = 0;
  #order = 0;
  #pending = 0;
  /** A heap by time, then by order; cancelled ones stay until they come up. */
  readonly #timers: VirtualTimer[] = [];
  readonly random: SeededRandom;
  /** By how much somebody has put the wall clock forward, ms. */
  wallSetMs = 0;

  constructor(seed = 1, readonly log: Log = silentLog) {
    this.random = new SeededRandom(seed);
  }

  readonly clock = {
    now: () => this.#now,
    nowUs: () => this.#now * 1000,
    wallMs: () => WALL_START_MS + this.wallSetMs + this.#now,
  };

  readonly timers = {
    after: (delayMs: number, callback: () => void): Cancel => {
      const at = this.#now + Math.max(0, delayMs);
      const timer = { at, order: this.#order++, callback, cancelled: false };
      this.#push(timer);
      this.#pending++;
      return () => {
        if (!timer.cancelled) this.#pending--;
        timer.cancelled = true;
      };
    },
  };

  /** Timers that have not run or been cancelled. */
  get pendingTimers(): number {
    return this.#pending;
  }

  /** Moves time on by `ms`, running due timers in order of time, then of their making. */
  advance(ms: number): void {
    const end = this.#now + ms;
    while (this.#timers.length > 0 && this.#timers[0]!.at <= end) {
      const next = this.#pop();
      if (next.cancelled) continue;
      // Its cancelling from now on changes nothing.
      next.cancelled = true;
      this.#pending--;
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  #push(timer: VirtualTimer): void {
    const heap = this.#timers;
    let index = heap.push(timer) - 1;
    for (
      let up = (index - 1) >> 1;
      index > 0 && isBefore(timer, heap[up]!);
      up = (index - 1) >> 1
    ) {
      heap[index] = heap[up]!;
      index = up;
    }
    heap[index] = timer;
  }

  /** Takes the first one out. */
  #pop(): VirtualTimer {
    const heap = this.#timers;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (child >= heap.length || !isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
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

function isBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.at < b.at || a.at === b.at && a.order < b.order;
}
