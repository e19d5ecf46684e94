/**
 * When each frame of a track is, on the clock of the recording: by its timestamp, and by what its
 * publisher's sender reports say of it, which is the same clock for all of the publisher's tracks.
 *
 * Contract: times of one track never go back, and are never far from when its packets came. A clock
 * that runs otherwise than told is followed slowly, so that sound is not torn; only a large
 * difference is made up at once.
 *
 * Pure; times are ms of the recorder's monotonic clock.
 *
 * @module
 */

/** Differences up to this are made up slowly, ms. */
const SMALL_MS = 250;
/** By so much of the time that passes: far more than clocks drift, and not to be heard. */
const SLEW = 0.01;
/** What says that it is further from when it came than this is not believed, ms. */
const MOST_APART_MS = 10_000;
/** Differences below this are none. */
const EXACT_MS = 1;

/** One publisher's wall clock against ours, as first seen: the same for all of its tracks. */
export class PublisherClock {
  #offsetMs: number | undefined;

  /** Our time of an instant of the publisher's, which was said to be `now` when first asked. */
  toOwn(ntpMs: number, now: number): number {
    this.#offsetMs ??= now - ntpMs;
    return ntpMs + this.#offsetMs;
  }

  /** Its next word is of another clock: it comes back, perhaps on another machine. */
  forget(): void {
    this.#offsetMs = undefined;
  }
}

/** One track's times. */
export class MediaTimeline {
  readonly #clockRate: number;
  readonly #clock: PublisherClock;
  /** Extended timestamp of the last frame, ticks. */
  #last: number | undefined;
  /** `timeOf(x) = x / rate + shift`. */
  #shiftMs = 0;
  /** By how much the shift is wrong, as far as known. */
  #errorMs = 0;
  #lastMs = -Infinity;
  /** Sender reports have been heard. */
  isSynchronised = false;

  constructor(clockRate: number, clock: PublisherClock) {
    this.#clockRate = clockRate;
    this.#clock = clock;
  }

  /**
   * The publisher's wall clock at one of the track's timestamps.
   *
   * @param isWritten Frames of the track have been written: their times must not change any more.
   */
  synchronise(ntpMs: number, timestamp: number, isWritten: boolean, now: number): void {
    if (this.#last === undefined) return;
    const is = this.#msOf(this.#extend(timestamp));
    const said = this.#clock.toOwn(ntpMs, now);
    // It is of about now, by both of its clocks, or it is wrong.
    if (Math.abs(said - now) > MOST_APART_MS || Math.abs(is - now) > MOST_APART_MS) return;
    this.#errorMs = said - is;
    this.isSynchronised = true;
    if (isWritten && Math.abs(this.#errorMs) <= SMALL_MS) return;
    this.#shiftMs += this.#errorMs;
    this.#errorMs = 0;
    if (!isWritten) this.#lastMs = -Infinity;
  }

  /**
   * When a frame is.
   *
   * @param timestamp 32 bits.
   * @param arrivedAt When it came, which is when the first one is taken to be.
   */
  place(timestamp: number, arrivedAt: number): number {
    if (this.#last === undefined) {
      this.#last = timestamp;
      this.#shiftMs = arrivedAt - (timestamp * 1_000) / this.#clockRate;
    }
    const extended = this.#extend(timestamp);
    const passedMs = Math.max(0, ((extended - this.#last) * 1_000) / this.#clockRate);
    this.#last = extended;
    this.#slew(passedMs);
    const apartMs = arrivedAt - this.#msOf(extended);
    if (Math.abs(apartMs) > MOST_APART_MS) this.#shiftMs += apartMs;
    // A jump back ends where time had come to.
    this.#lastMs = Math.max(this.#lastMs, this.#msOf(extended));
    return this.#lastMs;
  }

  /** When a frame that has been placed before is by what is known now. */
  again(timestamp: number): number {
    return this.#msOf(this.#extend(timestamp));
  }

  #slew(passedMs: number): void {
    if (Math.abs(this.#errorMs) < EXACT_MS) return;
    const step = Math.min(Math.abs(this.#errorMs), passedMs * SLEW) * Math.sign(this.#errorMs);
    this.#shiftMs += step;
    this.#errorMs -= step;
  }

  #msOf(extended: number): number {
    return (extended * 1_000) / this.#clockRate + this.#shiftMs;
  }

  #extend(timestamp: number): number {
    return this.#last! + ((timestamp - this.#last!) | 0);
  }
}
