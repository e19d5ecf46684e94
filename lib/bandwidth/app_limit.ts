/**
 * Whether less is sent than could be: much less, and what arrives says nothing about how much would
 * arrive; or a little, as what there is to send comes in whole layers, and does not follow.
 *
 * @module
 */

/** Who sends less than this share of the estimate is limited by what there is to send. */
const SHARE = 0.65;
/** How far back that is looked at, ms. */
const WINDOW_MS = 500;
/** Unused part of the window's budget from which on, and below which no longer. */
const ENTER = 0.8;
const LEAVE = 0.5;
/** Who sends less of the estimate than this has nothing more to send but a whole layer… */
const STEPS = 0.9;
/** …which an encoder does that follows the estimate, as soon as this is known, ms… */
const USED_MS = 400;
/** …and again and again: who has not done it for so long, ms, does not follow. */
const FOLLOWED_MS = 1_500;
/** A limit that was met so lately is known, ms; for longer by who can send a little more. */
const KNOWN_MS = 1_500;
const KNOWN_UNLIMITED_MS = 4_000;

/** A budget that fills with time and empties with packets. */
export class AppLimit {
  /** Since when sending is limited by what there is to send; -1 if it is not. */
  since = -1;
  /** Until when it was, the last time; `-Infinity` if it never was. */
  endedAt = -Infinity;
  #bytes = 0;
  #at = -1;
  /** When it was all used the last time. */
  #fullAt = -Infinity;
  /** What left lately, the less the longer ago. */
  #usedBytes = 0;
  #usedAt = -Infinity;

  get isLimited(): boolean {
    return this.since >= 0;
  }

  /** A packet left while `bps` was the estimate. */
  sent(bytes: number, bps: number, now: number): void {
    this.#pass(bps, now);
    const room = this.#roomOf(bps);
    this.#bytes = Math.max(-room, this.#bytes - bytes);
    const unused = this.#bytes / room;
    if (this.since < 0 && unused > ENTER) this.since = now;
    else if (this.since >= 0 && unused < LEAVE) {
      this.since = -1;
      this.endedAt = now;
    }
  }

  /** Whether what arrives leaves some of the estimate: the next layer would be more than that. */
  hasSteps(ackedBps: number, bps: number): boolean {
    return ackedBps < bps * STEPS;
  }

  /** How long a limit that was met is known, ms. */
  knownMs(ackedBps: number, bps: number): number {
    return this.hasSteps(ackedBps, bps) ? KNOWN_MS : KNOWN_UNLIMITED_MS;
  }

  /** Packets that are no part of a probe left while `bps` was the estimate. */
  used(bytes: number, bps: number, now: number): void {
    const kept = this.#keptAt(now);
    this.#usedBytes = this.#usedBytes * kept + bytes;
    this.#usedAt = now;
    // Behind a pause nothing is known of whoever sends now.
    if (kept === 0 || this.#usedBytes * 8_000 >= bps * STEPS * USED_MS) this.#fullAt = now;
  }

  /** Whether at least so much is sent that is no part of a probe, bits/s. */
  sends(bps: number, now: number): boolean {
    return this.#usedBytes * this.#keptAt(now) * 8_000 >= bps * USED_MS;
  }

  /**
   * Whether it has left some for so long that it does not follow the estimate: that a probe of a
   * moment used all of it is no sign that it does.
   *
   * @param leastBps Who sends less, probes apart, has not begun yet.
   */
  staysBelow(now: number, leastBps = 0): boolean {
    return now - this.#fullAt >= FOLLOWED_MS && this.sends(leastBps, now);
  }

  /** What is left of {@linkcode AppLimit.#usedBytes}. */
  #keptAt(now: number): number {
    return Math.max(0, 1 - (now - this.#usedAt) / USED_MS);
  }

  #pass(bps: number, now: number): void {
    const passed = this.#at < 0 ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    const room = this.#roomOf(bps);
    // A debt is paid, but what was not used before does not help later than a window.
    this.#bytes = Math.min(room, this.#bytes + bps * SHARE * passed / 8_000);
  }

  #roomOf(bps: number): number {
    return Math.max(1, bps * SHARE * WINDOW_MS / 8_000);
  }
}
