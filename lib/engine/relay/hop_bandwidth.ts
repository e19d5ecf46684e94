/**
 * Which layers of video may cross a hop, by what is lost and by how long datagrams queue, until an
 * estimate says it better.
 *
 * The highest layer goes first and at once; one comes back when the hop has been well for a while,
 * and longer each time that this was wrong. Audio and data go on whatever happens.
 *
 * @module
 */

/** Layers of a track at most. */
const MAX_LAYERS = 3;
/**
 * Losses are judged by so many datagrams over so long, ms, or after the longest time; at once when
 * so many are lost. Of few datagrams two may be lost anywhere.
 */
const JUDGED_DATAGRAMS = 100;
const JUDGED_MS = 500;
const MAX_JUDGED_MS = 5_000;
const MANY_LOST = 15;
/** Bad twice in a row, or once so much worse: few datagrams say little. */
const BAD_LOSS = 0.1;
const WORSE_LOSS = 0.2;
const BAD_QUEUE_MS = 100;
const GOOD_LOSS = 0.02;
const GOOD_QUEUE_MS = 50;
/** What was shed shows after so long, ms, and a round trip. */
const EFFECT_MS = 300;
/** A layer comes back after so long, ms. */
const FIRST_STEP_MS = 5_000;
const LAST_STEP_MS = 60_000;

/** What decides which layers may cross. */
export interface HopBandwidth {
  /** Layers that may cross, bit `1 << spatial` for each. */
  readonly allowedLayers: number;
  /** Of the last datagrams that were judged, 0 to 1. */
  readonly loss: number;
  /** Layers that were taken away. */
  readonly shed: number;
  /**
   * Takes what the other end said: datagrams that came and did not, and the queue they met.
   *
   * @returns Whether other layers are allowed than before.
   */
  report(came: number, lost: number, queueMs: number, rttMs: number, now: number): boolean;
}

/** By loss and queue. */
export class LossBandwidth implements HopBandwidth {
  #count = MAX_LAYERS;
  #came = 0;
  #lost = 0;
  #judgedAt = 0;
  /** Until then what was shed does not show. */
  #holdUntil = 0;
  #goodSince = 0;
  #raisedAt = -Infinity;
  #stepMs = FIRST_STEP_MS;
  /** The report before this one had met a queue: a thread that stands still makes one, too. */
  #wasQueued = false;
  loss = 0;
  shed = 0;

  get allowedLayers(): number {
    return (1 << this.#count) - 1;
  }

  report(came: number, lost: number, queueMs: number, rttMs: number, now: number): boolean {
    this.#came += came;
    this.#lost += lost;
    const total = this.#came + this.#lost;
    const isQueued = queueMs > BAD_QUEUE_MS && this.#wasQueued;
    this.#wasQueued = queueMs > BAD_QUEUE_MS;
    if (!isQueued && !this.#isJudgement(total, now)) return false;
    const wasBad = this.loss > BAD_LOSS;
    this.loss = total === 0 ? 0 : this.#lost / total;
    this.#came = this.#lost = 0;
    this.#judgedAt = now;
    const isLossy = this.loss > (wasBad ? BAD_LOSS : WORSE_LOSS);
    if (isQueued || isLossy) return this.#lower(rttMs, now);
    if (this.loss > GOOD_LOSS || queueMs > GOOD_QUEUE_MS) this.#goodSince = now;
    return this.#raise(now);
  }

  #isJudgement(total: number, now: number): boolean {
    const ms = now - this.#judgedAt;
    return ms >= MAX_JUDGED_MS || (ms >= JUDGED_MS && total >= JUDGED_DATAGRAMS) ||
      (this.#lost >= MANY_LOST && this.#lost > WORSE_LOSS * total);
  }

  #lower(rttMs: number, now: number): boolean {
    this.#goodSince = now;
    if (now < this.#holdUntil || this.#count === 0) return false;
    if (now - this.#raisedAt < this.#stepMs) {
      this.#stepMs = Math.min(LAST_STEP_MS, 2 * this.#stepMs);
    }
    this.#holdUntil = now + EFFECT_MS + rttMs;
    this.#count--;
    this.shed++;
    return true;
  }

  #raise(now: number): boolean {
    if (this.#count === MAX_LAYERS) {
      if (now - this.#raisedAt > LAST_STEP_MS) this.#stepMs = FIRST_STEP_MS;
      return false;
    }
    if (now - this.#goodSince < this.#stepMs) return false;
    this.#goodSince = this.#raisedAt = now;
    this.#count++;
    return true;
  }
}
