/**
 * Records when packets of one connection arrived, by transport-wide sequence number, and says when
 * and what to report to the sender (draft-holmer-rmcat-transport-wide-cc-extensions-01).
 *
 * One recorder per connection, never per track: the numbers run over all of its streams. Every
 * number between two reports is reported exactly once, as arrived or not; a packet that comes after
 * it was reported lost moves the next report back to itself. Memory is fixed and taken with the
 * first packet, because most connections never bring one; after it nothing allocates.
 *
 * @module
 */
import { extendSeq, type ExtSeq } from "../../wire/seq.ts";
import {
  DELTA_MICROS,
  MAX_FEEDBACK_STATUSES,
  NOT_RECEIVED,
  REFERENCE_TIME_MICROS,
  type TransportFeedback,
} from "../../wire/transport_cc.ts";

/** Numbers remembered, a power of two: more than a second at 10,000 packets/s of feedback delay. */
const HISTORY = 2048;
const MASK = HISTORY - 1;
/** Longest wait before a report, ms. */
const INTERVAL_MS = 100;
/** Wait after the last packet of a frame, ms. */
const MARKER_INTERVAL_MS = 50;
/** More packets than this are reported at once. */
const MAX_HELD = 100;
/** Shared by all that have recorded nothing. */
const NOTHING = new Float64Array(0);
const TICKS_PER_REFERENCE = REFERENCE_TIME_MICROS / DELTA_MICROS;

/**
 * One connection's arrivals. Every number between two reports is reported once, as arrived or lost,
 * but for what comes after it was reported lost; memory is fixed.
 */
export class TransportFeedbackRecorder {
  /** Arrival in 250 µs ticks for `#highest - HISTORY + 1 .. #highest`; -1 is "not arrived". */
  #ticks: Float64Array = NOTHING;
  #started = false;
  #highest = 0 as ExtSeq;
  /** First number of the next report. */
  #nextBase = 0;
  #held = 0;
  #dueAt = Infinity;
  #feedbackCount = 0;

  /**
   * Records one arrival.
   *
   * @param sequence 16 bits, from the header extension.
   * @param arrivalMicros Monotonic microseconds, an integer ≥ 0; `now * 1000` will do.
   * @param marker The RTP marker bit: a frame has ended, so a report is wanted sooner.
   */
  record(sequence: number, arrivalMicros: number, marker: boolean, now: number): void {
    if (!this.#started) {
      this.#started = true;
      this.#ticks = new Float64Array(HISTORY).fill(-1);
      this.#highest = (0x10000 + sequence) as ExtSeq;
      this.#nextBase = this.#highest;
    }
    const ext = extendSeq(sequence, this.#highest);
    if (ext <= this.#highest - HISTORY) return;
    if (ext > this.#highest) this.#advance(ext);
    if (this.#ticks[ext & MASK] !== -1) return; // seen; the first arrival counts
    this.#ticks[ext & MASK] = Math.floor(arrivalMicros / DELTA_MICROS);
    if (ext < this.#nextBase) this.#nextBase = ext;
    this.#held++;
    const wait = this.#held > MAX_HELD ? 0 : marker ? MARKER_INTERVAL_MS : INTERVAL_MS;
    if (now + wait < this.#dueAt) this.#dueAt = now + wait;
  }

  /** When {@linkcode take} should be called; `Infinity` while there is nothing to report. */
  nextWakeAt(): number {
    return this.#dueAt;
  }

  /** Whether a report is due. */
  due(now: number): boolean {
    return now >= this.#dueAt;
  }

  /**
   * Fills `into` with the next report. Call until it returns `false`: times too far apart, or too
   * many numbers, make more than one.
   */
  take(into: TransportFeedback): boolean {
    if (!this.#started) return false;
    let lastArrived = this.#highest as number;
    while (lastArrived >= this.#nextBase && this.#ticks[lastArrived & MASK] === -1) lastArrived--;
    let first = this.#nextBase;
    while (first <= lastArrived && this.#ticks[first & MASK] === -1) first++;
    if (this.#held === 0 || first > lastArrived) {
      this.#held = 0;
      this.#dueAt = Infinity;
      return false;
    }
    // A long loss before the first arrival must not fill the message.
    if (first - this.#nextBase >= MAX_FEEDBACK_STATUSES) this.#nextBase = first;
    const reference = Math.floor(this.#ticks[first & MASK]! / TICKS_PER_REFERENCE);
    into.baseSequence = this.#nextBase & 0xffff;
    into.referenceTime = (reference << 8) >> 8;
    into.feedbackCount = this.#feedbackCount;
    this.#feedbackCount = (this.#feedbackCount + 1) & 0xff;
    into.statusCount = this.#fill(into.deltas, lastArrived, reference * TICKS_PER_REFERENCE);
    this.#nextBase += into.statusCount;
    return true;
  }

  /** Writes deltas from `#nextBase` on; returns how many statuses fit this message. */
  #fill(deltas: Int32Array, lastArrived: number, referenceTick: number): number {
    let previous = referenceTick;
    let count = 0;
    for (
      let seq = this.#nextBase;
      seq <= lastArrived && count < MAX_FEEDBACK_STATUSES;
      seq++, count++
    ) {
      const tick = this.#ticks[seq & MASK]!;
      if (tick === -1) {
        deltas[count] = NOT_RECEIVED;
        continue;
      }
      const delta = tick - previous;
      if (delta < -0x8000 || delta > 0x7fff) break;
      deltas[count] = delta;
      previous = tick;
    }
    // A message ends with an arrival: what is lost behind it may still come before the next one.
    while (count > 0 && deltas[count - 1] === NOT_RECEIVED) count--;
    return count;
  }

  #advance(ext: ExtSeq): void {
    const from = Math.max(this.#highest + 1, ext - HISTORY + 1);
    for (let seq = from; seq <= ext; seq++) this.#ticks[seq & MASK] = -1;
    this.#highest = ext;
    if (this.#nextBase <= ext - HISTORY) this.#nextBase = ext - HISTORY + 1;
  }
}
