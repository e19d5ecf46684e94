/**
 * Maps a source's RTP timestamps to a subscriber's: an offset, chosen anew at each switch so that
 * time goes on as it really does.
 *
 * At a switch the new source is placed by the sender reports of both (NTP), or by what ours have
 * said; without them, or if they disagree with the arrival times beyond reason, by the time that
 * passed. Encoders take more or less time, so where the first report of a video puts it elsewhere,
 * it goes there: nothing was said of it before, and what was said stays true. A picture that was
 * captured before what was sent last follows it closely, and so do others until they have caught
 * up, so that the offset stays: receivers go by many of our sender reports, and for a minute would
 * show pictures apart from their sound. Timestamps are the wire's 32 bits; comparisons are modulo
 * 2^32.
 *
 * @module
 */
import { ntpToMs, type RtcpClock } from "../layer/rtcp_clock.ts";
import type { SenderReportFigures } from "./down_track_options.ts";

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
  /** Since a switch, or since it was placed: pictures may have to catch up, from this one on. */
  #bends = false;
  #switchedAt = 0;
  #least = 0;
  /** How much earlier those before it are than by the offset. */
  #shift = 0;
  /** By arrivals alone, until this one knows. */
  #guessed: RtcpClock | undefined;
  #clockRate = 0;
  /** What our last sender report said of which instant. */
  #hasTold = false;
  #toldNtpMs = 0;
  #toldTimestamp = 0;

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
    if (clockRate !== this.#clockRate) this.#hasTold = false;
    this.#clockRate = clockRate;
    const passed = this.#passed(clockRate, now);
    const expected = (this.#last + passed) >>> 0;
    let out = expected;
    const isPlaced = this.#guessed === undefined;
    if (from === to && (isPlaced || !to.known)) out = (timestamp - this.#offset) >>> 0;
    else if (to.known) {
      const ntpMs = to.ntpMsOf(timestamp, clockRate);
      if (isPlaced && from !== undefined && from.known) {
        out = (from.timestampAt(ntpMs, clockRate) - this.#offset) >>> 0;
      } else if (this.#hasTold) out = this.#toldAt(ntpMs) >>> 0;
    }
    const lead = (out - expected) | 0;
    // What one source itself says is believed: the path of its packets was worse than it is now.
    const [most, least] = from === to && to.known
      ? [SWITCH_LAG_MS, SWITCH_LAG_MS]
      : [MAX_LEAD_MS, maxLagMs];
    if (lead > (most * clockRate) / 1000 || lead < -(least * clockRate) / 1000) out = expected;
    this.#guessed = this.isVideo && this.#hasTold && !to.known ? to : undefined;
    this.#bends = false;
    // After more than half the range (6 h of video) "later" cannot be told from "earlier".
    const late = passed < 0x7fff_ffff ? (this.#last + 1 - out) | 0 : 0;
    if (late > 0) {
      this.#bends = this.isVideo && late < (MOST_CATCH_UP_MS * clockRate) / 1000;
      this.#switchedAt = timestamp | 0;
      this.#shift = 0;
      this.#least = (this.#last + 1) | 0;
      if (!this.#bends) out = this.#least;
    } else this.#last = (out - 1) | 0;
    this.#offset = (timestamp - out) | 0;
  }

  /**
   * Fills the time of a sender report: the publisher's wall clock, carried on to `now`.
   *
   * @param clock Of the source.
   * @returns `false` while it is not known what time it is.
   */
  report(clock: RtcpClock, clockRate: number, now: number, out: SenderReportFigures): boolean {
    if (!clock.known || this.#guessed !== undefined) return false;
    out.setTime(clock, clockRate, this.offset, now);
    this.#hasTold = true;
    this.#clockRate = clockRate;
    this.#toldNtpMs = ntpToMs(out.ntpSeconds, out.ntpFraction);
    this.#toldTimestamp = out.rtpTimestamp | 0;
    return true;
  }

  /** The outgoing timestamp of an instant by our last report. */
  #toldAt(ntpMs: number): number {
    const ticks = Math.round(((ntpMs - this.#toldNtpMs) * this.#clockRate) / 1000);
    return (this.#toldTimestamp + ticks) | 0;
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

  /** A source that was guessed has reported: the next picture, and all after it, are moved. */
  #place(clock: RtcpClock, timestamp: number, guess: number): number {
    this.#guessed = undefined;
    const out = this.#toldAt(clock.ntpMsOf(timestamp, this.#clockRate));
    const shift = (out - guess) | 0;
    if (Math.abs(shift) > (MAX_LEAD_MS * this.#clockRate) / 1000) return guess;
    this.#offset = (this.#offset - shift) | 0;
    this.#bends = true;
    this.#switchedAt = timestamp | 0;
    this.#shift = shift;
    this.#least = ((this.#last + 1 - out) | 0) > 0 ? (this.#last + 1) | 0 : out;
    return out;
  }

  /** Of each packet of a picture the same, whenever it comes. */
  #bent(timestamp: number, out: number): number {
    const since = (timestamp - this.#switchedAt) | 0;
    if (since > CAUGHT_UP) this.#bends = false;
    if (since < 0) return (out - this.#shift) | 0;
    const least = (this.#least + (since >> CATCH_UP_SHIFT)) | 0;
    return ((least - out) | 0) > 0 ? least : out;
  }

  #passed(clockRate: number, now: number): number {
    return Math.round(((now - this.#lastAt) * clockRate) / 1000);
  }

  /** The outgoing timestamp of a packet of the current source. */
  forward(timestamp: number, now: number): number {
    let out = (timestamp - this.#offset) | 0;
    const guessed = this.#guessed;
    if (guessed !== undefined && guessed.known && ((out - this.#last) | 0) > 0) {
      out = this.#place(guessed, timestamp, out);
    }
    if (this.#bends) out = this.#bent(timestamp, out);
    if (((out - this.#last) | 0) > 0) {
      this.#last = out;
      this.#lastAt = now;
    }
    return out >>> 0;
  }
}
