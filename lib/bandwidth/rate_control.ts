/**
 * The rate that the delay allows: up slowly while the queue is steady, down to below what arrives
 * when it grows (draft-ietf-rmcat-gcc-02 §5.5–5.6).
 *
 * Contract: a rate is raised to no more than 1.5 times what was acknowledged. Nothing allocates.
 *
 * @module
 */
import { QUEUE, type QueueTrend } from "./trendline.ts";

/**
 * What is kept of the acknowledged rate when the queue grows: by who sends in whole layers, and by
 * who follows each figure, for whom less is enough.
 */
const BETA = 0.85;
const BETA_FOLLOWED = 0.905;
/** Far from where the queue grew last: so much more each second… */
const GROWTH_PER_S = 1.08;
const MIN_GROWTH_BPS = 1_000;
/** …and near it one packet each response time, or this much a second. */
const MIN_ADDED_BPS = 4_000;
const MAX_ADDED_SHARE = 0.06;
const PACKET_BITS = 9_600;
const FRAMES_PER_S = 30;
const RESPONSE_MS = 50;
/** What was not acknowledged is not believed beyond this. */
const MAX_OF_ACKED = 1.5;
const HEADROOM_BPS = 10_000;
/** …and where a queue stands near where it grew before, the path is full: not beyond this. */
const MAX_OF_FULL = 1.03;
/**
 * Where so many times the rate is acknowledged while no queue grows, the rate is wrong: what nobody
 * can send less of was sent all the same. So much of it the path carries.
 */
const WRONG = 1.25;
const CARRIED = 0.9;
/** Between two steps down: a round trip, within bounds, ms. */
const MIN_GAP_MS = 10;
const MAX_GAP_MS = 400;
/** A round trip that is not known, ms. */
export const DEFAULT_RTT_MS = 200;
/** Weight of the old mean where the queue grew, and how many deviations are near it. */
const SMOOTHING = 0.95;
const DEVIATIONS = 3;
const MIN_DEVIATION = 0.4;
const MAX_DEVIATION = 2.5;

/** Where the queue grew lately: mean and deviation of the acknowledged rate, in kbit/s. */
class GrowthPoint {
  #kbps = -1;
  #deviation = MIN_DEVIATION;

  get isKnown(): boolean {
    return this.#kbps >= 0;
  }

  get bps(): number {
    return this.#kbps * 1000;
  }

