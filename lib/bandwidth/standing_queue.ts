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
/** It is tried so long after it was first seen, or at once after a deep fall, ms. */
const BEFORE_TRIAL_MS = 1_000;
const TRIAL_MS = 1_500;
/** Of what arrives, sent during a trial. */
const TRIAL_SHARE = 0.75;
/** A queue of ours is shorter by at least this part of what it should be. */
const EXPECTED = 0.3;

/** The queue of one path. */
export class StandingQueue {
  /** It did not give way when we did. */
  isOthers = false;
  #since = -1;
  #trialAt = -1;
  #trialQueueMs = 0;

  /** Something is tried now: {@linkcode share} of what arrives is to be sent. */
  get isTrial(): boolean {
    return this.#trialAt >= 0;
  }

  get share(): number {
    return TRIAL_SHARE;
  }

  /** @param isDeepFall What arrives has become much less a moment ago. */
  update(queueMs: number, isDeepFall: boolean, now: number): void {
    if (queueMs < (this.isOthers || this.isTrial ? GONE_MS : STANDING_MS)) {
      this.clear();
      return;
    }
    if (this.isOthers) return;
    if (this.#since < 0) this.#since = now;
    if (this.#trialAt < 0) {
      if (!isDeepFall && now - this.#since < BEFORE_TRIAL_MS) return;
      this.#trialAt = now;
      this.#trialQueueMs = queueMs;
    } else if (now - this.#trialAt >= TRIAL_MS) {
      const expected = Math.min(queueMs, TRIAL_MS * (1 - TRIAL_SHARE)) * EXPECTED;
      this.isOthers = queueMs > this.#trialQueueMs - expected;
      this.#trialAt = this.isOthers ? -1 : now;
      this.#trialQueueMs = queueMs;
    }
  }

  clear(): void {
    this.isOthers = false;
    this.#since = this.#trialAt = -1;
  }
}
