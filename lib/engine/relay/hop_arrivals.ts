/**
 * When datagrams of a hop came at the other end: what loss and queues are known from.
 *
 * The receiver says for each datagram, a byte each, whether it came and how long after the one
 * before; the sender reads that as what subscribers say in transport-wide feedback.
 *
 * @module
 */
import { DELTA_MICROS, NOT_RECEIVED, type TransportFeedback } from "../../wire/transport_cc.ts";
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
/** Words of a report before the bytes. */
const HEAD_WORDS = 3;
/** A step of a message's reference time is 64 ms. */
const REFERENCE_BITS = 6;

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

/**
 * Reads a report, `words[at, at + length)`, into `into` but for its `baseSequence`.
 *
 * @param near About the number that it begins with.
 * @returns The number it begins with; negative if it makes no sense.
 */
export function readArrivals(
  words: Int32Array,
  at: number,
  length: number,
  near: number,
  into: TransportFeedback,
): number {
  const count = length < HEAD_WORDS ? 0 : words[at + 1]!;
  if (count < 1 || count > MAX_REPORTED || HEAD_WORDS + ((count + 3) >> 2) !== length) return -1;
  const came = words[at + 2]!;
  // Of its 32 bits as many are used as there are.
  into.referenceTime = came >> REFERENCE_BITS;
  into.statusCount = count;
  let sinceMs = came & ((1 << REFERENCE_BITS) - 1);
  for (let i = 0; i < count; i++) {
    const steps = (words[at + HEAD_WORDS + (i >> 2)]! >>> (8 * (i & 3))) & 0xff;
    into.deltas[i] = steps === 0
      ? NOT_RECEIVED
      : (sinceMs + (steps - 1) / STEPS) * (1000 / DELTA_MICROS);
    if (steps > 0) sinceMs = 0;
  }
  return extendWord(words[at]!, near);
}
