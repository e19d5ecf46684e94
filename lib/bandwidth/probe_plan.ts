/**
 * When to probe, and how high. What an SFU sends is nearly always limited by what there is to send,
 * in steps of whole layers, so probes are the only honest way up.
 *
 * Contract: at most one probe at a time, none above twice the estimate but the first ones and those
 * where nothing is lost, none without somebody who wants more, and the longer in vain
 * the rarer. Allocates a value a probe.
 *
 * @module
 */
import { DEFAULT_PROBES, type ProbeGoals } from "./estimate_options.ts";
import { CLUSTER_MS, newCluster, type ProbeCluster } from "./probe_cluster.ts";

/** The first one aims at so much more than the start; one that was carried, at twice as much. */
const FIRST_FACTOR = 2;
const NEXT_FACTOR = 2;
/** …or at three times as much where nothing is lost: there is a new path, and somebody waits. */
const CLEAN_FACTOR = 3;
/** …and so much where what is sent is far less, and somebody waits for a next layer. */
const FREE_FACTOR = 3;
/** Of what was aimed at; less is a failure. */
const CARRIED = 0.7;
/** Demand is told coarsely: what is proven by so much more is proven. */
const NEARLY = 1.1;
/**
 * In front of somebody who gets less than asked for: first, because a burst on a busy machine is
 * measured coarsely and may show less than there is, and after a few of them, ms.
 */
const FIRST_WAIT_MS = 450;
const WAIT_FACTOR = 1.5;
const MAX_WAIT_MS = 1_500;
/** …where traffic itself can find more, ms… */
const MAX_UNLIMITED_WAIT_MS = 4_000;
/** …or until so many bits, about what one takes, are this part of the estimate; at most so, ms. */
const PROBE_BITS = 25_000;
const COST = 0.08;
const LONGEST_WAIT_MS = 20_000;
/** What of a target was carried leads straight on to the next one. */
const CLIMBS = 0.9;
/** …where nothing is lost this, or so many times the estimate: bursts are measured coarsely. */
const CLIMBS_CLEAN = 0.8;
const CLEARLY_MORE = 1.3;
/** From what was carried until what follows it has to be known, ms. */
const CLIMB_MS = 300;
/** Where a picture is missing altogether, at most, ms. */
const MAX_STARVED_WAIT_MS = 1_500;
/** Between a probe and the next: what it told has to settle, and what it left in a queue, ms… */
const SETTLE_MS = 150;
/** …which is nothing where it was carried. */
const CARRIED_SETTLE_MS = 20;
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
/** A probe that nobody sends is given up, ms. */
const UNSENT_MS = 500;

/**
 * A burst that shows less than this part of the estimate was measured too low, as where threads
 * wait for cores: the next one is twice as long, which is measured better…
 */
const DOUBTFUL = 0.9;
/** …at most so, ms, and with no more in it than waits so long, ms, where the estimate is right… */
const LONGEST_MS = 80;
const MOST_QUEUE_MS = 40;
/** …which below this is more than a few packets. */
const LONG_FROM_BPS = 600_000;

/** The plan of one connection. */
export class ProbePlan {
  /** To be sent, or being sent. */
  probe: ProbeCluster | undefined;
  /** Room above the next layer, and at least so much. */
  readonly #goals: ProbeGoals;
  #cluster = 0;
  #isStarting = true;
  #plannedAt = -Infinity;
  #nextAt = -Infinity;
  #waitMs = FIRST_WAIT_MS;
  #targetBps = 0;
  #goalBps = Infinity;
  /** The last one was carried whole: the next one follows, up to all that is wanted. */
  #isClimbing = false;
  #climbedAt = -Infinity;
  /** How far it goes. */
  #factor = NEXT_FACTOR;
  /** The newest one showed nothing. */
  #wasUnknown = false;
  /** Nothing was lost lately, and less is sent than could be: what is too much harms little. */
  #isFree = false;
  /** Less was sent than could be; else traffic itself finds more. */
  #isLimited = false;
  /** The estimate when a probe was in vain the last time. */
  #vainBps = Infinity;
  /** How long the next one is, ms. */
  #lengthMs = CLUSTER_MS;
  #estimateBps = 0;
  /** What the last fall was from, and when. */
  #fellFromBps = 0;
  #fellAt = -Infinity;
  #steadyBps = 0;
  #steadySince = -1;

