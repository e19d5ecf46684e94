/**
 * How long nothing was heard of what was sent, and how long nothing was sent.
 *
 * @module
 */

/** What was sent and is not answered for so long holds raises, and then lowers the rate, ms. */
const SILENT_MS = 1_000;
const BACK_OFF_MS = 3_000;
const BACK_OFF_STEP_MS = 1_000;
/** Where nothing was sent for so long no queue stays, ms. */
const QUIET_MS = 1_000;
/** Who has answered nothing for so long after the first packet may never do so, ms. */
const UNANSWERED_MS = 5_000;

/** One path's; `now` in monotonic ms. */
export class FeedbackSilence {
  /** When the first packet after the newest feedback left, -1 for none. */
  #since = -1;
  /** When the newest packet left. */
  #sentAt = -1;
  /** When feedback came last, -1 for never. */
  #heardAt = -1;
  #backedOffAt = -Infinity;
  #isQuiet = false;
  /** It has come at all, by whatever path. */
  #isTold = false;

  sent(now: number): void {
    if (this.#since < 0) this.#since = now;
    this.#sentAt = now;
  }

  heard(now: number): void {
    this.#since = -1;
    this.#heardAt = now;
    this.#isQuiet = false;
    this.#isTold = true;
  }

  /** Transport-wide feedback has come. */
  get isHeard(): boolean {
    return this.#heardAt >= 0;
  }

  /** When what was sent should have been answered; `Infinity` if it was, or nothing ever is. */
  get silentAt(): number {
    return this.isHeard && this.#since >= 0 ? this.#since + SILENT_MS : Infinity;
  }

  /** What was sent should have been answered by now. */
  isSilent(now: number): boolean {
    return now >= this.silentAt;
  }

  /**
   * Whether a probe would tell something. Where what was sent last stays unanswered it does once
   * all is paused, as nothing else is sent; nobody is asked for ever who has never answered.
   */
  mayProbe(now: number): boolean {
    if (this.isSilent(now)) return this.isQuiet(now);
    return this.#isTold || this.#since < 0 || now - this.#since < UNANSWERED_MS;
  }

  /** `true` each second in which the rate is to be lowered for it. */
  backsOff(now: number): boolean {
    if (!this.isHeard || this.#since < 0 || now - this.#since < BACK_OFF_MS) return false;
    // Nothing is not too much, whatever became of the last feedback.
    if (this.isQuiet(now)) return false;
    if (now - this.#backedOffAt < BACK_OFF_STEP_MS) return false;
    this.#backedOffAt = now;
    return true;
  }

  /** Nothing has been sent for a while, as all is paused: there is nothing to be answered. */
  isQuiet(now: number): boolean {
    return this.isHeard && now - Math.max(this.#heardAt, this.#sentAt) >= QUIET_MS;
  }

  /** `true` once when that begins. */
  turnsQuiet(now: number): boolean {
    if (this.#isQuiet) return false;
    return this.#isQuiet = this.isQuiet(now);
  }

  /** Nothing is known of the path any more; that its other end tells what came is. */
  clear(): void {
    this.#since = this.#sentAt = this.#heardAt = -1;
    this.#isQuiet = false;
  }
}
