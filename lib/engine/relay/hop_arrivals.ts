/**
 * When datagrams left at one end of a hop and came at the other: what loss and queues are known
 * from.
 *
 * The receiver says for each datagram, a byte each, whether it came and how long after the one
 * before; the sender puts that beside what it remembers.
 *
 * @module
 */
import { extendWord } from "./hop_datagram.ts";

/** Datagrams whose arrival is remembered until it is told; a power of two. */
const ARRIVALS = 1024;
/** Datagrams that one report is of. */
const MAX_REPORTED = 512;
/** A datagram counts as lost when one after it came so long ago, ms. */
const REORDERING_MS = 15;
/** Steps of a millisecond in a byte. */
const STEPS = 2;
const LONGEST = 255;
const NEVER = -1;

/** The receiver's part. */
export class HopArrivals {
  readonly #at = new Float64Array(ARRIVALS).fill(NEVER);
  /** The first number that was not told of. */
  #base = 0;
  #next = 0;
  /** Numbers below this are told of: they came, or did not, long enough ago. */
  #settled = 0;
  #mark = 0;
  #markedAt = 0;

  /** A datagram came, for the first time. */
  record(number: number, now: number): void {
    if (number < this.#base) return;
    if (number >= this.#next) {
      const from = Math.max(this.#next, number - ARRIVALS + 1);
      for (let i = from; i < number; i++) this.#at[i & (ARRIVALS - 1)] = NEVER;
      this.#next = number + 1;
      this.#base = Math.max(this.#base, this.#next - ARRIVALS);
    }
    this.#at[number & (ARRIVALS - 1)] = now;
    if (now - this.#markedAt < REORDERING_MS) return;
    this.#settled = this.#mark;
    this.#mark = this.#next;
    this.#markedAt = now;
  }

  /** Whether so much is to be told that it should be told now. */
  get isFull(): boolean {
    return this.#settled - this.#base >= MAX_REPORTED / 2;
  }

  /** Writes what is settled: number, count, time, and the bytes. Returns words, 0 for none. */
  write(words: Int32Array, at: number, room: number, now: number): number {
    if (now - this.#markedAt >= REORDERING_MS) this.#settled = this.#mark = this.#next;
    const most = Math.min(this.#settled - this.#base, MAX_REPORTED, (room - 3) * 4);
    if (most <= 0) return 0;
    let before = NEVER;
    let count = 0;
    words[at] = this.#base;
    words[at + 2] = 0;
    for (let i = 0; i < most; i++, count++) {
      if ((i & 3) === 0) words[at + 3 + (i >> 2)] = 0;
      const came = this.#at[(this.#base + i) & (ARRIVALS - 1)]!;
      if (came === NEVER) continue;
      if (before === NEVER) words[at + 2] = before = came;
      const steps = Math.max(0, Math.round((came - before) * STEPS));
      if (steps >= LONGEST) break; // begins another report
      words[at + 3 + (i >> 2)]! |= (1 + steps) << (8 * (i & 3));
      before += steps / STEPS;
    }
    words[at + 1] = count;
    this.#base += count;
    return 3 + ((count + 3) >> 2);
  }

  reset(): void {
    this.#base =
      this.#next =
      this.#settled =
      this.#mark =
        0;
  }
}

/** Datagrams whose departure is remembered, at first and at most; powers of two. */
const FIRST_DEPARTURES = 256;
const DEPARTURES = 8192;
/** The least delay of so long is what a queue is measured from, ms. */
const BASE_MS = 15_000;

/** The sender's part. */
export class HopDepartures {
  #at = new Float64Array(FIRST_DEPARTURES).fill(NEVER);
  #told = 0;
  /** The least delays of the time before and of the present one; clocks differ, so any number. */
  #leastBefore = Infinity;
  #least = Infinity;
  #leastBegan = 0;
  /** Of the last report: datagrams that came and did not, and the queue they met, ms. */
  came = 0;
  lost = 0;
  queueMs = 0;

  /**
   * A datagram left.
   *
   * @param isTry It took another way than most, of which nothing is to be judged.
   */
  record(number: number, isTry: boolean, now: number): void {
    const { length } = this.#at;
    if (number - this.#told >= length && length < DEPARTURES) this.#grow(number);
    this.#at[number & (this.#at.length - 1)] = isTry ? NEVER : now;
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.#at.byteLength;
  }

  /**
   * Takes a report, `words[at, at + length)`.
   *
   * @param next Number of the next datagram.
   * @returns Whether it made sense.
   */
  take(words: Int32Array, at: number, length: number, next: number, now: number): boolean {
    this.came = this.lost = 0;
    const base = length < 3 ? NEVER : extendWord(words[at]!, next);
    const count = length < 3 ? 0 : words[at + 1]!;
    if (count < 1 || count > MAX_REPORTED || 3 + ((count + 3) >> 2) !== length) return false;
    // What was told before is told by a datagram that was overtaken.
    if (base < this.#told || base + count > next || base < next - this.#at.length) return base >= 0;
    this.#told = base + count;
    let before = words[at + 2]!;
    let least = Infinity;
    for (let i = 0; i < count; i++) {
      const steps = (words[at + 3 + (i >> 2)]! >>> (8 * (i & 3))) & 0xff;
      if (steps > 0) before += (steps - 1) / STEPS;
      const left = this.#at[(base + i) & (this.#at.length - 1)]!;
      if (left === NEVER) continue;
      if (steps === 0) {
        this.lost++;
        continue;
      }
      this.came++;
      // The other clock's words may have turned over: compare in 32 bits.
      least = Math.min(least, (Math.round(before) - Math.trunc(left)) | 0);
    }
    if (this.came > 0) this.#measure(least, now);
    return true;
  }

  reset(): void {
    this.begin(0);
  }

  /** The way is another from number `next` on: what went before says nothing of it. */
  begin(next: number): void {
    this.#told = next;
    this.#leastBefore = this.#least = Infinity;
    this.queueMs = 0;
  }

  /** Of those before `number` all are kept that were. */
  #grow(number: number): void {
    const before = this.#at;
    const after = this.#at = new Float64Array(2 * before.length).fill(NEVER);
    for (let i = Math.max(0, number - before.length); i < number; i++) {
      after[i & (after.length - 1)] = before[i & (before.length - 1)]!;
    }
  }

  #measure(delay: number, now: number): void {
    if (now - this.#leastBegan > BASE_MS) {
      this.#leastBegan = now;
      this.#leastBefore = this.#least;
      this.#least = delay;
    }
    this.#least = Math.min(this.#least, delay);
    this.queueMs = delay - Math.min(this.#least, this.#leastBefore);
  }
}
