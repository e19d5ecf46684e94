/**
 * When to probe, and how high. What an SFU sends is nearly always limited by what there is to send,
 * in steps of whole layers, so probes are the only honest way up.
 *
 * Contract: at most one probe at a time, none above twice the estimate but the first ones, none
 * without somebody who wants more, and the longer in vain the rarer. Allocates a value a probe.
 *
 * @module
 */

/** A burst of packets, sent at a rate, that shows whether the path carries that much. */
export interface ProbeCluster {
  /** 1–255: goes with every packet that leaves meanwhile, media included. */
  readonly cluster: number;
  /** Rate to send at, media that leaves meanwhile included. */
  readonly bps: number;
  /** It is complete when so many packets and so many bytes of it have left. */
  readonly packets: number;
  readonly bytes: number;
}

/** Longer than the 15 ms that are usual: clocks of whole milliseconds, wheels of five. */
const CLUSTER_MS = 20;
const CLUSTER_PACKETS = 5;
/** The first one aims at so much more than the start; one that was carried, at twice as much. */
const FIRST_FACTOR = 2;
const NEXT_FACTOR = 2;
/** Of what was aimed at; less is a failure. */
const CARRIED = 0.7;
/** Demand is told coarsely: what is proven by so much more is proven. */
const NEARLY = 1.1;
/** Room above the next layer, and at least so much. */
const LAYER_FACTOR = 1.2;
const MIN_STEP_BPS = 200_000;
/** In front of somebody who gets less than asked for, first and at most, ms. */
const FIRST_WAIT_MS = 2_000;
const WAIT_FACTOR = 1.5;
const MAX_WAIT_MS = 20_000;
/** Where a picture is missing altogether, at most, ms. */
const MAX_STARVED_WAIT_MS = 1_500;
/** Between a probe and the next after a good result: what it told has to settle, ms. */
const SETTLE_MS = 150;
/** A fall below this share is worth looking whether it was a moment's. */
const FALL = 0.66;
const AFTER_FALL = 0.85;
const AFTER_FALL_FROM_MS = 1_000;
const AFTER_FALL_MS = 5_000;
/** The estimate has not moved by more than this for so long, ms. */
const STAGNANT = 0.05;
const STAGNANT_MS = 15_000;
/** An estimate that grew by so much since a probe was in vain is news: the path is another one. */
const NEWS = 1.2;
/** A probe nobody sends, or nobody answers, is given up, ms. */
const UNSENT_MS = 1_000;

/** The plan of one connection. */
export class ProbePlan {
  /** To be sent, or being sent. */
  probe: ProbeCluster | undefined;
  #cluster = 0;
  #isStarting = true;
  #plannedAt = -Infinity;
  #nextAt = -Infinity;
  #waitMs = FIRST_WAIT_MS;
  #targetBps = 0;
  #goalBps = Infinity;
  /** The estimate when a probe was in vain the last time. */
  #vainBps = Infinity;
  #estimateBps = 0;
  /** What the last fall was from, and when. */
  #fellFromBps = 0;
  #fellAt = -Infinity;
  #steadyBps = 0;
  #steadySince = -1;

