/**
 * Timers for code that knows when it next has something to do, and timers whose callbacks may fail.
 *
 * @module
 */
import type { Cancel, Clock, Platform, Timers } from "./platform.ts";

/** Timers whose callbacks may throw: that is `failed`'s, and nobody else's. */
export function guardedTimers(timers: Timers, failed: (error: unknown) => void): Timers {
  return {
    after: (delayMs, callback) =>
      timers.after(delayMs, () => {
        try {
          callback();
        } catch (error) {
          failed(error);
        }
      }),
  };
}

/** The same world with {@linkcode guardedTimers}. */
export function guardedPlatform(platform: Platform, failed: (error: unknown) => void): Platform {
  const { clock, timers, random, log } = platform;
  return { clock, timers: guardedTimers(timers, failed), random, log };
}

/**
 * One timer that follows a time which is often moved: a timer that is already set to an earlier
 * instant is kept and asks again then, because setting timers costs more than being early once.
 *
 * Contract: `run` is called when the time given last has come, at most `grainMs` late, and not
 * before; the time is then spent, and `run`, or anybody later, gives the next one. After
 * {@linkcode WakeTimer.stop} it is not called until a time is given again.
 */
export class WakeTimer {
  #at = Infinity;
  #timerAt = Infinity;
  #cancel: Cancel | undefined;

  /**
   * @param run Told the present; its throw is the timer's owner's bug.
   * @param grainMs Times are put off to multiples of this, so that those close together are one.
   */
  constructor(
    readonly platform: { readonly clock: Clock; readonly timers: Timers },
    readonly run: (now: number) => void,
    readonly grainMs = 1,
  ) {}

  /** Whether there is a time to wait for. */
  get isSet(): boolean {
    return this.#at !== Infinity;
  }

  /**
   * Waits for `at`, monotonic ms, in place of what it waited for; `Infinity` and `undefined` for
   * nothing.
   *
   * @param grainMs Another one for this time alone.
   */
  set(at: number | undefined, grainMs: number = this.grainMs): void {
    this.#at = at === undefined ? Infinity : Math.ceil(at / grainMs) * grainMs;
    if (this.#at === Infinity) return this.stop();
    if (this.#timerAt > this.#at) this.#plan();
  }

  /** Waits for `at` if that is sooner than what it waits for; `grainMs` as above. */
  atMost(at: number, grainMs: number = this.grainMs): void {
    if (at < this.#at) this.set(at, grainMs);
  }

  stop(): void {
    this.#at = Infinity;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#timerAt = Infinity;
  }

  #plan(): void {
    this.#cancel?.();
    this.#timerAt = this.#at;
    const { clock, timers } = this.platform;
    this.#cancel = timers.after(Math.max(0, this.#at - clock.now()), () => this.#fire());
  }

  #fire(): void {
    this.#cancel = undefined;
    this.#timerAt = Infinity;
    if (this.#at === Infinity) return;
    const now = this.platform.clock.now();
    if (now < this.#at) return this.#plan();
    this.#at = Infinity;
    this.run(now);
  }
}
