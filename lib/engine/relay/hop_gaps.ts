/**
 * Which numbers of media have not come, and when each is to be asked for.
 *
 * A gap is asked for once it is older than reordering usually is, and then twice in a round trip,
 * because the question may be lost; the sender takes care not to answer twice. Memory is
 * fixed; what is too old is given up.
 *
 * @module
 */

/** Numbers that are remembered; a power of two. */
const CAPACITY = 1024;
/** A number is asked for so often at most, and given up after so long, ms. */
const MAX_TRIES = 20;
const LIFETIME_MS = 600;
const FIRST_TOLERANCE_MS = 4;
const MAX_TOLERANCE_MS = 60;
/** What was tolerated for nothing shrinks by this with every {@linkcode HopGaps.settle}. */
const SETTLING = 0.995;
/** Beside the round trip, ms. */
const RETRY_MARGIN_MS = 5;

const NONE = -1;

/** The missing numbers of one direction. */
export class HopGaps {
  readonly #seq = new Float64Array(CAPACITY).fill(NONE);
  readonly #dueAt = new Float64Array(CAPACITY);
  readonly #lostAt = new Float64Array(CAPACITY);
  readonly #tries = new Uint8Array(CAPACITY);
  #count = 0;
  /** No missing number is below. */
  #lowest = 0;
  /** The number that is expected next. */
  #next = 0;
  #wakeAt = Infinity;
  #toleranceMs = FIRST_TOLERANCE_MS;
  /** Numbers that were given up. */
  lost = 0;
  /** Numbers that were asked for. */
  asked = 0;

  /** Above everything that came, or is known to have been sent. */
  get next(): number {
    return this.#next;
  }

  get count(): number {
    return this.#count;
  }

  get wakeAt(): number {
    return this.#wakeAt;
  }

  /** All below `next` were sent. */
  expect(next: number, now: number): void {
    const from = Math.max(this.#next, next - CAPACITY);
    this.lost += from - this.#next;
    for (let seq = from; seq < next; seq++) this.#add(seq, now);
    if (next > this.#next) this.#next = next;
  }

  /**
   * A number came for the first time.
   *
   * @param isRepair It was sent again.
   */
  arrived(seq: number, isRepair: boolean, now: number): void {
    if (seq >= this.#next) {
      this.expect(seq, now);
      this.#next = seq + 1;
      return;
    }
    const slot = seq & (CAPACITY - 1);
    if (this.#seq[slot] !== seq) return;
    if (!isRepair) {
      const lateMs = 1.25 * (now - this.#lostAt[slot]!) + 1;
      this.#toleranceMs = Math.min(MAX_TOLERANCE_MS, Math.max(this.#toleranceMs, lateMs));
    }
    this.#remove(slot);
  }

  /** Lets the tolerance of reordering shrink a little; once per feedback. */
  settle(): void {
    this.#toleranceMs = Math.max(FIRST_TOLERANCE_MS, this.#toleranceMs * SETTLING);
  }

  /**
   * Writes the numbers that are due, in pairs of words: a number, and a bit for each of the 32
   * after it.
   *
   * @returns Pairs that were written.
   */
  collect(words: Int32Array, at: number, maxPairs: number, now: number, rttMs: number): number {
    if (now < this.#wakeAt) return 0;
    let pairs = 0;
    let first = -Infinity;
    this.#wakeAt = Infinity;
    let lowest = this.#next;
    for (let seq = Math.max(this.#lowest, this.#next - CAPACITY); seq < this.#next; seq++) {
      const slot = seq & (CAPACITY - 1);
      if (this.#seq[slot] !== seq) continue;
      if (now - this.#lostAt[slot]! > LIFETIME_MS || this.#tries[slot]! >= MAX_TRIES) {
        this.#remove(slot);
        this.lost++;
        continue;
      }
      if (seq < lowest) lowest = seq;
      if (this.#dueAt[slot]! <= now) {
        const isNear = seq - first <= 32;
        if (isNear) words[at + 2 * pairs - 1]! |= 1 << (seq - first - 1);
        else if (pairs < maxPairs) {
          words[at + 2 * pairs] = first = seq;
          words[at + 2 * pairs + 1] = 0;
          pairs++;
        }
        if (isNear || first === seq) {
          this.asked++;
          this.#tries[slot]!++;
          this.#dueAt[slot] = now + 0.55 * rttMs + RETRY_MARGIN_MS;
        }
      }
      this.#wakeAt = Math.min(this.#wakeAt, this.#dueAt[slot]!);
    }
    this.#lowest = lowest;
    return pairs;
  }

  reset(): void {
    this.#seq.fill(NONE);
    this.#count = this.#lowest = this.#next = 0;
    this.#wakeAt = Infinity;
  }

  #add(seq: number, now: number): void {
    const slot = seq & (CAPACITY - 1);
    if (this.#seq[slot] !== NONE) this.lost++;
    else this.#count++;
    if (this.#count === 1) this.#lowest = seq;
    this.#seq[slot] = seq;
    this.#lostAt[slot] = now;
    this.#dueAt[slot] = now + this.#toleranceMs;
    this.#tries[slot] = 0;
    this.#wakeAt = Math.min(this.#wakeAt, this.#dueAt[slot]!);
  }

  #remove(slot: number): void {
    this.#seq[slot] = NONE;
    this.#count--;
    if (this.#count === 0) this.#wakeAt = Infinity;
  }
}
