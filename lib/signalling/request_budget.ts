/**
 * How much of the main thread one client's requests may take, and how requests of many clients take
 * turns, so that nobody is kept waiting by what others ask for.
 *
 * Pure but for the clock and timers given. Costs are microseconds of the main thread: what was
 * measured, and never less than a request of its size takes.
 *
 * @module
 */
import type { Clock, Timers } from "../base/platform.ts";

/** A quarter of the thread for one client, µs for each ms; thousands of small requests a second. */
const REFILL_US_PER_MS = 250;
/** What a client may use at once, µs. */
const BURST_US = 250_000;
/** What any request costs at least, and each of its bytes, µs. */
const REQUEST_US = 100;
const BYTE_US = 0.1;
/** Who is measured while the machine does something else is not charged for all of it, µs. */
const MAX_HELD_US = BURST_US;
/** The same of a request that waits for something else, which may be any time, µs. */
const MAX_WAITED_US = 50_000;
/** What coming in costs at least, with the connection it comes by, µs. */
const JOIN_US = 2_000;
/** What all clients together may use before everything else gets its turn, µs. */
const TURN_US = 20_000;
/** Less than this is not worth a turn of its own: it is counted to those that follow, µs. */
const COUNTED_US = 5_000;

/** What is known of a request before it is read, µs. */
export function estimatedUs(bytes: number): number {
  return REQUEST_US + bytes * BYTE_US;
}

/**
 * What a request has cost, µs.
 *
 * @param heldUs For how long it kept the thread without a break.
 * @param elapsedUs Until it was done, with what it waited for.
 */
export function costUs(bytes: number, heldUs: number, elapsedUs: number = heldUs): number {
  return Math.max(
    estimatedUs(bytes),
    Math.min(heldUs, MAX_HELD_US),
    Math.min(elapsedUs, MAX_WAITED_US),
  );
}

/** What coming in has cost, µs: a newcomer to a large room is no guest who asks for too much. */
export function joinCostUs(measuredUs: number): number {
  return Math.max(JOIN_US, Math.min(measuredUs, MAX_WAITED_US));
}

/** One user's share; a token bucket that may be overdrawn by one request. */
export class RequestBudget {
  #level = BURST_US;
  #at: number;

  constructor(readonly clock: Pick<Clock, "now">) {
    this.#at = clock.now();
  }

  /** Until the next request may be handled, ms; 0 is now. */
  waitMs(): number {
    this.#refill();
    return this.#level > 0 ? 0 : Math.ceil((1 - this.#level) / REFILL_US_PER_MS);
  }

  /** Nothing of it is used. */
  get isWhole(): boolean {
    this.#refill();
    return this.#level >= BURST_US;
  }

  charge(us: number): void {
    this.#level -= us;
  }

  #refill(): void {
    const now = this.clock.now();
    this.#level = Math.min(BURST_US, this.#level + (now - this.#at) * REFILL_US_PER_MS);
    this.#at = now;
  }
}

/** The turns of all clients. */
export class RequestTurns {
  #spentUs = 0;
  #ends = false;
  #waiting: (() => void)[] = [];

  constructor(readonly timers: Timers) {}

  /** Whether this turn of the event loop has time for one more request. */
  get open(): boolean {
    return this.#spentUs < TURN_US && this.#waiting.length === 0;
  }

  /** @param us Measured, so that on virtual time everybody always has a turn. */
  spend(us: number): void {
    if (us <= 0) return;
    this.#spentUs += us;
    if (this.#spentUs >= COUNTED_US) this.#endSoon();
  }

  /** Calls back in a later turn, after those that asked before. */
  next(callback: () => void): void {
    this.#waiting.push(callback);
    this.#endSoon();
  }

  #endSoon(): void {
    if (this.#ends) return;
    this.#ends = true;
    this.timers.after(0, () => {
      this.#ends = false;
      this.#spentUs = 0;
      const waiting = this.#waiting;
      this.#waiting = [];
      let at = 0;
      while (at < waiting.length && this.#spentUs < TURN_US) waiting[at++]!();
      this.#waiting = [...waiting.slice(at), ...this.#waiting];
      if (this.#waiting.length > 0) this.#endSoon();
    });
  }
}
