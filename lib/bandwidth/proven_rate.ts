/**
 * What a path was seen to carry lately, by traffic and by probes.
 *
 * @module
 */

/** What a probe or the traffic has shown is believed for so long, ms… */
const PROVEN_MS = 15_000;
/** …and of a probe for so long no other sign is asked for, ms. */
const PROBED_MS = 3_000;

/** One path's; bits per second, `now` in monotonic ms. */
export class ProvenRate {
  #bps = 0;
  #at = -Infinity;
  #probedBps = 0;
  #probedAt = -Infinity;

  /** A probe had carried so much. */
  probed(bps: number, now: number): void {
    this.#probedBps = bps;
    this.#probedAt = now;
    if (bps <= this.#bps) return;
    this.#bps = bps;
    this.#at = now;
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
    this.#bps = this.#probedBps = 0;
  }
}
