/**
 * What gives way so that sound is whole where a path carries little: first the copies that protect
 * audio against loss, which take two or three times what its frames do, then pictures, also where
 * they are not to be paused for each other.
 *
 * Contract: redundancy is left out at once where it does not fit beside the least of each video,
 * and comes back where it fits with room for a while. Pictures may be paused only where even bare
 * audio and the least of each of them are too much for a while, and that can be seen; no longer
 * than there is audio.
 *
 * Pure: bits per second and monotonic milliseconds are arguments. Nothing allocates.
 *
 * @module
 */

/** Room above all that is needed, so that a small dip takes nothing back. */
const ROOM = 1.15;
/** That room has to be seen for so long, and after redundancy was left out so long, ms. */
const SEEN_MS = 3_000;
const HOLD_MS = 10_000;
/** Sound that has been absent for so long, ms, needs no room that was made for it. */
const ABSENT_MS = 10_000;
/** Pictures are paused where they are too much for so long, ms: estimates dip. */
const SHORT_MS = 1_500;

/** What a connection's audio needs, bits per second. */
export class AudioNeeds {
  /** Its frames, as far as they are part of what the estimate counts. */
  bareBps = 0;
  /** Its frames that are not. */
  uncountedBps = 0;
  /** Redundancy, as far as it is counted. */
  copiesBps = 0;
  /** Redundancy that is not counted: what is sent of it the estimate is less by already. */
  uncountedCopiesBps = 0;
  /** A copy more than publishers send, counted or not: it is the first that gives way. */
  moreBps = 0;
  /** Redundancy that is not sent now and may soon have to be: no picture is to have its room. */
  keptBps = 0;
  /** Some is sent. */
  isThere = false;

  clear(): void {
    this.bareBps =
      this.uncountedBps =
      this.copiesBps =
      this.uncountedCopiesBps =
      this.moreBps =
      this.keptBps =
        0;
    this.isThere = false;
  }
}

/** One connection's audio beside its videos. */
export class AudioFirst {
  /** Redundancy is left out. */
  isBare = false;
  /** Videos may be paused for audio. */
  mayPause = false;
  #bareSince = -Infinity;
  #roomSince = Infinity;
  #shortSince = Infinity;
  #soundAt = -Infinity;

  /**
   * Decides anew; to be called a few times a second.
   *
   * @param baseBps What the least of each video needs.
   * @param budgetBps What may be sent in all.
   * @param isOnePaused Whether a video is paused now.
   * @param isFull Whether packets wait or are lost now: an estimate alone may be too low.
   */
  decide(
    needs: AudioNeeds,
    baseBps: number,
    budgetBps: number,
    isOnePaused: boolean,
    isFull: boolean,
    now: number,
  ): void {
    if (needs.isThere) this.#soundAt = now;
    const isAbsent = now - this.#soundAt >= ABSENT_MS;
    const leastBps = needs.bareBps + baseBps;
    const isShort = needs.isThere && isFull && budgetBps < leastBps;
    if (!isShort) this.#shortSince = Infinity;
    else if (this.#shortSince === Infinity) this.#shortSince = now;
    if (now - this.#shortSince >= SHORT_MS) this.mayPause = true;
    else if (!isShort && (!isOnePaused || isAbsent)) this.mayPause = false;
    if (!this.isBare) {
      const hasCopies = needs.copiesBps + needs.uncountedCopiesBps > 0;
      if (!hasCopies || budgetBps >= leastBps + needs.copiesBps) return;
      this.isBare = true;
      this.#bareSince = now;
      this.#roomSince = Infinity;
      return;
    }
    if (budgetBps < AudioFirst.needed(needs, baseBps)) this.#roomSince = Infinity;
    else if (this.#roomSince === Infinity) this.#roomSince = now;
    const isSeen = now - this.#roomSince >= SEEN_MS;
    if (isSeen && now - this.#bareSince >= HOLD_MS) this.isBare = false;
  }

  /** What has to be carried for redundancy to come back. */
  static needed(needs: AudioNeeds, baseBps: number): number {
    return (needs.bareBps + needs.copiesBps + needs.uncountedCopiesBps + baseBps) * ROOM;
  }
}
