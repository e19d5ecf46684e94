/**
 * What receivers say that they could take (REMB, draft-alvestrand-rmcat-remb-03), where they do not
 * tell when packets came.
 *
 * They reckon it by what comes, and end at half as much again: of what is not sent it says nothing.
 * So it is no limit by itself. What is less than is sent, and stays so, is: then it is followed,
 * and after a pause more is tried, as nothing else could show that there is more.
 *
 * Contract: a rate, `Infinity` until something was too much. Nothing allocates.
 *
 * @module
 */

/** It comes once or twice a second; after five silent seconds it says nothing about now. */
const STALE_MS = 5_000;
/** Receivers that say it for each video apart are added up: so many streams that they name… */
const STREAMS = 64;
/** …and so many of one message: those they all have in common are among them. */
const NAMED = 32;
/** Who names none means all. */
const ALL = 0;
/** What is sent is measured over so long at least, ms. */
const MEASURE_MS = 400;
/** They count neither headers nor sound, so a little less than is sent is all of it. */
const ENOUGH = 0.9;
/** Less has to stay for so long, ms: it was a moment's otherwise, or grows with what is sent… */
const STAYS_MS = 1_200;
const RISES = 1.02;
/** …unless it falls so deep below what was said before, and what is sent. */
const COLLAPSE = 0.6;
/** Growth takes longer: who says so much more at once has found what comes through a full path. */
const LEAPS = 1.1;
/** Having followed, what is said once more is no news; so much less is. */
const LESS = 0.95;
/** How fast more is tried. */
const GROWTH_PER_S = 1.2;
/** Pause after it was too much, ms, doubled while that comes again. */
const HOLD_MS = 6_000;
const MOST_HOLD_MS = 30_000;
/** Who was left alone for so many pauses begins with the first one. */
const FORGETS = 3;

/** The signal of one path. */
export class RembSignal {
  /** When it was too much the last time. */
  loweredAt = -Infinity;
  readonly #streams = new Uint32Array(STREAMS);
  /** The message that named it last, and what that said: noted with the first it names. */
  readonly #messages = new Uint32Array(STREAMS);
  readonly #said = new Float64Array(STREAMS);
  readonly #saidAt = new Float64Array(STREAMS).fill(-Infinity);
  #message = 0;
  #bps = Infinity;
  #heardAt = -Infinity;
  /** Sent since then, bytes, and the rate before, bits/s. */
  #bytes = 0;
  #measuredAt = -1;
  #sentBps = 0;
  #totalBps = 0;
  /** Since when it is less than is sent, and what it was then; -1: it is enough. */
  #lowAt = -1;
  #lowBps = 0;
  /** What was followed, as it has grown since; it has to be other than that to be news. */
  #knownBps = Infinity;
  #grownAt = -Infinity;
  #holdUntil = -Infinity;
  #holdMs = HOLD_MS / 2;

  /** Whether anything was said lately. */
  isHeard(now: number): boolean {
    return now - this.#heardAt <= STALE_MS;
  }

