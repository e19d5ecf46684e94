/**
 * What a subscriber's reports on one stream say of its path: how much was lost on it, and not on
 * the publisher's, whose holes go on to subscribers as they are.
 *
 * Pure; memory is fixed.
 *
 * @module
 */
import type { ReportBlock } from "../../wire/rtcp.ts";

/**
 * What looks lost is compared with the most of so many reports before: of a hole that is newer than
 * a report it is not known that the report does not count it, so one may seem to say too little.
 */
const COMPARED = 4;
const MOST_COPIES = 2;

/** Of one stream, report after report. */
export class ReportedLoss {
  /** Packets that should have come since the report before; 0: it says nothing new. */
  expected = 0;
  /** Those of them that left and did not come. */
  lost = 0;
  /** How often each of them was sent again unasked, about: 0–2. */
  copies = 0;
  /** When the packet behind the last that it knows of left, monotonic ms; `Infinity`: not yet. */
  nextLeftAt = Infinity;
  readonly #before = new Float64Array(COMPARED);
  #reports = 0;
  #again = 0;
  #highest = 0;

  /**
   * Takes a report.
   *
   * @param sent Packets so far.
   * @param unsent How many numbers below the highest that was sent were not sent, or too late.
   * @param again How many were sent again unasked, so far. Who counts those as packets that came
   *   says nothing of what was lost.
   */
  take(
    { cumulativeLost, fractionLost, highestSequence }: ReportBlock,
    sent: number,
    unsent: number,
    again = 0,
  ): void {
    const before = this.#before;
    const lost = cumulativeLost - unsent;
    if (this.#reports === 0) {
      // How much was lost earlier under the same SSRC nobody knows.
      this.expected = Math.max(1, sent);
      this.lost = unsent > 0 ? 0 : Math.ceil(this.expected * fractionLost / 256);
      before.fill(lost);
    } else {
      this.expected = Math.max(0, highestSequence - this.#highest);
      const copies = again - this.#again;
      this.copies = Math.min(MOST_COPIES, Math.round(copies / Math.max(1, this.expected)));
      const last = before[(this.#reports - 1) % COMPARED]!;
      if (copies > 0 && last - lost >= copies / 2) this.expected = 0;
      const most = Math.max(before[0]!, before[1]!, before[2]!, before[3]!);
      this.lost = Math.max(0, lost - most);
    }
    this.#highest = highestSequence;
    this.#again = again;
    before[this.#reports++ % COMPARED] = lost;
  }
}
