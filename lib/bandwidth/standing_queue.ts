/**
 * A queue that stays: ours, which sending less for a while empties, or somebody else's, which it
 * does not. To give way to the second kind would only starve us (RFC 8867 §5.6), so who sends asks
 * here before it does.
 *
 * Alone on a path, sending a quarter less than arrives shortens a queue by a quarter of the time. A
 * transfer that fills the queue fills what is left free, too.
 *
 * @module
 */

/** A queue this long stands; a shorter one is gone, ms. */
const STANDING_MS = 100;
const GONE_MS = 50;
/** Frames of a few tracks that come together wait for each other: no queue that stands, bits… */
const BURST_BITS = 16_000;
/** …but no longer than this, ms. */
const MAX_BURST_MS = 50;
/** It is tried so long after it was first seen, or at once after a deep fall, ms. */
const BEFORE_TRIAL_MS = 1_000;
const TRIAL_MS = 2_000;
/** Until what is sent less can be seen, ms. */
const ONSET_MS = 600;
/** Of what arrives, sent during a trial. */
const TRIAL_SHARE = 0.75;
/** A trial in which more than this share of it was sent showed nothing. */
const TRIED = 0.9;
/** A queue of ours is shorter by at least this part of what it should be. */
const EXPECTED = 0.6;
/**
 * Who sends sound alone cannot send less. So a burst is to tell whose the queue is, in one of so
 * many trials: on a path that is ours alone it comes no faster than what came before…
 */
const BURST_EACH = 4;
const BURST_AFTER = 2;
/** …and so many times that says that somebody else's packets were what it waited for. */
const CLEARLY_FASTER = 1.4;
/** One alone is chance where packets are lost or late: one in so many trials says so again… */
const CONFIRMING_TRIALS = 2;
/** …and it holds until the queue is so many times as long: what grows when more is sent is ours. */
const GROWN = 1.5;

/** The queue of one path. */
export class StandingQueue {
  /** It did not give way when we did. */
  isOthers = false;
  #since = -1;
  #trialAt = -1;
  #trialQueueMs = 0;
  /** Since it began. */
  #sentBytes = 0;
  #arrivedBytes = 0;
  /** What came before what is sent less could be seen; 0 until then. */
  #onsetBps = 0;
  /** What came in the trial before it; 0 if there was none. */
  #beforeBps = 0;
  /** Trials one after the other in which no less was sent. */
  #untried = 0;
  /** In which of them a burst said that the queue is somebody else's; -1 if in none. */
  #saidIn = -1;
  /** Bursts alone decided. */
  #isSaid = false;

  /** Something is tried now: {@linkcode share} of what arrives is to be sent. */
  get isTrial(): boolean {
    return this.#trialAt >= 0;
  }

  get share(): number {
    return TRIAL_SHARE;
  }

  /** Trials show nothing, as no less is sent: a burst may. */
  get needsBurst(): boolean {
    if (!this.isTrial) return false;
    return this.#saidIn < 0
      ? this.#untried % BURST_EACH === BURST_AFTER
      : this.#untried > this.#saidIn;
  }

  /**
   * A burst came at so many bits/s.
   *
   * @returns Whether that has decided that the queue is somebody else's.
   */
  burst(bps: number): boolean {
    if (!this.needsBurst || this.#beforeBps <= 0) return false;
    if (bps < this.#beforeBps * CLEARLY_FASTER) this.#saidIn = -1;
    else if (this.#saidIn < 0) this.#saidIn = this.#untried;
    else {
      this.isOthers = this.#isSaid = true;
      this.#trialAt = this.#saidIn = -1;
    }
    return this.isOthers;
  }

  /** Whether so long a queue is more than what frames of a few tracks make at a rate. */
  static isFull(queueMs: number, bps: number): boolean {
    return queueMs >= STANDING_MS + burstMs(bps);
  }

  /**
   * @param bps The estimate.
   * @param isDeepFall What arrives has become much less a moment ago.
   */
  update(queueMs: number, bps: number, isDeepFall: boolean, now: number): void {
    if (queueMs < burstMs(bps) + (this.isOthers || this.isTrial ? GONE_MS : STANDING_MS)) {
      this.clear();
      return;
    }
    if (this.isOthers && !(this.#isSaid && queueMs > this.#trialQueueMs * GROWN)) return;
    this.isOthers = this.#isSaid = false;
    if (this.#since < 0) this.#since = now;
    if (this.#trialAt < 0) {
      if (!isDeepFall && now - this.#since < BEFORE_TRIAL_MS) return;
      this.#begin(queueMs, now);
      return;
    }
    const elapsed = now - this.#trialAt;
    if (elapsed < ONSET_MS) this.#trialQueueMs = Math.max(this.#trialQueueMs, queueMs);
    else if (this.#onsetBps === 0) this.#onsetBps = this.#arrivedBytes * 8_000 / elapsed;
    if (elapsed < TRIAL_MS) return;
    const sentBps = this.#sentBytes * 8_000 / elapsed;
    const expected = Math.min(this.#trialQueueMs, elapsed * (1 - TRIAL_SHARE)) * EXPECTED;
    const hasTried = sentBps <= this.#onsetBps * TRIED;
    this.isOthers = hasTried && queueMs > this.#trialQueueMs - expected;
    this.#untried = hasTried ? 0 : this.#untried + 1;
    if (hasTried || this.#untried > this.#saidIn + CONFIRMING_TRIALS) this.#saidIn = -1;
    if (this.isOthers) this.#trialAt = -1;
    else this.#begin(queueMs, now);
  }

  /** A packet left. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** A packet arrived. */
  arrived(bytes: number): void {
    this.#arrivedBytes += bytes;
  }

  #begin(queueMs: number, now: number): void {
    const elapsed = now - this.#trialAt;
    this.#beforeBps = this.isTrial && elapsed > 0 ? this.#arrivedBytes * 8_000 / elapsed : 0;
    this.#trialAt = now;
    this.#trialQueueMs = queueMs;
    this.#sentBytes = this.#arrivedBytes = this.#onsetBps = 0;
  }

  clear(): void {
    this.isOthers = this.#isSaid = false;
    this.#since = this.#trialAt = this.#saidIn = -1;
    this.#untried = 0;
  }
}

function burstMs(bps: number): number {
  return Math.min(MAX_BURST_MS, BURST_BITS * 1_000 / Math.max(1, bps));
}