  constructor(goals: ProbeGoals = DEFAULT_PROBES) {
    this.#goals = goals;
  }

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
    const { overage, minStepBps } = this.#goals;
    const ceiling = Math.min(mostBps, Math.max(idealBps, wanted) * overage);
    if (this.#isStarting) {
      if (ceiling > 0) this.#make(Math.min(estimateBps * FIRST_FACTOR, ceiling), now);
      return;
    }
    if (ceiling <= provenBps) {
      this.#isClimbing = false;
      return;
    }
    const isStarved = starvedBps > provenBps;
    const isAfterFall = this.#fellFromBps > 0 && now - this.#fellAt >= AFTER_FALL_FROM_MS;
    // (Who has all that is wanted looks for nothing.)
    const isEnough = wanted <= 0 && estimateBps >= idealBps;
    const isStagnant = now - this.#steadySince >= STAGNANT_MS && this.#steadySince >= 0 &&
      !isEnough;
    const goal = Math.max(wanted * overage, provenBps + minStepBps);
    this.#goalBps = goal;
    let target = Math.min(goal, ceiling);
    if (isAfterFall) target = Math.max(target, this.#fellFromBps * AFTER_FALL);
    else if (isStagnant || this.#isClimbing) {
      // (All that is wanted was carried: what is above it is of no use.)
      if (provenBps >= Math.max(idealBps, wanted * NEARLY)) {
        this.#isClimbing = false;
        return;
      }
      target = Math.max(target, estimateBps * this.#factor);
    } else if (wanted * NEARLY <= provenBps) return;
    // A little more would be worth little: if there is another path, it mostly carries much more.
    else if (this.#isFree) target = Math.max(target, estimateBps * FREE_FACTOR);
    const wait = isStarved ? Math.min(this.#waitMs, MAX_STARVED_WAIT_MS) : this.#waitMs;
    if (now - this.#plannedAt < wait && !isAfterFall) return;
    if (isAfterFall) this.#fellFromBps = 0;
    this.#steadySince = now;
    const factor = this.#isClimbing || this.#isFree ? this.#factor : NEXT_FACTOR;
    this.#make(Math.min(target, ceiling, estimateBps * factor), now);
  }

  /**
   * What was carried leads straight on to the next burst: so soon more will be known that a step up
   * can wait for it, and is one instead of two.
   */
  isClimbing(now: number): boolean {
    return this.#isClimbing && now - this.#climbedAt < CLIMB_MS;
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
   * @param isLimited Less is sent than the path is believed to carry: only probes find more.
   * @param isClean Nothing was lost lately.
   * @param isIdle Much less is sent than that.
   */
  ended(
    bps: number,
    rttMs: number,
    isLimited: boolean,
    isClean: boolean,
    isIdle: boolean,
    now: number,
  ): void {
    this.probe = undefined;
    const isCarried = bps >= this.#targetBps * CARRIED;
    this.#isLimited = isLimited;
    this.#isFree = isClean && isLimited;
    const isMore = isIdle && bps > this.#estimateBps * CLEARLY_MORE;
    const isNews = isMore || bps >= this.#targetBps * CLIMBS_CLEAN;
    this.#climbedAt = now;
    this.#isClimbing = isClean ? isNews : bps >= this.#targetBps * CLIMBS;
    this.#factor = isClean ? CLEAN_FACTOR : NEXT_FACTOR;
    const settleMs = SETTLE_MS + Math.max(0, Math.min(rttMs, 1_000));
    const isQuick = this.#isClimbing && isClean && isLimited;
    this.#nextAt = now + (isQuick ? CARRIED_SETTLE_MS : settleMs);
    if (this.#isClimbing) this.#waitMs = FIRST_WAIT_MS;
    this.#measure(bps);
    if (isCarried || this.#isClimbing) {
      // What was carried is taken further at once if it is not enough yet.
      if (this.#targetBps < this.#goalBps || this.#isClimbing) this.#plannedAt = -Infinity;
      else this.#waitLonger();
    } else if (bps > 0) {
      this.#waitLonger();
      this.#vainBps = this.#estimateBps;
    } else if (!this.#wasUnknown) {
      // A burst that left or came in one lump, or that nobody told of, was not in vain.
      this.#plannedAt = -Infinity;
    }
    this.#wasUnknown = bps === 0;
    this.#isStarting = false;
  }

  /** What the newest one showed is believed once a second one shows it, which follows at once. */
  confirm(now: number): void {
    this.#plannedAt = -Infinity;
    this.#nextAt = Math.min(this.#nextAt, now + CARRIED_SETTLE_MS);
  }

  /** The queue grew, or loss did: what is being sent ends at once. */
  stop(now: number): void {
    if (this.probe === undefined) return;
    this.probe = undefined;
    this.#isStarting = this.#isClimbing = false;
    this.#nextAt = now + SETTLE_MS;
  }

  /** The estimate fell from `beforeBps`. */
  fell(beforeBps: number, afterBps: number, now: number): void {
    this.#isStarting = this.#isClimbing = false;
    this.#lengthMs = CLUSTER_MS;
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
    this.#plannedAt = now;
    this.#isStarting = this.#isClimbing = false;
    this.#waitLonger();
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
    this.#isClimbing = this.#isFree = false;
    this.#lengthMs = CLUSTER_MS;
  }

  /** How long the next one has to be for what this one has shown. */
  #measure(bps: number): void {
    const estimate = this.#estimateBps;
    const isDoubtful = bps > 0 && bps < estimate * DOUBTFUL && estimate >= LONG_FROM_BPS;
    if (bps >= this.#targetBps * CLIMBS) this.#lengthMs = CLUSTER_MS;
    else if (isDoubtful) this.#lengthMs = Math.min(LONGEST_MS, 2 * this.#lengthMs);
  }

  #waitLonger(): void {
    const costMs = PROBE_BITS * 1_000 / (COST * Math.max(1, this.#estimateBps));
    const least = this.#isLimited ? MAX_WAIT_MS : MAX_UNLIMITED_WAIT_MS;
    const most = Math.min(LONGEST_WAIT_MS, Math.max(least, costMs));
    this.#waitMs = Math.min(most, this.#waitMs * WAIT_FACTOR);
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
    const above = bps / Math.max(1, this.#estimateBps) - 1;
    const mostMs = above > 0 ? Math.max(CLUSTER_MS, MOST_QUEUE_MS / above) : LONGEST_MS;
    this.probe = newCluster(this.#cluster, bps, Math.min(this.#lengthMs, mostMs));
  }
}
