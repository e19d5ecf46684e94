/**
 * The rate that loss allows, in the line of libwebrtc's second loss-based estimator: the likeliest
 * pair of a rate that the path carries, and of the loss it has whatever is sent. So random loss of
 * a radio is borne, and loss that comes with the rate is answered.
 *
 * What is modelled: a packet is lost with the path's own probability, or, of what is sent above the
 * path's rate, surely. Over a window of observations the likelihoods of a few candidates are
 * compared, each with the own loss that fits it best (one Newton step).
 *
 * Contract: the rate is between its bounds and not above that of the delay. Memory is fixed, and
 * nothing allocates.
 *
 * @module
 */

/** An observation lasts so long, ms, by the times of sending; so many are looked at. */
const OBSERVATION_MS = 250;
const WINDOW = 15;
const MIN_OBSERVATIONS = 3;
/** What is older counts less by this factor. */
const AGE_WEIGHT = 0.9;
/** Own loss at first and at least; at most: an offset, and so many bits/s more at low rates. */
const FIRST_OWN_LOSS = 0.01;
const MIN_OWN_LOSS = 1e-3;
const MAX_OWN_LOSS_OFFSET = 0.05;
const MAX_OWN_LOSS_BPS = 150_000;
/** Loss above the offset bounds the rate at once: 150 kbit/s at a loss that is all above it. */
const INSTANT_BPS = 150_000;
/** What is lost by chance varies: so many standard deviations more say nothing. */
const DEVIATIONS = 2;
/**
 * Between equally likely rates the higher one is taken, unless much is lost. (0.15 in the model's
 * origin: there a path that loses 15 % whatever is sent is given up slowly.)
 */
const BIAS = 0.0002;
const LOG_BIAS = 0.02;
const BIAS_MAX_LOSS = 0.2;
const BIAS_SMOOTHING = 0.002;
const NEWTON_STEP = 0.75;
/** Candidates besides the acknowledged rate and that of the delay. */
const FACTORS = [1.02, 1, 0.95] as const;
/** Growth beyond what is acknowledged, usually and while held. */
const RAMP = 1.5;
const HELD_RAMP = 1.2;
/** At most so much growth in so long, ms, after loss. */
const MAX_INCREASE = 1.3;
const INCREASE_MS = 300;
/**
 * After a fall nothing above it for so long, ms; doubled with each one that follows. The model's
 * origin has a minute as maximum: too long for somebody who waits for a picture.
 */
const HOLD_MS = 300;
const MAX_HOLD_MS = 5_000;
/** What did not fall for so long, ms, falls no more, however much is lost. */
const FALL_MS = 1_000;
/** With less loss nothing is held. */
const HOLD_LOSS = 0.02;
/** …and so long after a fall, ms, a rate that has used its growth up gets some more. */
const STUCK_MS = 10_000;
/** What arrives although much is lost is carried: nothing is won below this share of it. */
const FLOOR = 0.85;
const MIN_PROBABILITY = 1e-6;

/** What the model does. */
export const LOSS = { free: 0, falling: 1, rising: 2 } as const;

/** The model of one path. */
export class LossModel {
  /** One of {@linkcode LOSS}; `free`: the delay decides. */
  state: number = LOSS.free;
  /** Bits/s. */
  bps: number;
  /** Loss lately, by bytes and age, 0–1. */
  averageLoss = 0;
  /** When it last fell. */
  loweredAt = -Infinity;
  #ownLoss = FIRST_OWN_LOSS;
  readonly #minBps: number;
  readonly #maxBps: number;
  readonly #borneLoss: number;
  // Observations, in a ring.
  readonly #received = new Float64Array(WINDOW);
  readonly #lost = new Float64Array(WINDOW);
  readonly #rates = new Float64Array(WINDOW);
  readonly #packets = new Float64Array(WINDOW);
  #count = 0;
  // The one that is being made.
  #partReceived = 0;
  #partLost = 0;
  #partPackets = 0;
  #partFrom = -1;
  #partTo = -1;
  #instantBps = Infinity;
  #holdUntil = -Infinity;
  #holdMs = HOLD_MS;
  #heldBps = Infinity;
  #windowFrom = -Infinity;
  #windowBps = Infinity;
  /** Best candidate so far. */
  #bestBps = 0;
  #bestLoss = 0;
  #bestScore = -Infinity;

