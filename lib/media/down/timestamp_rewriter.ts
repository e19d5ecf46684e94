/**
 * Maps a source's RTP timestamps to a subscriber's: an offset, chosen anew at each switch so that
 * time goes on as it really does.
 *
 * At a switch the new source is placed by the sender reports of both (NTP); without them, or if
 * they disagree with the arrival times beyond reason, by the time that passed. Timestamps are the
 * wire's 32 bits; comparisons are modulo 2^32.
 *
 * @module
 */
import type { RtcpClock } from "../layer/rtcp_clock.ts";

/** A reference further ahead of the time that passed than this is not believed, ms. */
const MAX_LEAD_MS = 100;
/** …or further behind it: layers of one camera differ by queueing, up to this, ms. */
export const SWITCH_LAG_MS = 2000;
/** After the publisher muted, its clock may have stood still: believe less, ms. */
export const UNMUTE_LAG_MS = 200;

/**
 * One subscriber's timestamps: within a source the distances are the source's, and across a switch
 * time goes on as it passed, and not back.
 */
export class TimestampRewriter {
  #started = false;
  // As signed 32 bits, of which V8 makes no object.
  #offset = 0;
  #last = 0;
  #lastAt = 0;

  /** What is subtracted from a source timestamp, modulo 2^32. */
  get offset(): number {
    return this.#offset >>> 0;
  }

  /** Whether anything was sent yet. */
  get started(): boolean {
    return this.#started;
  }

  /**
   * Chooses the offset for a source whose first packet has `timestamp`.
   *
   * @param from Clock of the source until now, `undefined` if there was none.
   * @param to Clock of the new source; the same object means the same source goes on.
   * @param maxLagMs How far behind the passed time the result may be.
   */
  switchTo(
    timestamp: number,
    from: RtcpClock | undefined,
    to: RtcpClock,
    clockRate: number,
    maxLagMs: number,
    now: number,
  ): void {
    if (!this.#started) {
      this.#started = true;
      this.#offset = 0;
      this.#last = (timestamp - 1) | 0;
      this.#lastAt = now;
      return;
    }
    const passed = this.#passed(clockRate, now);
    const expected = (this.#last + passed) >>> 0;
    let out = expected;
    if (from === to) out = (timestamp - this.#offset) >>> 0;
    else if (from !== undefined && from.known && to.known) {
      const inFrom = from.timestampAt(to.ntpMsOf(timestamp, clockRate), clockRate);
      out = (inFrom - this.#offset) >>> 0;
    }
    const lead = (out - expected) | 0;
    if (lead > (MAX_LEAD_MS * clockRate) / 1000 || lead < -(maxLagMs * clockRate) / 1000) {
      out = expected;
    }
    // After more than half the range (6 h of video) "later" cannot be told from "earlier".
    if (passed < 0x7fff_ffff && ((out - this.#last) | 0) <= 0) out = (this.#last + 1) >>> 0;
    this.#offset = (timestamp - out) | 0;
    this.#last = (out - 1) | 0;
  }

  /**
   * The outgoing timestamp, by the time that passed, of a packet that comes from no source.
   *
   * @param first The timestamp if it is the first of all.
   */
  insert(first: number, clockRate: number, now: number): number {
    this.#last = (this.#started ? this.#last + this.#passed(clockRate, now) : first) | 0;
    this.#started = true;
    this.#lastAt = now;
    return this.#last >>> 0;
  }

  #passed(clockRate: number, now: number): number {
    return Math.round(((now - this.#lastAt) * clockRate) / 1000);
  }

  /** The outgoing timestamp of a packet of the current source. */
  forward(timestamp: number, now: number): number {
    const out = (timestamp - this.#offset) | 0;
    if (((out - this.#last) | 0) > 0) {
      this.#last = out;
      this.#lastAt = now;
    }
    return out >>> 0;
  }
}
