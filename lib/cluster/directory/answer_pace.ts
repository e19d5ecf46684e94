/**
 * Whether the directory answers in time, or has so much to do that who asks for more should wait:
 * judged by how long answers took lately, and by the question that waits longest. Of few questions
 * late answers say that somebody stood still for a moment, and not that there is too much to do.
 *
 * Contract: slow from {@linkcode SLOW_MS} on, and until answers take less than
 * {@linkcode QUICK_MS} again, so that it does not change with every answer. What is long ago counts
 * for nothing: who is not asked is thought to be quick again, and is asked. Pure.
 *
 * @module
 */

/** Answers that take longer, smoothed, are slow, ms: questions fail after 700 ms. */
export const SLOW_MS = 400;
/** Answers that take less are quick again, ms. */
export const QUICK_MS = 200;
/** Of fewer questions a second, nobody is slow. */
const BUSY_PER_SECOND = 10;
/** Answers of so long ago count for a third, ms. */
const SMOOTHING_MS = 500;

/** One directory's, or one part of it that answers by itself. */
export class AnswerPace {
  #smoothedMs = 0;
  #lookedAt = -Infinity;
  /** Answers lately, about those of a second. */
  #recent = 0;
  #isSlow = false;
  /** When what was asked and not answered yet was asked, in order. */
  readonly #waiting = new Set<{ readonly at: number }>();

  /**
   * Something is asked.
   *
   * @param at Monotonic ms, not before the last one's.
   * @returns To be called with the time when it is answered, or has failed; once.
   */
  asked(at: number): (now: number) => void {
    const question = { at };
    this.#waiting.add(question);
    return (now) => {
      this.#waiting.delete(question);
      this.took(now - at, now);
    };
  }

  /** An answer came at `now`, and had taken so long, ms. */
  took(ms: number, now: number): void {
    const age = now - this.#lookedAt;
    const weight = age === Infinity ? 1 : 1 - Math.exp(-Math.max(1, age) / SMOOTHING_MS);
    this.#smoothedMs += weight * (ms - this.#smoothedMs);
    this.#recent = this.#recentAt(now) + 1;
    this.#lookedAt = now;
    this.#judge(now);
  }

  /** Whether who can wait should. */
  isSlow(now: number): boolean {
    this.#judge(now);
    return this.#isSlow;
  }

  #judge(now: number): void {
    const [oldest] = this.#waiting;
    const waitedMs = oldest === undefined ? 0 : now - oldest.at;
    const faded = this.#smoothedMs * Math.exp(-(now - this.#lookedAt) / (4 * SMOOTHING_MS));
    const ms = Math.max(waitedMs, faded);
    if (this.#isSlow) this.#isSlow = ms >= QUICK_MS;
    else if (ms > SLOW_MS) {
      this.#isSlow = this.#recentAt(now) + this.#waiting.size >= BUSY_PER_SECOND;
    }
  }

  #recentAt(now: number): number {
    return this.#recent === 0 ? 0 : this.#recent * Math.exp((this.#lookedAt - now) / 1_000);
  }
}
