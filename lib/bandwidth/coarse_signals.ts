/**
 * What is known of a path without transport-wide feedback, or beside it: what the receiver says it
 * can take (REMB), loss in reception reports, and what waits in the socket of a TCP path.
 *
 * Contract: each is a rate, `Infinity` while nothing is known. Nothing allocates.
 *
 * @module
 */
import type { LimitedBy } from "./estimate_options.ts";
import { RembSignal } from "./remb_signal.ts";

/** Loss in reports that lowers the rate, and that lets it grow (draft-ietf-rmcat-gcc-02 §6). */
const HIGH_LOSS = 0.1;
const LOW_LOSS = 0.02;
const LOSS_WEIGHT = 0.3;
/** For each report, which come about once a second; neither more often than this, ms. */
const GROWTH = 1.08;
const FALL_GAP_MS = 900;
/** A socket is looked at over so long, ms. */
const TCP_WINDOW_MS = 100;
/** What waits longer in it than this is too much, ms… */
const TCP_MAX_WAIT_MS = 150;
/** …but not so few bytes. */
const TCP_MIN_BYTES = 6_000;
const TCP_BETA = 0.85;
const TCP_STALLED = 0.7;
/** An empty socket: what leaves is all there is, and more can be tried: sound overtakes it. */
const TCP_GROWTH_PER_S = 1.5;
/** Pause after it was too much, ms, doubled while that comes again. */
const TCP_HOLD_MS = 2_000;
const TCP_MAX_HOLD_MS = 60_000;

/** The coarse signals of one path. */
export class CoarseSignals {
  /** Loss in reports, smoothed, 0–1. */
  lossFraction = 0;
  readonly remb = new RembSignal();
  #loweredAt = -Infinity;
  /** The rate where nobody says anything. */
  #blindBps = 0;
  #rembBps = Infinity;
  #lossBps = Infinity;
  #fellAt = -Infinity;
  #grewAt = -Infinity;
  #tcpBps = Infinity;
  #tcpAt = -1;
  #tcpQueued = 0;
  #tcpSent = 0;
  #holdUntil = -Infinity;
  #holdMs = TCP_HOLD_MS;

  /** When one of them fell. */
  get loweredAt(): number {
    return Math.max(this.#loweredAt, this.remb.loweredAt);
  }

  get lossBps(): number {
    return this.#lossBps;
  }

  get tcpBps(): number {
    return this.#tcpBps;
  }

  get isTcp(): boolean {
    return this.#tcpAt >= 0;
  }

  /**
   * What may be sent while nobody tells when packets came.
   *
   * @param mostBps No more is of use.
   */
  bps(mostBps: number, now: number): number {
    const remb = this.#rembBps = this.remb.update(mostBps, now);
    if (remb !== Infinity) return Math.min(remb, this.#lossBps);
    // On TCP the socket alone says how far it goes.
    return Math.min(this.isTcp ? this.#tcpBps : this.#blindBps, this.#lossBps);
  }

  /** What keeps it there; on TCP the socket does. */
  get cause(): LimitedBy {
    if (this.#lossBps < this.#rembBps) return "loss";
    return this.#rembBps === Infinity ? "start" : "remb";
  }

  /** Begins anew at a rate. */
  restore(bps: number): void {
    this.#blindBps = bps;
  }

  /**
   * @param fraction Lost, 0–1.
   * @param currentBps The estimate as it is.
   * @param mostBps Growth ends there.
   */
  report(fraction: number, currentBps: number, mostBps: number, now: number): void {
    this.lossFraction += LOSS_WEIGHT * (fraction - this.lossFraction);
    if (fraction > HIGH_LOSS && now - this.#fellAt >= FALL_GAP_MS) {
      this.#lossBps = currentBps * (1 - fraction / 2);
      this.#fellAt = this.#loweredAt = now;
    } else if (fraction < LOW_LOSS) this.#grow(mostBps, now);
    if (fraction > 0 || this.#lossBps !== Infinity) return;
    this.#blindBps = Math.max(this.#blindBps, Math.min(this.#blindBps * GROWTH, mostBps));
  }

  sent(bytes: number, now: number): void {
    this.#tcpSent += bytes;
    this.remb.sent(bytes, now);
  }

  /**
   * @param dropped Bytes that were sent since the last look and neither wait nor were taken.
   * @param currentBps The estimate as it is.
   */
  tcpQueue(queued: number, dropped: number, currentBps: number, now: number): void {
    if (this.#tcpAt < 0) {
      this.#tcpAt = now;
      this.#tcpQueued = queued;
      this.#tcpSent = 0;
      this.#tcpBps = currentBps;
      return;
    }
    this.#tcpSent -= dropped;
    const elapsed = now - this.#tcpAt;
    if (elapsed < TCP_WINDOW_MS) return;
    const drained = Math.max(0, this.#tcpSent + this.#tcpQueued - queued);
    const drainedBps = drained * 8_000 / elapsed;
    const waitMs = drainedBps > 0 ? queued * 8_000 / drainedBps : Infinity;
    if (queued > TCP_MIN_BYTES && waitMs > TCP_MAX_WAIT_MS) {
      this.#tcpFell(drainedBps, currentBps, now);
    } else if (queued === 0 && now >= this.#holdUntil) {
      this.#tcpBps *= TCP_GROWTH_PER_S ** Math.min(1, elapsed / 1000);
      this.#holdMs = Math.max(TCP_HOLD_MS, this.#holdMs - elapsed / 10);
    }
    this.#tcpAt = now;
    this.#tcpQueued = queued;
    this.#tcpSent = 0;
  }

  /** Keeps what grows from running away: no further than this. */
  limit(bps: number): void {
    if (this.#lossBps > bps) this.#lossBps = Infinity;
    if (this.isTcp) this.#tcpBps = Math.min(this.#tcpBps, bps);
  }

  clear(): void {
    this.lossFraction = 0;
    this.remb.clear();
    this.#rembBps = this.#lossBps = this.#tcpBps = Infinity;
    this.#fellAt = this.#grewAt = this.#holdUntil = -Infinity;
    this.#tcpAt = -1;
    this.#holdMs = TCP_HOLD_MS;
  }

  /** Reports come for each stream; one of them raises it. Above all that is wanted it is none. */
  #grow(mostBps: number, now: number): void {
    if (now - this.#grewAt < FALL_GAP_MS) return;
    this.#grewAt = now;
    this.#lossBps *= GROWTH;
    if (mostBps > 0 && this.#lossBps > mostBps) this.#lossBps = Infinity;
  }

  #tcpFell(drainedBps: number, currentBps: number, now: number): void {
    const base = drainedBps > 0 ? drainedBps * TCP_BETA : currentBps * TCP_STALLED;
    this.#tcpBps = Math.min(this.#tcpBps, base);
    if (now >= this.#holdUntil) this.#holdMs = Math.min(TCP_MAX_HOLD_MS, this.#holdMs * 2);
    this.#holdUntil = now + this.#holdMs;
    this.#loweredAt = now;
  }
}
