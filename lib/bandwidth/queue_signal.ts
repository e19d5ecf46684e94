/**
 * What arrivals tell of the queue on a path: how long it is, whether it grows, and whose it is.
 *
 * Contract: whatever the receiver's times are, numbers stay finite and nothing allocates. Times
 * that packets left at are of our clock, times of arrival of the receiver's, `now` is monotonic ms.
 *
 * @module
 */
import type { AckedRate } from "./acked_rate.ts";
import { ArrivalGroups } from "./arrival_groups.ts";
import { FeedbackClock } from "./feedback_clock.ts";
import { OveruseGrace } from "./overuse_grace.ts";
import { DEFAULT_RTT_MS, type RateControl } from "./rate_control.ts";
import { StandingQueue } from "./standing_queue.ts";
import { QUEUE, type QueueTrend, Trendline } from "./trendline.ts";

/** A fall to less than this share leaves a queue behind, for so long, ms. */
const DEEP_FALL = 0.75;
const DEEP_FALL_MS = 1_000;
/** Loss with which somebody else's queue may still be pushed against. */
const PUSH_LOSS = 0.05;

/** What was not seen to grow is judged by its length, for so long, ms, and if it is longer, ms. */
const UNSEEN_MS = 2_000;
const UNSEEN_QUEUE_MS = 100;
/** What a burst of ours leaves in it is seen for so long after it was told of, ms… */
const BURST_MS = 250;
/** …and is as long as it takes to be sent, and so much, ms, for frames besides. */
const FRAMES_MS = 30;
/**
 * Frames leave faster than the path takes them: with each a queue grows, and is gone before long.
 * So it says nothing if a packet that waited no longer than this, ms…
 */
const EMPTY_MS = 5;
/** …came so lately, ms: a camera of few frames has its largest ones that far apart… */
const EMPTIED_MS = 200;
/** …and it is no longer than this, ms. */
const OF_FRAMES_MS = 40;
/**
 * Clocks drift: all seems to have waited by so much more for each ms since the shortest way that is
 * known was seen…
 */
const DRIFT = 1e-4;
/** …within this, ms; at most so much, ms. */
const SEEN_MS = 1;
const MOST_DRIFT_MS = 20;
/** Below this each packet is a queue, and sound is what waits: it is answered at once. */
const LEAST_BURST_BPS = 250_000;

/** The queue of one path. */
export class QueueSignal {
  readonly #clock = new FeedbackClock();
  readonly #groups = new ArrivalGroups();
  readonly #trendline = new Trendline();
  readonly #grace = new OveruseGrace();
  readonly #standing = new StandingQueue();
  readonly #borneMs: number;
  /** The shortest wait in the message that is read. */
  #leastWaitMs = 0;
  #unseenUntil = -Infinity;
  /** The newest probe, how much of it left, and when its newest packet did. */
  #burst = 0;
  #burstBytes = 0;
  #burstAt = -Infinity;
  /** When packets came, by the receiver's clock, ms: the last, one that had not waited… */
  #arrivedAt = -Infinity;
  #emptyAt = -Infinity;
  /** …and one by the shortest way that is known, and so how long all may seem to wait, ms. */
  #shortestAt = -Infinity;
  #driftMs = 0;
  /** The estimate is too small for a queue of frames, or of a burst, to be borne. */
  #isNarrow = false;

  /** @param borneMs A queue no longer than this says nothing. */
  constructor(borneMs: number) {
    this.#borneMs = borneMs;
  }

  /** How long packets wait on their way, ms. */
  get queueMs(): number {
    return this.#clock.queueMs;
  }

  /** Smoothed round trip by feedback, ms; -1 before there was any. */
  get rttMs(): number {
    return this.#clock.rttMs;
  }

  /** It grows, or is about to. */
  get isWarning(): boolean {
    const { state, isWarning } = this.#trendline;
    return (state === QUEUE.grows || isWarning) && !this.#saysNothing;
  }

  get isGrowing(): boolean {
    return this.#trendline.state === QUEUE.grows && !this.#saysNothing;
  }

  /** It did not give way when we did: somebody else's. */
  get isOthers(): boolean {
    return this.#standing.isOthers;
  }

  /** Of what arrives, may be sent while it is tried whose it is; 0 while nothing is tried. */
  get trialShare(): number {
    return this.#standing.isTrial ? this.#standing.share : 0;
  }