  sent(bytes: number, now: number): void {
    if (this.#measuredAt < 0) this.#measuredAt = now;
    this.#bytes += bytes;
  }

  /**
   * Somebody says how much could be taken.
   *
   * @param ssrcs `ssrcs[0..count)` are the streams it names: it takes the place of all that was
   * said of any of them, as receivers name those that came lately, and repairs have their own.
   */
  said(bps: number, ssrcs: Uint32Array, count: number, now: number): void {
    const wasHeard = this.isHeard(now);
    this.#heardAt = now;
    this.#note(bps, ssrcs, Math.min(count, NAMED), now);
    const elapsed = now - this.#measuredAt;
    if (this.#measuredAt >= 0 && elapsed >= MEASURE_MS) {
      this.#sentBps = this.#bytes * 8_000 / elapsed;
      this.#bytes = 0;
      this.#measuredAt = now;
    }
    this.#judge(this.#total(now), wasHeard, now);
  }

  /**
   * What may be sent.
   *
   * @param mostBps No more is of use.
   */
  update(mostBps: number, now: number): number {
    const elapsedS = Math.min(1, Math.max(0, now - this.#grownAt) / 1_000);
    this.#grownAt = now;
    // (Without anything to compare it with what was too much is tried, too.)
    const isLow = this.#lowAt >= 0 && this.isHeard(now);
    if (this.#bps === Infinity || isLow || now < this.#holdUntil) return this.#bps;
    if (this.#bps < mostBps) this.#bps = Math.min(mostBps, this.#bps * GROWTH_PER_S ** elapsedS);
    return this.#bps;
  }

  clear(): void {
    this.#saidAt.fill(-Infinity);
    this.#bps = Infinity;
    this.loweredAt =
      this.#heardAt =
      this.#grownAt =
      this.#holdUntil =
        -Infinity;
    this.#knownBps = Infinity;
    this.#bytes = this.#sentBps = this.#totalBps = 0;
    this.#measuredAt = this.#lowAt = -1;
    this.#holdMs = HOLD_MS / 2;
  }

  #note(bps: number, ssrcs: Uint32Array, count: number, now: number): void {
    this.#message++;
    if (count === 0) {
      this.#saidAt.fill(-Infinity);
      this.#put(ALL, bps, now);
      return;
    }
    this.#forget(ALL);
    for (let i = 0; i < count; i++) this.#forget(ssrcs[i]!);
    for (let i = 0; i < count; i++) this.#put(ssrcs[i]!, i === 0 ? bps : 0, now);
  }

  /** Forgets the message that named a stream last. */
  #forget(ssrc: number): void {
    for (let i = 0; i < STREAMS; i++) {
      if (this.#streams[i] !== ssrc || this.#saidAt[i] === -Infinity) continue;
      const message = this.#messages[i];
      for (let j = 0; j < STREAMS; j++) {
        if (this.#messages[j] === message) this.#saidAt[j] = -Infinity;
      }
    }
  }

  #put(ssrc: number, bps: number, now: number): void {
    let slot = 0;
    for (let i = 1; i < STREAMS; i++) if (this.#saidAt[i]! < this.#saidAt[slot]!) slot = i;
    this.#streams[slot] = ssrc;
    this.#messages[slot] = this.#message;
    this.#said[slot] = bps;
    this.#saidAt[slot] = now;
  }

  #total(now: number): number {
    let total = 0;
    for (let i = 0; i < STREAMS; i++) {
      if (now - this.#saidAt[i]! <= STALE_MS) total += this.#said[i]!;
    }
    return total;
  }

  #judge(total: number, wasHeard: boolean, now: number): void {
    const before = wasHeard ? this.#totalBps : Infinity;
    this.#totalBps = total;
    if (total >= this.#sentBps * ENOUGH) {
      this.#lowAt = -1;
      this.#knownBps = Infinity;
      // As much as it says it takes as well.
      if (now >= this.#holdUntil) this.#bps = Math.max(this.#bps, total);
      return;
    }
    const isLeap = total > before * LEAPS;
    if (this.#lowAt < 0 && !isLeap && total >= this.#knownBps * LESS) {
      this.#knownBps = Math.max(this.#knownBps, total);
      return;
    }
    const isCollapse = total < COLLAPSE * Math.min(before, this.#sentBps);
    if (this.#lowAt < 0 || isLeap || total > this.#lowBps * RISES) {
      this.#lowAt = now;
      this.#lowBps = total;
    }
    if (isCollapse || now - this.#lowAt >= STAYS_MS) this.#follow(total, now);
  }

  #follow(total: number, now: number): void {
    this.#knownBps = total;
    this.#lowAt = -1;
    if (total >= this.#bps) return;
    const isAgain = now >= this.#holdUntil;
    if (now - this.#holdUntil > FORGETS * this.#holdMs) this.#holdMs = HOLD_MS / 2;
    if (isAgain) this.#holdMs = Math.min(MOST_HOLD_MS, this.#holdMs * 2);
    this.#bps = total;
    this.#holdUntil = now + this.#holdMs;
    this.loweredAt = now;
  }
}
