/**
 * Maps a source's RTP timestamps to a subscriber's: an offset, chosen anew at each switch so that
 * time goes on as it really does.
 *
 * At a switch the new source is placed by the sender reports of both (NTP); without them, or if
 * they disagree with the arrival times beyond reason, by the time that passed. A picture that was
 * captured before what was sent last follows it closely, and so do others until they have caught
 * up, so that the offset stays: receivers go by many of our sender reports, and for a minute would
 * show pictures apart from their sound. Timestamps are the wire's 32 bits; comparisons are modulo
 * 2^32.
 *
 * @module
 */
import type { RtcpClock } from "../layer/rtcp_clock.ts";

/** A reference further ahead of the time that passed than this is not believed, ms. */
const MAX_LEAD_MS = 500;
/** …or further behind it: layers of one camera differ by queueing, up to this, ms. */
export const SWITCH_LAG_MS = 2000;
/** After the publisher muted, its clock may have stood still: believe less, ms. */
export const UNMUTE_LAG_MS = 200;
/** Pictures that came too late by more than this are not brought together, ms. */
const MOST_CATCH_UP_MS = 500;
/** They are so much closer together, as a power of two: 33 ms become half a millisecond. */
const CATCH_UP_SHIFT = 6;
/** What is so far behind a switch, in ticks, has caught up, also where it was lost on the way. */
const CAUGHT_UP = 0xff_ffff;

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
  /** Since a switch: pictures may have to catch up, from this one on. */
  #catchesUp = false;
  #switchedAt = 0;
  #least = 0;

  /** @param isVideo Sound cannot be brought together. */
  constructor(readonly isVideo: boolean = true) {}

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
    // What one source itself says is believed: the path of its packets was worse than it is now.
    const [most, least] = from === to && to.known
      ? [SWITCH_LAG_MS, SWITCH_LAG_MS]
      : [MAX_LEAD_MS, maxLagMs];
    if (lead > (most * clockRate) / 1000 || lead < -(least * clockRate) / 1000) out = expected;
    this.#catchesUp = false;
    // After more than half the range (6 h of video) "later" cannot be told from "earlier".
    const late = passed < 0x7fff_ffff ? (this.#last + 1 - out) | 0 : 0;
    if (late > 0) {
      this.#catchesUp = this.isVideo && late < (MOST_CATCH_UP_MS * clockRate) / 1000;
      this.#switchedAt = timestamp | 0;
      this.#least = (this.#last + 1) | 0;
      if (!this.#catchesUp) out = this.#least;
    } else this.#last = (out - 1) | 0;
    this.#offset = (timestamp - out) | 0;
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

  /** Of each packet of a picture the same, whenever it comes. */
  #caughtUp(timestamp: number, out: number): number {
    const since = (timestamp - this.#switchedAt) | 0;
    if (since > CAUGHT_UP) this.#catchesUp = false;
    const least = (this.#least + (since >> CATCH_UP_SHIFT)) | 0;
    return since >= 0 && ((least - out) | 0) > 0 ? least : out;
  }

  #passed(clockRate: number, now: number): number {
    return Math.round(((now - this.#lastAt) * clockRate) / 1000);
  }

  /** The outgoing timestamp of a packet of the current source. */
  forward(timestamp: number, now: number): number {
    let out = (timestamp - this.#offset) | 0;
    if (this.#catchesUp) out = this.#caughtUp(timestamp, out);
    if (((out - this.#last) | 0) > 0) {
      this.#last = out;
      this.#lastAt = now;
    }
    return out >>> 0;
  }
}