  /**
   * Makes a probe if it is time.
   *
   * @param provenBps What was seen to be carried lately, at most the estimate.
   * @param starvedBps Wanted by those that get nothing yet.
   * @param nextBps The next step up, 0 for none.
   * @param idealBps Everything that is wanted.
   * @param mostBps No probe above this.
   */
  plan(
    estimateBps: number,
    provenBps: number,
    starvedBps: number,
    nextBps: number,
    idealBps: number,
    mostBps: number,
    now: number,
  ): void {
    this.#watch(estimateBps, now);
    if (estimateBps > this.#vainBps * NEWS) {
      this.#waitMs = FIRST_WAIT_MS;
      this.#vainBps = Infinity;
    }
    this.#estimateBps = estimateBps;
    if (this.probe !== undefined || now < this.#nextAt) return;
    const wanted = Math.max(nextBps, starvedBps);
    const ceiling = Math.min(mostBps, Math.max(idealBps, wanted) * LAYER_FACTOR);
    if (this.#isStarting) {
      if (ceiling > 0) this.#make(Math.min(estimateBps * FIRST_FACTOR, ceiling), now);
      return;
    }
    if (ceiling <= provenBps) return;
    const isStarved = starvedBps > provenBps;
    const isAfterFall = this.#fellFromBps > 0 && now - this.#fellAt >= AFTER_FALL_FROM_MS;
    const isStagnant = now - this.#steadySince >= STAGNANT_MS && this.#steadySince >= 0;
    const goal = Math.max(wanted * LAYER_FACTOR, provenBps + MIN_STEP_BPS);
    this.#goalBps = goal;
    let target = Math.min(goal, ceiling);
    if (isAfterFall) target = Math.max(target, this.#fellFromBps * AFTER_FALL);
    else if (isStagnant) target = Math.max(target, estimateBps * NEXT_FACTOR);
    else if (wanted * NEARLY <= provenBps) return;
    const wait = isStarved ? Math.min(this.#waitMs, MAX_STARVED_WAIT_MS) : this.#waitMs;
    if (now - this.#plannedAt < wait && !isAfterFall) return;
    if (isAfterFall) this.#fellFromBps = 0;
    this.#steadySince = now;
    this.#make(Math.min(target, ceiling, estimateBps * NEXT_FACTOR), now);
  }

  /** What the newest probe aimed at. */
  get targetBps(): number {
    return this.#targetBps;
  }

  /** When {@linkcode plan} may have something to do at the earliest, if more is wanted. */
  nextAt(): number {
    if (this.probe !== undefined) return this.#plannedAt + UNSENT_MS;
    if (this.#isStarting) return this.#nextAt;
    return Math.max(this.#nextAt, this.#plannedAt + Math.min(this.#waitMs, MAX_STARVED_WAIT_MS));
  }

  /** The last packet of the probe left. */
  left(): void {
    this.probe = undefined;
  }

  /**
   * The probe's result.
   *
   * @param bps What was carried, 0 for unknown.
   */
  ended(bps: number, rttMs: number, now: number): void {
    this.probe = undefined;
    const isCarried = bps >= this.#targetBps * CARRIED;
    this.#nextAt = now + SETTLE_MS + Math.max(0, Math.min(rttMs, 1_000));
    if (isCarried) {
      this.#waitMs = FIRST_WAIT_MS;
      // What was carried is taken further at once if it is not enough yet.
      if (this.#targetBps < this.#goalBps) this.#plannedAt = -Infinity;
    } else if (bps > 0) {
      // (What nobody told the result of is not in vain: it is tried again as soon as before.)
      this.#waitMs = Math.min(MAX_WAIT_MS, this.#waitMs * WAIT_FACTOR);
      this.#vainBps = this.#estimateBps;
    }
    this.#isStarting = false;
  }

  /** The queue grew, or loss did: what is being sent ends at once. */
  stop(now: number): void {
    if (this.probe === undefined) return;
    this.probe = undefined;
    this.#isStarting = false;
    this.#nextAt = now + SETTLE_MS;
  }

  /** The estimate fell from `beforeBps`. */
  fell(beforeBps: number, afterBps: number, now: number): void {
    this.#isStarting = false;
    const isNew = now - this.#fellAt > AFTER_FALL_MS;
    if (isNew) this.#fellFromBps = 0;
    const from = Math.max(beforeBps, this.#fellFromBps);
    if (afterBps < from * FALL) {
      this.#fellFromBps = from;
      this.#fellAt = now;
    }
  }

  /** A probe that nobody sent, or answered, is given up. */
  expire(now: number): boolean {
    if (this.probe === undefined || now - this.#plannedAt < UNSENT_MS) return false;
    this.probe = undefined;
    this.#isStarting = false;
    this.#waitMs = Math.min(MAX_WAIT_MS, this.#waitMs * WAIT_FACTOR);
    return true;
  }

  /** Another path: all over again. */
  clear(): void {
    this.probe = undefined;
    this.#isStarting = true;
    this.#plannedAt = this.#nextAt = -Infinity;
    this.#waitMs = FIRST_WAIT_MS;
    this.#fellFromBps = 0;
    this.#steadySince = -1;
  }

  #watch(estimateBps: number, now: number): void {
    const moved = Math.abs(estimateBps - this.#steadyBps) > STAGNANT * this.#steadyBps;
    if (!moved && this.#steadySince >= 0) return;
    this.#steadyBps = estimateBps;
    this.#steadySince = now;
  }

  #make(bps: number, now: number): void {
    this.#cluster = this.#cluster % 255 + 1;
    this.#targetBps = bps;
    this.#plannedAt = now;
    this.probe = {
      cluster: this.#cluster,
      bps: Math.round(bps),
      packets: CLUSTER_PACKETS,
      bytes: Math.ceil(bps * CLUSTER_MS / 8_000),
    };
  }
}
