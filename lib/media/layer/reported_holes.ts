/**
 * How many numbers of one stream its reports may count as lost though they were not sent, or were
 * sent too late for the report: holes that the publisher's path left.
 *
 * Contract: of a packet that left late, by another packet's number it is told whether a report was
 * made before it came. Where it may have been, the number stays among the holes: some receivers
 * never take a loss back that they have counted (pion). Those that do seem to have lost one less
 * then, once.
 *
 * Pure; memory is fixed, and taken by streams alone of which something leaves late.
 *
 * @module
 */

/** Packets that left late between two reports of which is known when; others stay holes. */
const MOST_LATE = 64;
/** Packets may overtake each other on their way by so many. */
const OVERTAKEN = 4;

/** Of one stream; numbers are extended. */
export class ReportedHoles {
  /** Numbers that were passed over, but for those that came in time for the reports. */
  #holes = 0;
  /** The highest number that a report told of. */
  #reported = -1;
  /** Packets that left late: their number, and the highest that had left. */
  #late: Float64Array | undefined;
  #count = 0;

  /** Numbers are passed over. */
  passed(count: number): void {
    this.#holes += count;
  }

  /** A number that was passed over has left behind `highest`. */
  filled(number: number, highest: number): void {
    // A report has counted it.
    if (number <= this.#reported || this.#count === MOST_LATE) return;
    const late = this.#late ??= new Float64Array(2 * MOST_LATE);
    late[2 * this.#count] = number;
    late[2 * this.#count++ + 1] = highest;
  }

  /**
   * A report has come.
   *
   * @param reported The highest number that it tells of.
   * @returns Holes so far.
   */
  take(reported: number): number {
    const late = this.#late;
    let kept = 0;
    for (let i = 0; i < this.#count; i++) {
      const number = late![2 * i]!;
      const highest = late![2 * i + 1]!;
      if (highest < reported - OVERTAKEN) this.#holes--;
      else if (number > reported) {
        late![2 * kept] = number;
        late![2 * kept++ + 1] = highest;
      }
    }
    this.#count = kept;
    this.#reported = Math.max(this.#reported, reported);
    return this.#holes;
  }
}
