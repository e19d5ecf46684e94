/**
 * Packets that left together, and how much later than they left groups of them came
 * (draft-ietf-rmcat-gcc-02 §5.2, and the grouping of bursts that its implementations added).
 *
 * Contract: packets are given in the order they were sent, with times of two clocks that need not
 * agree. Whatever the receiver's times are, numbers stay finite and nothing allocates.
 *
 * @module
 */

/** What leaves within so long is one group, ms: senders write frames in bursts. */
const GROUP_MS = 5;
/** What comes within so long of the one before, and is catching up, belongs to its group, ms… */
const BURST_MS = 5;
/** …but no group lasts longer. */
const MAX_BURST_MS = 100;
/** Groups that come before the group before them, in a row: the receiver's clock has jumped. */
const MAX_BACKWARDS = 3;
/** Nor can one come so much later than it was told, ms. */
const MAX_JUMP_MS = 3_000;

/** Turns packets into differences between groups. */
export class ArrivalGroups {
  /** Between the two newest complete groups, ms; of use after {@linkcode add} said so. */
  sendDeltaMs = 0;
  arrivalDeltaMs = 0;
  #hasCurrent = false;
  #firstSentAt = 0;
  #lastSentAt = 0;
  #firstArrivalAt = 0;
  #lastArrivalAt = 0;
  #toldAt = 0;
  #hasPrevious = false;
  #previousSentAt = 0;
  #previousArrivalAt = 0;
  #previousToldAt = 0;
  #backwards = 0;

  /**
   * Takes one packet that arrived.
   *
   * @param sentAt By our clock, ms.
   * @param arrivedAt By the receiver's, ms.
   * @param now When we heard of it.
   * @returns Whether it began a new group, and there is a difference between the two before it.
   */
  add(sentAt: number, arrivedAt: number, now: number): boolean {
    if (!this.#hasCurrent) {
      this.#begin(sentAt, arrivedAt, now);
      return false;
    }
    // Of a group that is over, come late: what it could tell was told.
    if (sentAt < this.#firstSentAt) return false;
    let isComplete = false;
    if (this.#isNewGroup(sentAt, arrivedAt)) {
      isComplete = this.#complete();
      if (!this.#hasCurrent) {
        this.#begin(sentAt, arrivedAt, now);
        return false;
      }
      this.#begin(sentAt, arrivedAt, now);
    } else {
      this.#lastSentAt = Math.max(this.#lastSentAt, sentAt);
      this.#lastArrivalAt = Math.max(this.#lastArrivalAt, arrivedAt);
      this.#toldAt = now;
    }
    return isComplete;
  }

  clear(): void {
    this.#hasCurrent = false;
    this.#hasPrevious = false;
    this.#backwards = 0;
  }

  #isNewGroup(sentAt: number, arrivedAt: number): boolean {
    const sendDelta = sentAt - this.#lastSentAt;
    const arrivalDelta = arrivedAt - this.#lastArrivalAt;
    if (sendDelta === 0) return false;
    const isCatchingUp = arrivalDelta < sendDelta && arrivalDelta <= BURST_MS;
    if (isCatchingUp && arrivedAt - this.#firstArrivalAt < MAX_BURST_MS) return false;
    return sentAt - this.#firstSentAt > GROUP_MS;
  }

  /** Compares the current group with the one before; clears all if that makes no sense. */
  #complete(): boolean {
    let isComplete = false;
    if (this.#hasPrevious) {
      const arrivalDelta = this.#lastArrivalAt - this.#previousArrivalAt;
      const toldDelta = this.#toldAt - this.#previousToldAt;
      if (arrivalDelta - toldDelta >= MAX_JUMP_MS) {
        this.clear();
        return false;
      }
      if (arrivalDelta < 0) {
        if (++this.#backwards >= MAX_BACKWARDS) this.clear();
        return false;
      }
      this.#backwards = 0;
      this.sendDeltaMs = this.#lastSentAt - this.#previousSentAt;
      this.arrivalDeltaMs = arrivalDelta;
      isComplete = true;
    }
    this.#hasPrevious = true;
    this.#previousSentAt = this.#lastSentAt;
    this.#previousArrivalAt = this.#lastArrivalAt;
    this.#previousToldAt = this.#toldAt;
    return isComplete;
  }

  #begin(sentAt: number, arrivedAt: number, now: number): void {
    this.#hasCurrent = true;
    this.#firstSentAt = this.#lastSentAt = sentAt;
    this.#firstArrivalAt = this.#lastArrivalAt = arrivedAt;
    this.#toldAt = now;
  }
}
