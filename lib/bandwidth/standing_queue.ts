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

/** The queue of one path. */
export class StandingQueue {
  /** It did not give way when we did. */
  isOthers = false;
  #since = -1;
  #trialAt = -1;
  #trialQueueMs = 0;
  #trialAckedBps = 0;
  #trialBytes = 0;
  /** Trials one after the other in which no less was sent. */
  #untried = 0;

  /** Something is tried now: {@linkcode share} of what arrives is to be sent. */
  get isTrial(): boolean {
    return this.#trialAt >= 0;
  }

  get share(): number {
    return TRIAL_SHARE;
  }

  /** Trials show nothing, as no less is sent: a burst may. */
  get needsBurst(): boolean {
    return this.isTrial && this.#untried % BURST_EACH === BURST_AFTER;
  }

  /** A burst came at so many bits/s. */
  burst(bps: number): void {
    const before = this.#trialAckedBps;
    if (!this.needsBurst || before <= 0 || bps < before * CLEARLY_FASTER) return;
    this.isOthers = true;
    this.#trialAt = -1;
  }

  /** Whether so long a queue is more than what frames of a few tracks make at a rate. */
  static isFull(queueMs: number, bps: number): boolean {
    return queueMs >= STANDING_MS + burstMs(bps);
  }

  /**
   * @param bps The estimate.
   * @param ackedBps What arrives.
   * @param isDeepFall What arrives has become much less a moment ago.
   */
  update(queueMs: number, bps: number, ackedBps: number, isDeepFall: boolean, now: number): void {
    if (queueMs < burstMs(bps) + (this.isOthers || this.isTrial ? GONE_MS : STANDING_MS)) {
      this.clear();
      return;
    }
    if (this.isOthers) return;
    if (this.#since < 0) this.#since = now;
    if (this.#trialAt < 0) {
      if (!isDeepFall && now - this.#since < BEFORE_TRIAL_MS) return;
      this.#begin(queueMs, ackedBps, now);
      return;
    }
    const elapsed = now - this.#trialAt;
    if (elapsed < ONSET_MS) this.#trialQueueMs = Math.max(this.#trialQueueMs, queueMs);
    if (elapsed < TRIAL_MS) return;
    const sentBps = this.#trialBytes * 8_000 / elapsed;
    const expected = Math.min(this.#trialQueueMs, elapsed * (1 - TRIAL_SHARE)) * EXPECTED;
    const hasTried = sentBps <= this.#trialAckedBps * TRIED;
    this.isOthers = hasTried && queueMs > this.#trialQueueMs - expected;
    this.#untried = hasTried ? 0 : this.#untried + 1;
    if (this.isOthers) this.#trialAt = -1;
    else this.#begin(queueMs, ackedBps, now);
  }

  /** A packet left. */
  sent(bytes: number): void {
    this.#trialBytes += bytes;
  }

  #begin(queueMs: number, ackedBps: number, now: number): void {
    this.#trialAt = now;
    this.#trialQueueMs = queueMs;
    this.#trialAckedBps = ackedBps;
    this.#trialBytes = 0;
  }

  clear(): void {
    this.isOthers = false;
    this.#since = this.#trialAt = -1;
    this.#untried = 0;
  }
}

function burstMs(bps: number): number {
  return Math.min(MAX_BURST_MS, BURST_BITS * 1_000 / Math.max(1, bps));
}
