/**
 * How long to wait for an acknowledgement (RFC 9260 §6.3): from smoothed round trips, doubled each
 * time it was in vain.
 *
 * @module
 */

/** Before anything was measured, ms: the path has just carried ICE, so less than a second. */
const INITIAL_MS = 500;
/** Above the peer's delay of acknowledgements, ms. */
const MIN_MS = 400;
/** A path that was away for long is tried again so soon after it came back, ms. */
const MAX_MS = 3_000;
/**
 * What a round trip may always be longer than the average: a peer's acknowledgements wait up to 200
 * ms, and here, where they are alone, up to 30 more (`SACKS_GRAIN_US`).
 */
const MIN_MARGIN_MS = 240;

/** One association's timeout. */
export class RetransmissionTimeout {
  /** Smoothed round trip, ms; 0 before there is one. */
  rttMs = 0;
  #variationMs = 0;
  #baseMs = INITIAL_MS;
  #backoff = 1;

  /** The present timeout, ms. */
  get ms(): number {
    return Math.min(this.#baseMs * this.#backoff, MAX_MS);
  }

  /** A chunk that was sent once was acknowledged after so long. */
  measured(rttMs: number): void {
    if (this.rttMs === 0) {
      this.rttMs = Math.max(rttMs, 1);
      this.#variationMs = rttMs / 2;
    } else {
      this.#variationMs += (Math.abs(this.rttMs - rttMs) - this.#variationMs) / 4;
      this.rttMs += (Math.max(rttMs, 1) - this.rttMs) / 8;
    }
    const margin = Math.max(4 * this.#variationMs, MIN_MARGIN_MS);
    this.#baseMs = Math.max(this.rttMs + margin, MIN_MS);
  }

  /** It was in vain. */
  backOff(): void {
    if (this.ms < MAX_MS) this.#backoff *= 2;
  }

  /** The peer acknowledged something. */
  succeeded(): void {
    this.#backoff = 1;
  }
}
