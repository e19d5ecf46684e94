/**
 * The round trip of a connection on which we receive, by receiver reference times (RFC 3611 §4.4)
 * and their answers (§4.5).
 *
 * The peer may say anything: only answers to one of our last reference times count, the time since
 * is our own, and what is left after the peer's delay is kept within bounds.
 *
 * @module
 */
import { compactNtp, ntpFraction, ntpSeconds } from "../../media/layer/rtcp_clock.ts";

/**
 * Reference times that can still be answered: one a second, so more than the longest round trip.
 */
const REMEMBERED = 16;
/** Longest believable round trip, ms; anything above comes from a broken clock. */
export const MAX_RTT_MS = 10_000;
/**
 * Our reference times count from here, so that they do not tell how long this machine is up, ms.
 */
const EPOCH_MS = 3_900_000_000_000;

/**
 * One connection's round trip in milliseconds. Only answers to one of the last reference times
 * count, so a peer can be wrong about itself alone.
 */
export class RoundTrip {
  /** NTP of the newest reference time, unsigned 32 bits each. */
  ntpSeconds = 0;
  ntpFraction = 0;
  readonly #epochMs: number;
  /** The middle 32 bits, and when they left. */
  readonly #compact = new Float64Array(REMEMBERED).fill(-1);
  readonly #sentAt = new Float64Array(REMEMBERED);
  #next = 0;

  /** @param startedAt Now, monotonic ms. */
  constructor(startedAt: number) {
    this.#epochMs = EPOCH_MS - startedAt;
  }

  /** Makes the reference time that is sent now. */
  begin(now: number): void {
    const ntpMs = this.#epochMs + now;
    this.ntpSeconds = ntpSeconds(ntpMs);
    this.ntpFraction = ntpFraction(ntpMs);
    this.#compact[this.#next] = compactNtp(this.ntpSeconds, this.ntpFraction);
    this.#sentAt[this.#next] = now;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /**
   * The round trip, ms, by an answer.
   *
   * @param reference The middle 32 bits of the reference time it answers.
   * @param delay How long the peer held it, in 1/65536 s.
   * @returns -1 if it answers none of ours, or one from too long ago.
   */
  end(reference: number, delay: number, now: number): number {
    const at = this.#compact.indexOf(reference);
    return at < 0 ? -1 : roundTripMs(this.#sentAt[at]!, delay, now);
  }
}

/**
 * The round trip, ms, of what was sent at `sentAt` and answered after `delay` (1/65536 s); -1 if it
 * cannot be believed.
 */
export function roundTripMs(sentAt: number, delay: number, now: number): number {
  const rttMs = Math.max(0, now - sentAt - delay * 1000 / 65_536);
  return rttMs <= MAX_RTT_MS ? rttMs : -1;
}