  /** @param borneLoss Own loss at most, but for low rates, where it may be more. */
  constructor(startBps: number, minBps: number, maxBps: number, borneLoss = MAX_OWN_LOSS_OFFSET) {
    this.bps = startBps;
    this.#minBps = minBps;
    this.#maxBps = maxBps;
    this.#borneLoss = borneLoss;
  }

  /** Loss holds the rate down, or a fall is not long ago. */
  get isLimiting(): boolean {
    return this.state !== LOSS.free;
  }

  /** What the path loses whatever is sent, 0–1, as far as that is believed. */
  get ownLoss(): number {
    return Math.min(this.#ownLoss, this.averageLoss);
  }

  /** Whether so much of so many packets is lost by the path whatever is sent, or by chance more. */
  isOwn(share: number, packets: number): boolean {
    const own = this.ownLoss;
    return share <= own + DEVIATIONS * Math.sqrt(own * (1 - own) / Math.max(1, packets));
  }

  /** A packet is reported for the first time. */
  add(bytes: number, isLost: boolean, sentAt: number): void {
    if (this.#partFrom < 0) this.#partFrom = sentAt;
    this.#partTo = Math.max(this.#partTo, sentAt);
    this.#partPackets++;
    if (isLost) this.#partLost += bytes;
    else this.#partReceived += bytes;
  }

  /** A packet that was reported lost arrived after all. */
  correct(bytes: number): void {
    this.#partReceived += bytes;
    // It may belong to an observation that is over; that one was wrong and ages.
    this.#partLost = Math.max(0, this.#partLost - bytes);
  }

  /**
   * Looks again; call after each feedback.
   *
   * @param ackedBps 0 if it is unknown.
   * @param delayBps What the delay allows.
   * @param isLimited Less is sent than the estimate allows: what is acknowledged is no candidate.
   */
  update(ackedBps: number, delayBps: number, isLimited: boolean, now: number): void {
    if (!this.#observe()) {
      if (this.state === LOSS.free) this.bps = delayBps;
      else this.bps = Math.min(this.bps, delayBps);
      return;
    }
    this.#averageLosses();
    if (this.#count < MIN_OBSERVATIONS) {
      this.bps = delayBps;
      return;
    }
    this.#choose(ackedBps, delayBps, isLimited, now);
    this.#decide(ackedBps, delayBps, now);
  }

  /** A probe went through: what was lost before it is not the rate's doing. */
  proven(bps: number): void {
    if (bps > this.bps) {
      this.bps = Math.min(bps, this.#instantBps);
      this.#holdUntil = -Infinity;
      this.#windowBps = Math.max(this.#windowBps, this.bps);
    }
  }

  clear(bps: number): void {
    this.bps = bps;
    this.state = LOSS.free;
    this.averageLoss = 0;
    this.#ownLoss = FIRST_OWN_LOSS;
    this.#count = 0;
    this.#partReceived = this.#partLost = this.#partPackets = 0;
    this.#partFrom = this.#partTo = -1;
    this.#instantBps = Infinity;
    this.#holdUntil = -Infinity;
    this.#holdMs = HOLD_MS;
    this.#heldBps = Infinity;
    this.#windowFrom = -Infinity;
    this.#windowBps = Infinity;
  }

  /** Ends the observation that is being made if it is long enough. */
  #observe(): boolean {
    const lasted = this.#partTo - this.#partFrom;
    if (this.#partFrom < 0 || lasted < OBSERVATION_MS) return false;
    const slot = this.#count++ % WINDOW;
    const bytes = this.#partReceived + this.#partLost;
    this.#received[slot] = this.#partReceived;
    this.#lost[slot] = this.#partLost;
    this.#rates[slot] = bytes * 8_000 / lasted;
    this.#packets[slot] = this.#partPackets;
    this.#partReceived = this.#partLost = this.#partPackets = 0;
    this.#partFrom = this.#partTo;
    return true;
  }

  #averageLosses(): void {
    let lost = 0;
    let all = 0;
    let packets = 0;
    let squares = 0;
    let weight = 1;
    for (let back = 1; back <= Math.min(this.#count, WINDOW); back++) {
      const slot = (this.#count - back) % WINDOW;
      lost += weight * this.#lost[slot]!;
      all += weight * (this.#lost[slot]! + this.#received[slot]!);
      packets += weight * this.#packets[slot]!;
      squares += weight * weight * this.#packets[slot]!;
      weight *= AGE_WEIGHT;
    }
    this.averageLoss = all === 0 ? 0 : lost / all;
    const loss = this.averageLoss;
    const chance = packets === 0 ? 0 : Math.sqrt(loss * (1 - loss) * squares) / packets;
    const above = loss - DEVIATIONS * chance - this.#borneLoss;
    this.#instantBps = above > 0 ? INSTANT_BPS / above : Infinity;
  }

  #choose(ackedBps: number, delayBps: number, isLimited: boolean, now: number): void {
    const current = Math.max(this.bps, this.#minBps);
    let upper = this.#maxBps;
    if (this.isLimiting) {
      // At its end nothing higher is tried, and nothing moves it: not for ever.
      const isStuck = current >= this.#windowBps && now - this.loweredAt >= STUCK_MS;
      if (isStuck && this.averageLoss < HOLD_LOSS) this.#moveWindow(now);
      upper = Math.min(upper, this.#windowBps);
    }
    // Who sends little is acknowledged little: that bounds nothing while nothing is lost.
    if (ackedBps > 0 && !(isLimited && this.averageLoss < HOLD_LOSS)) {
      upper = Math.min(upper, ackedBps * (now < this.#holdUntil ? HELD_RAMP : RAMP));
    }
    upper = Math.max(upper, current);
    this.#bestScore = -Infinity;
    for (let i = 0; i < FACTORS.length; i++) this.#try(Math.min(current * FACTORS[i]!, upper));
    if (ackedBps > 0 && !isLimited) this.#try(Math.min(ackedBps, upper));
    if (delayBps > current) this.#try(Math.min(delayBps, upper));
  }

  /** How far the rate may grow from now on, if that is to be said anew. */
  #moveWindow(now: number): void {
    if (now - this.#windowFrom < INCREASE_MS) return;
    this.#windowFrom = now;
    this.#windowBps = Math.max(this.#minBps, this.bps * MAX_INCREASE);
  }

  #try(bps: number): void {
    if (this.averageLoss === 0 && this.#ownLoss === MIN_OWN_LOSS) return this.#tryLossless(bps);
    const own = this.#fit(bps);
    const score = this.#score(bps, own);
    if (score <= this.#bestScore) return;
    this.#bestScore = score;
    this.#bestBps = bps;
    this.#bestLoss = own;
  }

  /**
   * Nothing was lost in the whole window, nor is expected: the own loss that fits stays the least,
   * and of two rates the higher one is likelier, without a logarithm.
   */
  #tryLossless(bps: number): void {
    if (bps <= this.#bestScore) return;
    this.#bestScore = this.#bestBps = bps;
    this.#bestLoss = MIN_OWN_LOSS;
  }

  /** One Newton step towards the own loss that makes what was seen likeliest. */
  #fit(bps: number): number {
    const own = this.#bound(this.#ownLoss, bps);
    let first = 0;
    let second = 0;
    let weight = 1;
    for (let back = 1; back <= Math.min(this.#count, WINDOW); back++) {
      const slot = (this.#count - back) % WINDOW;
      const p = probability(own, bps, this.#rates[slot]!);
      const lost = this.#lost[slot]! / 1000;
      const received = this.#received[slot]! / 1000;
      first += weight * (lost / p - received / (1 - p));
      second -= weight * (lost / (p * p) + received / ((1 - p) * (1 - p)));
      weight *= AGE_WEIGHT;
    }
    return this.#bound(second === 0 ? own : own - NEWTON_STEP * first / second, bps);
  }

  #score(bps: number, own: number): number {
    const kbps = bps / 1000;
    const spare = BIAS_MAX_LOSS - this.averageLoss;
    const adjust = spare / (BIAS_SMOOTHING + Math.abs(spare));
    const bias = adjust * (BIAS * kbps + LOG_BIAS * Math.log(1 + kbps));
    let score = 0;
    let weight = 1;
    for (let back = 1; back <= Math.min(this.#count, WINDOW); back++) {
      const slot = (this.#count - back) % WINDOW;
      const p = probability(own, bps, this.#rates[slot]!);
      const lost = this.#lost[slot]! / 1000;
      const received = this.#received[slot]! / 1000;
      score += weight * (lost * Math.log(p) + received * Math.log(1 - p));
      score += weight * bias * (lost + received);
      weight *= AGE_WEIGHT;
    }
    return score;
  }

  #bound(own: number, bps: number): number {
    const most = Math.min(1, this.#borneLoss + MAX_OWN_LOSS_BPS / Math.max(bps, 1));
    return Math.max(MIN_OWN_LOSS, Math.min(most, own));
  }

  /** Makes the best candidate the rate, as far as it may be, and says why it is what it is. */
  #decide(ackedBps: number, delayBps: number, now: number): void {
    const before = this.bps;
    let next = this.#bestBps;
    this.#ownLoss = this.#bestLoss;
    // More is lost than the path's own: no time to send more.
    if (next > before && this.averageLoss > this.#bestLoss) next = before;
    if (next > before && this.isLimiting) {
      const isHeld = now < this.#holdUntil && this.averageLoss >= HOLD_LOSS;
      if (isHeld) next = Math.min(next, Math.max(before, this.#heldBps));
      this.#moveWindow(now);
      next = Math.min(next, Math.max(before, this.#windowBps));
    }
    next = Math.min(next, this.#instantBps);
    if (next < before) next = Math.max(next, Math.min(before, ackedBps * FLOOR));
    next = Math.max(this.#minBps, Math.min(this.#maxBps, next));
    if (next >= delayBps) {
      this.state = LOSS.free;
      this.bps = delayBps;
      if (now >= this.#holdUntil) this.#holdMs = HOLD_MS;
      return;
    }
    if (next < before) this.#fell(next, now);
    else if (next > before || this.averageLoss < HOLD_LOSS || this.#hasFallen(now)) {
      this.state = LOSS.rising;
    }
    this.bps = next;
  }

  /** A fall is over: what is lost since then is not less, so that nothing is won by less. */
  #hasFallen(now: number): boolean {
    return this.state !== LOSS.falling ||
      (now >= this.#holdUntil && now - this.loweredAt >= FALL_MS);
  }

  #fell(bps: number, now: number): void {
    if (this.state !== LOSS.falling) {
      this.#holdUntil = now + this.#holdMs;
      this.#holdMs = Math.min(MAX_HOLD_MS, this.#holdMs * 2);
    }
    this.#heldBps = bps;
    this.#windowBps = bps * MAX_INCREASE;
    this.#windowFrom = now;
    this.state = LOSS.falling;
    this.loweredAt = now;
  }
}

/** That a byte is lost: by the path's own loss, or as part of what the path does not carry. */
function probability(own: number, bps: number, rate: number): number {
  const over = rate > bps ? (1 - own) * (rate - bps) / rate : 0;
  return Math.max(MIN_PROBABILITY, Math.min(1 - MIN_PROBABILITY, own + over));
}
