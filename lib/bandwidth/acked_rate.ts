/**
 * The rate at which packets arrive, by the receiver's clock: half a second to begin with, then
 * 150 ms at a time, weighed by how surprising a figure is.
 *
 * Contract: never above what really left by our own clock. A receiver that says everything came at
 * once says nothing. Memory is fixed, and nothing allocates.
 *
 * @module
 */

const FIRST_WINDOW_MS = 500;
const WINDOW_MS = 150;
/** Where packets are lost in between a window is as long as that takes, but no longer than this. */
const LONGEST_MS = 2_000;
/** How far a figure is trusted: the more it differs, the less… */
const UNCERTAINTY = 10;
/** …and less still if it is lower only because less was sent. */
const UNCERTAINTY_LIMITED = 20;
/** Doubt that comes with each window. */
const DRIFT = 5;
/** A window with less than this says that little was sent, bytes. */
const SMALL_BYTES = 2_000;
const FIRST_DOUBT = 50;
/** What left is counted in buckets of so long, ms; a second of them. */
const BUCKET_MS = 50;
const BUCKETS = 20;
/** A busy stretch of this many buckets is what may be acknowledged. */
const STRETCH = 4;

/** One path's acknowledged rate. */
export class AckedRate {
  readonly #left = new Float64Array(BUCKETS);
  #bucket = -1;
  /** Worked out once for what left; -1 when more has left since. */
  #peakBps = -1;
  #kbps = -1;
  #doubt = FIRST_DOUBT;
  #windowMs = 0;
  #windowBytes = 0;
  #lastAt = -1;
  /** Since then something did not arrive. */
  #hasLost = false;
  /** The newest window, and the mean of the newest ones: what a full path carries now. */
  #newestKbps = -1;
  #recentKbps = -1;
  /** They are of the time between samples. */
  #isSampled = false;

  /** Bits/s; 0 before there is a figure. */
  get bps(): number {
    return this.#kbps < 0 ? 0 : Math.min(this.#kbps * 1000, this.sentPeakBps);
  }

  /** The same of the newest windows alone: noisier, and true at once if the path is full. */
  get recentBps(): number {
    if (this.#recentKbps < 0) return 0;
    return Math.min(Math.max(this.#recentKbps, this.#newestKbps) * 1000, this.sentPeakBps);
  }

  /** Whether that is a mean of the time between samples: no figure of a path that is full. */
  get isOfSamples(): boolean {
    return this.#isSampled;
  }

  /** The busiest 200 ms of the last second, by our clock, bits/s. */
  get sentPeakBps(): number {
    if (this.#peakBps >= 0) return this.#peakBps;
    let peak = 0;
    let sum = 0;
    for (let i = 1; i <= BUCKETS; i++) {
      sum += this.#left[(this.#bucket + i) % BUCKETS]!;
      if (i > STRETCH) sum -= this.#left[(this.#bucket + i - STRETCH) % BUCKETS]!;
      peak = Math.max(peak, sum);
    }
    return this.#peakBps = peak * 8_000 / (STRETCH * BUCKET_MS);
  }

  /** A packet left. */
  sent(bytes: number, now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    this.#peakBps = -1;
    const first = Math.max(this.#bucket + 1, bucket - BUCKETS + 1);
    for (let b = first; b <= bucket; b++) this.#left[b % BUCKETS] = 0;
    this.#bucket = Math.max(this.#bucket, bucket);
    this.#left[this.#bucket % BUCKETS]! += bytes;
  }

  /**
   * A packet arrived.
   *
   * @param at By the receiver's clock, ms.
   * @param isLimited Less is sent than the path is believed to carry.
   */
  arrived(bytes: number, at: number, isLimited: boolean): void {
    const window = this.#kbps < 0 ? FIRST_WINDOW_MS : WINDOW_MS;
    if (this.#lastAt >= 0) {
      // What comes out of order came with the one before it.
      const passed = Math.max(0, at - this.#lastAt);
      // What was lost says that something was sent meanwhile, and how little of it came.
      if (passed > window && !(this.#hasLost && passed <= LONGEST_MS)) {
        this.#windowMs = 0;
        this.#windowBytes = 0;
      } else this.#windowMs += passed;
    }
    this.#hasLost = false;
    if (at >= this.#lastAt || this.#lastAt - at > 1_000) this.#lastAt = at;
    if (this.#windowMs >= window) {
      this.#weigh(8 * this.#windowBytes / this.#windowMs, isLimited);
      this.#windowMs = 0;
      this.#windowBytes = 0;
    }
    this.#windowBytes += bytes;
  }

  /** Only some of what left is told of: in `ms` of the receiver's time (0: unknown) it came. */
  sampled(bytes: number, ms: number, isLimited: boolean): void {
    if (ms <= 0) return;
    this.skip();
    this.#windowBytes = bytes;
    this.#weigh(8 * bytes / ms, isLimited);
    this.#windowBytes = 0;
    this.#isSampled = true;
  }

  /** A packet that left after the last one that arrived did not. */
  lost(): void {
    this.#hasLost = true;
  }

  /** Something was not told of: the time until now says nothing. */
  skip(): void {
    this.#hasLost = false;
    this.#windowMs = 0;
    this.#windowBytes = 0;
    this.#lastAt = -1;
  }

  clear(): void {
    this.#kbps = this.#recentKbps = -1;
    this.#doubt = FIRST_DOUBT;
    this.skip();
  }

  #weigh(kbps: number, isLimited: boolean): void {
    this.#newestKbps = kbps;
    const isFirst = this.#recentKbps < 0 || this.#isSampled;
    this.#recentKbps = isFirst ? kbps : (this.#recentKbps + kbps) / 2;
    this.#isSampled = false;
    if (this.#kbps < 0) {
      this.#kbps = kbps;
      return;
    }
    const isSmall = this.#windowBytes < SMALL_BYTES;
    const scale = kbps < this.#kbps && (isSmall || isLimited) ? UNCERTAINTY_LIMITED : UNCERTAINTY;
    const surprise = (scale * Math.abs(this.#kbps - kbps) / Math.max(this.#kbps, 1)) ** 2;
    const doubt = this.#doubt + DRIFT;
    this.#kbps = (surprise * this.#kbps + doubt * kbps) / (surprise + doubt);
    this.#doubt = surprise * doubt / (surprise + doubt);
  }
}