  get upperBps(): number {
    return (this.#kbps + this.#reach()) * 1000;
  }

  get lowerBps(): number {
    return Math.max(0, this.#kbps - this.#reach()) * 1000;
  }

  add(bps: number): void {
    const kbps = bps / 1000;
    const old = this.#kbps;
    this.#kbps = old < 0 ? kbps : SMOOTHING * old + (1 - SMOOTHING) * kbps;
    // Relative to the mean, so that one pair of bounds holds for all rates.
    const error = (this.#kbps - kbps) ** 2 / Math.max(this.#kbps, 1);
    const next = SMOOTHING * this.#deviation + (1 - SMOOTHING) * error;
    this.#deviation = Math.max(MIN_DEVIATION, Math.min(MAX_DEVIATION, next));
  }

  clear(): void {
    this.#kbps = -1;
  }

  #reach(): number {
    return DEVIATIONS * Math.sqrt(this.#deviation * this.#kbps);
  }
}

/** Additive increase near the limit, multiplicative increase elsewhere, multiplicative decrease. */
export class RateControl {
  bps: number;
  /** When it was last lowered because the queue grew; `-Infinity` if never. */
  loweredAt = -Infinity;
  /** The rate before that. */
  beforeBps = 0;
  /** Growth ended at what was acknowledged, or as less is sent than could be. */
  isCapped = false;
  readonly #point = new GrowthPoint();
  #changedAt = -1;
  #isHeld = true;
  readonly #minBps: number;
  readonly #maxBps: number;

  constructor(startBps: number, minBps: number, maxBps: number) {
    this.bps = startBps;
    this.#minBps = minBps;
    this.#maxBps = maxBps;
  }

  /**
   * One step.
   *
   * @param ackedBps 0 if it is unknown.
   * @param fullBps What is acknowledged while the path is full, 0 if it is unknown.
   * @param rttMs Negative if it is unknown.
   * @param isLimited Less is sent than the rate allows.
   */
  update(
    queue: QueueTrend,
    ackedBps: number,
    fullBps: number,
    rttMs: number,
    isLimited: boolean,
    now: number,
  ): void {
    if (queue === QUEUE.grows) {
      if (this.#mayLower(fullBps, rttMs, now)) {
        this.#lower(fullBps, isLimited ? BETA : BETA_FOLLOWED, now);
      }
      this.#isHeld = true;
    } else if (queue === QUEUE.drains) this.#isHeld = true;
    else {
      // Where it grew before was somebody else's doing.
      if (queue === QUEUE.others) this.#point.clear();
      if (this.#isHeld) this.#changedAt = now;
      else this.#raise(ackedBps, rttMs, queue === QUEUE.stands, isLimited, now);
      this.#isHeld = false;
    }
  }

  /** Found out by other means: a probe. */
  set(bps: number, now: number): void {
    if (bps > this.#point.upperBps) this.#point.clear();
    this.bps = this.#clamp(bps);
    this.#changedAt = now;
  }

  /** Another path. */
  clear(bps: number): void {
    this.#point.clear();
    this.#changedAt = -1;
    this.#isHeld = true;
    this.bps = this.#clamp(bps);
  }

  #mayLower(ackedBps: number, rttMs: number, now: number): boolean {
    const rtt = rttMs < 0 ? DEFAULT_RTT_MS : rttMs;
    const gap = Math.max(MIN_GAP_MS, Math.min(MAX_GAP_MS, rtt));
    return now - this.loweredAt >= gap || (ackedBps > 0 && ackedBps < this.bps / 2);
  }

  #lower(ackedBps: number, kept: number, now: number): void {
    this.beforeBps = this.bps;
    let next = ackedBps > 0 ? ackedBps * kept : this.bps / 2;
    if (next > this.bps && this.#point.isKnown) next = this.#point.bps * kept;
    if (ackedBps > 0) {
      if (ackedBps < this.#point.lowerBps) this.#point.clear();
      this.#point.add(ackedBps);
    }
    this.bps = this.#clamp(Math.min(this.bps, next));
    this.loweredAt = now;
    this.#changedAt = now;
  }

  #raise(
    ackedBps: number,
    rttMs: number,
    stands: boolean,
    isLimited: boolean,
    now: number,
  ): void {
    const elapsed = Math.max(0, Math.min(1, (now - this.#changedAt) / 1000));
    this.#changedAt = now;
    this.isCapped = isLimited;
    // What is not used is not known to be there: probes find out.
    if (ackedBps <= 0 || isLimited) return;
    if (this.#point.isKnown && ackedBps > this.#point.upperBps) this.#point.clear();
    const isFull = stands && this.#point.isKnown;
    const limit = isFull ? MAX_OF_FULL * ackedBps : MAX_OF_ACKED * ackedBps + HEADROOM_BPS;
    if (this.bps >= limit) {
      this.isCapped = !isFull;
      return;
    }
    const added = this.#point.isKnown
      ? this.#addedPerS(rttMs) * elapsed
      : Math.max(MIN_GROWTH_BPS, this.bps * (GROWTH_PER_S ** elapsed - 1));
    const carriedBps = ackedBps > WRONG * this.bps ? CARRIED * ackedBps : 0;
    this.bps = this.#clamp(Math.max(carriedBps, Math.min(limit, this.bps + added)));
  }

  /** A packet of usual size each response time, bits/s each second. */
  #addedPerS(rttMs: number): number {
    const frameBits = this.bps / FRAMES_PER_S;
    const packetBits = frameBits / Math.ceil(frameBits / PACKET_BITS);
    // Bounded, so that who is far away does not get less of a shared path for it.
    const responseMs = Math.min(rttMs < 0 ? DEFAULT_RTT_MS : rttMs, RESPONSE_MS) + RESPONSE_MS;
    const most = this.bps * MAX_ADDED_SHARE;
    return Math.max(MIN_ADDED_BPS, Math.min(most, packetBits * 1000 / responseMs));
  }

  #clamp(bps: number): number {
    return Math.max(this.#minBps, Math.min(this.#maxBps, bps));
  }
}
