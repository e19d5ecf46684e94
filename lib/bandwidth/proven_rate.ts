/**
 * What a path was seen to carry lately, by traffic and by probes.
 *
 * @module
 */

/** What a probe or the traffic has shown is believed for so long, ms… */
const PROVEN_MS = 15_000;
/** …and of a probe for so long no other sign is asked for, ms. */
const PROBED_MS = 3_000;

/**
 * So many times the estimate one burst alone is believed; more has to be seen in two, one so soon
 * after the other, ms: where a thread or a radio waits, packets that came one by one arrive in one
 * lump, as on a path that is much wider. A burst's result is known a round trip after it, and the
 * next one is sent then: on long ways it may take so many round trips, of a second at most.
 */
const LEAP = 1.3;
const CONFIRMED_MS = 1_000;
const CONFIRMED_TRIPS = 4;
const LONGEST_TRIP_MS = 1_000;

/** One path's; bits per second, `now` in monotonic ms. */
export class ProvenRate {
  #bps = 0;
  #at = -Infinity;
  #probedBps = 0;
  #probedAt = -Infinity;
  /** What the newest burst showed, believed or not, and when. */
  #shownBps = 0;
  #shownAt = -Infinity;

  /**
   * A burst has shown so much.
   *
   * @param estimateBps `Infinity` where it is believed whole.
   * @param rttMs Below 0 where it is not known.
   * @returns What of it is believed: so much was carried.
   */
  probed(shownBps: number, estimateBps: number, rttMs: number, now: number): number {
    const tripsMs = CONFIRMED_TRIPS * Math.min(rttMs, LONGEST_TRIP_MS);
    const isOld = now - this.#shownAt > Math.max(CONFIRMED_MS, tripsMs);
    const before = isOld ? 0 : this.#shownBps;
    this.#shownBps = shownBps;
    this.#shownAt = now;
    const bps = Math.min(shownBps, Math.max(estimateBps * LEAP, before));
    this.#probedBps = bps;
    this.#probedAt = now;
    if (bps > this.#bps) {
      this.#bps = bps;
      this.#at = now;
    }
    return bps;
  }

  /** The most that was carried lately, `ackedBps` now. */
  update(ackedBps: number, now: number): number {
    if (now - this.#at > PROVEN_MS || ackedBps > this.#bps) {
      this.#bps = ackedBps;
      if (ackedBps > 0) this.#at = now;
    }
    return this.#bps;
  }

  /** What a probe has carried a moment ago; 0 if none has. */
  probedBps(now: number): number {
    return now - this.#probedAt > PROBED_MS ? 0 : this.#probedBps;
  }

  clear(): void {
    this.#bps = this.#probedBps = this.#shownBps = 0;
  }
}
