/**
 * Whether the queue in front of the receiver grows: the slope of a line through the newest delays,
 * against a threshold that follows how much delays shake (draft-ietf-rmcat-gcc-02 §5.3–5.5, with
 * the least-squares line that replaced its Kalman filter).
 *
 * Contract: numbers stay finite whatever goes in, memory is fixed, and nothing allocates.
 *
 * @module
 */

/**
 * What the queue does. A line alone does not tell what else may be known of one that is steady:
 * that it is not seen to be empty any more (`stands`), or that it is somebody else's (`others`).
 */
export const QUEUE = { steady: 0, grows: 1, drains: 2, stands: 3, others: 4 } as const;
export type QueueTrend = (typeof QUEUE)[keyof typeof QUEUE];

/** Groups that a line is drawn through: 0.1–0.7 s of video. */
const WINDOW = 20;
/** Weight of what was, when a new delay comes. */
const SMOOTHING = 0.9;
/** Slopes are small; by this factor, and by the number of groups, they are compared with ms. */
const GAIN = 4;
const MAX_GROUPS = 60;
/** The threshold at first, and its bounds, ms. */
const FIRST_THRESHOLD = 12.5;
const MIN_THRESHOLD = 6;
const MAX_THRESHOLD = 600;
/** How fast it follows upwards and downwards, for each ms: slowly up, so as not to be numbed. */
const UP_PER_MS = 0.0087;
const DOWN_PER_MS = 0.039;
/** What lies so far above it is an event, and no shaking to get used to, ms. */
const MAX_ADAPT_MS = 15;
const MAX_STEP_MS = 100;
/** A queue that has grown for so long, ms, and for two groups, is taken for one that grows. */
const OVERUSE_MS = 10;
/** Delays beyond this say no more than this, ms. */
const MAX_DELTA_MS = 10_000;

/** The detector of one path. */
export class Trendline {
  /** What the queue does; holds until the next group. */
  state: QueueTrend = QUEUE.steady;
  readonly #times = new Float64Array(WINDOW);
  readonly #delays = new Float64Array(WINDOW);
  #count = 0;
  #groups = 0;
  #firstArrivalAt = 0;
  #sumMs = 0;
  #smoothedMs = 0;
  #trend = 0;
  #threshold = FIRST_THRESHOLD;
  #adaptedAt = -1;
  #overMs = -1;
  #overCount = 0;
  #isWarning = false;

  /** The slope is above the threshold, though not yet for long. */
  get isWarning(): boolean {
    return this.#isWarning;
  }

  /**
   * Takes the difference between two groups, ms.
   *
   * @param arrivedAt Of the newer group, by the receiver's clock.
   * @param now By ours.
   */
  add(sendDeltaMs: number, arrivalDeltaMs: number, arrivedAt: number, now: number): void {
    const delta = Math.max(-MAX_DELTA_MS, Math.min(MAX_DELTA_MS, arrivalDeltaMs - sendDeltaMs));
    if (this.#groups === 0) this.#firstArrivalAt = arrivedAt;
    this.#groups = Math.min(this.#groups + 1, 1_000);
    this.#sumMs += delta;
    this.#smoothedMs = SMOOTHING * this.#smoothedMs + (1 - SMOOTHING) * this.#sumMs;
    const slot = this.#count++ % WINDOW;
    this.#times[slot] = arrivedAt - this.#firstArrivalAt;
    this.#delays[slot] = this.#smoothedMs;
    const trend = this.#count >= WINDOW ? this.#slope() : this.#trend;
    this.#judge(trend, sendDeltaMs, now);
  }

  clear(): void {
    this.state = QUEUE.steady;
    this.#count = 0;
    this.#groups = 0;
    this.#sumMs = 0;
    this.#smoothedMs = 0;
    this.#trend = 0;
    this.#overMs = -1;
    this.#overCount = 0;
    this.#isWarning = false;
  }

  /** Least squares; the slope before if all came at one time. */
  #slope(): number {
    let time = 0;
    let delay = 0;
    for (let i = 0; i < WINDOW; i++) {
      time += this.#times[i]!;
      delay += this.#delays[i]!;
    }
    time /= WINDOW;
    delay /= WINDOW;
    let above = 0;
    let below = 0;
    for (let i = 0; i < WINDOW; i++) {
      const from = this.#times[i]! - time;
      above += from * (this.#delays[i]! - delay);
      below += from * from;
    }
    return below === 0 ? this.#trend : above / below;
  }

  #judge(trend: number, sendDeltaMs: number, now: number): void {
    if (this.#groups < 2) return;
    const scaled = Math.min(this.#groups, MAX_GROUPS) * trend * GAIN;
    this.#isWarning = scaled > this.#threshold;
    if (scaled > this.#threshold) {
      this.#overMs = this.#overMs < 0 ? sendDeltaMs / 2 : this.#overMs + sendDeltaMs;
      this.#overCount++;
      if (this.#overMs > OVERUSE_MS && this.#overCount > 1 && trend >= this.#trend) {
        this.#overMs = 0;
        this.#overCount = 0;
        this.state = QUEUE.grows;
      }
    } else {
      this.#overMs = -1;
      this.#overCount = 0;
      this.state = scaled < -this.#threshold ? QUEUE.drains : QUEUE.steady;
    }
    this.#trend = trend;
    this.#adapt(Math.abs(scaled), now);
  }

  #adapt(scaled: number, now: number): void {
    const elapsed = this.#adaptedAt < 0 ? 0 : Math.min(now - this.#adaptedAt, MAX_STEP_MS);
    this.#adaptedAt = now;
    if (scaled > this.#threshold + MAX_ADAPT_MS) return;
    const weight = scaled < this.#threshold ? DOWN_PER_MS : UP_PER_MS;
    const next = this.#threshold + weight * (scaled - this.#threshold) * Math.max(0, elapsed);
    this.#threshold = Math.max(MIN_THRESHOLD, Math.min(MAX_THRESHOLD, next));
  }
}
