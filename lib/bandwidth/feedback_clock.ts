/**
 * The receiver's clock as feedback tells it, and how long packets wait on their way.
 *
 * Contract: the two clocks need not agree, and may drift: only differences are used. Whatever the
 * receiver says, numbers stay finite. Nothing allocates.
 *
 * @module
 */
import { REFERENCE_TIME_MICROS } from "../wire/transport_cc.ts";

/** The shortest way is looked for over one to two times so long, ms: clocks drift. */
const BASE_MS = 120_000;
const MAX_QUEUE_MS = 10_000;
const QUEUE_WEIGHT = 0.3;
const RTT_WEIGHT = 0.125;
const MAX_RTT_MS = 10_000;

/** Times out of feedback. */
export class FeedbackClock {
  /** Smoothed wait above the shortest way known, ms. */
  queueMs = 0;
  /** Smoothed time until feedback on the newest packet, ms; -1 before there was any. */
  rttMs = -1;
  #reference = 0;
  #hasReference = false;
  #baseMs = 0;
  #shortest = Infinity;
  #shortestBefore = Infinity;
  #turnedAt = -Infinity;

  /**
   * The receiver's time of a message's first delta, ms from an arbitrary start.
   *
   * @param reference 24 bits, signed, in steps of 64 ms.
   */
  referenceMs(reference: number): number {
    if (this.#hasReference) {
      this.#baseMs += (((reference - this.#reference) << 8) >> 8) * (REFERENCE_TIME_MICROS / 1000);
    }
    this.#reference = reference;
    this.#hasReference = true;
    return this.#baseMs;
  }

  /** The newest packet of a message: when it left, and when it arrived by the receiver's clock. */
  heard(sentAt: number, arrivedAt: number, now: number): void {
    const way = arrivedAt - sentAt;
    if (now - this.#turnedAt > BASE_MS) {
      this.#shortestBefore = this.#shortest;
      this.#shortest = way;
      this.#turnedAt = now;
    }
    this.#shortest = Math.min(this.#shortest, way);
    const waited = this.waitedMs(sentAt, arrivedAt);
    this.queueMs += QUEUE_WEIGHT * (Math.min(waited, MAX_QUEUE_MS) - this.queueMs);
    const rtt = Math.max(0, Math.min(MAX_RTT_MS, now - sentAt));
    this.rttMs = this.rttMs < 0 ? rtt : this.rttMs + RTT_WEIGHT * (rtt - this.rttMs);
  }

  /** How much longer a packet's way was than the shortest one known, ms; negative if shorter. */
  waitedMs(sentAt: number, arrivedAt: number): number {
    return arrivedAt - sentAt - Math.min(this.#shortest, this.#shortestBefore);
  }

  clear(): void {
    this.queueMs = 0;
    this.rttMs = -1;
    this.#hasReference = false;
    this.#shortest = this.#shortestBefore = Infinity;
    this.#turnedAt = -Infinity;
  }
}