  /** Whether it is longer than what frames of a few tracks make at a rate. */
  isFull(bps: number): boolean {
    return StandingQueue.isFull(this.#clock.queueMs, bps);
  }

  /** Nobody sends less, so a burst alone can tell whose it is. */
  get needsBurst(): boolean {
    return this.#standing.needsBurst;
  }

  /** A burst came at so many bits/s: that may decide that it is {@linkcode isOthers}. */
  burst(bps: number): void {
    this.#standing.burst(bps);
  }

  /** Packets left. */
  sent(bytes: number): void {
    this.#standing.sent(bytes);
  }

  /** A packet of a probe left: for a moment it makes a queue of its own, which says nothing. */
  sentOfProbe(bytes: number, cluster: number, now: number): void {
    // (One follows another so soon only where that was carried: it has left nothing.)
    this.#burstBytes = cluster === this.#burst ? this.#burstBytes + bytes : bytes;
    this.#burst = cluster;
    this.#burstAt = now;
  }

  /** The receiver's time of a message's first delta, ms; see {@linkcode FeedbackClock}. */
  referenceMs(reference: number): number {
    this.#leastWaitMs = Infinity;
    return this.#clock.referenceMs(reference);
  }

  /**
   * A packet arrived.
   *
   * @param isSample Of those around it none are told of: it is no part of a trend.
   */
  arrived(bytes: number, sentAt: number, arrivedAt: number, now: number, isSample: boolean): void {
    this.#standing.arrived(bytes);
    this.#grace.arrived(sentAt, arrivedAt, now);
    const waited = this.#clock.waitedMs(sentAt, arrivedAt);
    this.#leastWaitMs = Math.min(this.#leastWaitMs, waited);
    this.#arrivedAt = arrivedAt;
    if (waited <= SEEN_MS) this.#shortestAt = arrivedAt;
    this.#driftMs = Math.min(MOST_DRIFT_MS, (arrivedAt - this.#shortestAt) * DRIFT);
    if (waited <= EMPTY_MS + this.#driftMs) this.#emptyAt = arrivedAt;
    if (isSample || !this.#groups.add(sentAt, arrivedAt, now)) return;
    const { sendDeltaMs, arrivalDeltaMs } = this.#groups;
    this.#trendline.add(sendDeltaMs, arrivalDeltaMs, arrivedAt, now);
  }

  /** The newest packet of a message. */
  heard(sentAt: number, arrivedAt: number, now: number): void {
    this.#clock.heard(sentAt, arrivedAt, now);
  }

  /** How long all packets of the newest message waited at least, ms. */
  get leastWaitMs(): number {
    return this.#leastWaitMs === Infinity ? 0 : this.#leastWaitMs;
  }

  /**
   * What it does, as far as it is ours.
   *
   * @param bps The estimate.
   * @param rate By delay, and when it fell how far.
   * @param averageLoss 0–1, of what was lost.
   */
  trend(
    bps: number,
    acked: AckedRate,
    rate: RateControl,
    { averageLoss }: { readonly averageLoss: number },
    now: number,
  ): QueueTrend {
    const isDeepFall = now - rate.loweredAt < DEEP_FALL_MS &&
      rate.bps < rate.beforeBps * DEEP_FALL;
    this.#standing.update(this.queueMs, bps, isDeepFall, now);
    this.#isNarrow = bps < LEAST_BURST_BPS;
    if (this.#standing.isOthers) return averageLoss < PUSH_LOSS ? QUEUE.others : QUEUE.drains;
    const isUnseen = now < this.#unseenUntil && this.leastWaitMs > UNSEEN_QUEUE_MS &&
      !acked.isOfSamples;
    const state = isUnseen ? QUEUE.grows : this.#trendline.state;
    if (state === QUEUE.steady && !this.#wasEmpty) return QUEUE.stands;
    if (state !== QUEUE.grows) return state;
    if (this.#isBorne) return QUEUE.drains;
    if (this.#isOfFrames) {
      // If it is none of frames it is long before it is seen to grow once more.
      this.#unseenUntil = now + UNSEEN_MS;
      return QUEUE.drains;
    }
    const isPassing = this.#isOfBurst(bps, now) ||
      this.#grace.isGiven(acked.sentPeakBps, bps, now);
    return isPassing ? QUEUE.drains : state;
  }

  /** All packets are told of again: how the queue grew until now, if it did, was not seen. */
  beginTrend(now: number): void {
    this.#groups.clear();
    this.#trendline.clear();
    this.#unseenUntil = now + UNSEEN_MS;
  }

  /** Nothing was sent for a while: no queue is left. */
  empty(): void {
    this.#clock.queueMs = 0;
    this.#trendline.clear();
    this.#standing.clear();
  }

  clear(): void {
    this.#clock.clear();
    this.#groups.clear();
    this.#trendline.clear();
    this.#unseenUntil = this.#burstAt = -Infinity;
    this.#burst = 0;
    this.#arrivedAt = this.#emptyAt = this.#shortestAt = -Infinity;
    this.#standing.clear();
    this.#grace.clear();
  }

  /** It may be there for a probe alone: it is no longer than what that leaves. */
  #isOfBurst(bps: number, now: number): boolean {
    const rttMs = this.rttMs < 0 ? DEFAULT_RTT_MS : this.rttMs;
    return now - this.#burstAt < rttMs + BURST_MS &&
      !this.#isNarrow && this.queueMs < FRAMES_MS + this.#burstBytes * 8_000 / bps;
  }

  /** It was a moment ago: the path carries more than it is given. */
  get #wasEmpty(): boolean {
    return this.#arrivedAt - this.#emptyAt < EMPTIED_MS;
  }

  /** It is no longer than what frames make before it is empty again. */
  get #isOfFrames(): boolean {
    return this.#wasEmpty && !this.#isNarrow && this.queueMs < OF_FRAMES_MS + this.#driftMs;
  }

  get #saysNothing(): boolean {
    return this.#isBorne || this.#isOfFrames;
  }

  /** It is so short that it says nothing. */
  get #isBorne(): boolean {
    return this.#clock.queueMs < this.#borneMs;
  }
}
