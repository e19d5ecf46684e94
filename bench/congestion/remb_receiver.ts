/**
 * A receiver that tells no arrivals and says how much it could take (REMB), as aiortc and old
 * versions of libwebrtc do: what it reckons follows what comes, and is hardly more than half as
 * much again (draft-ietf-rmcat-gcc-02 §5.5, at the receiving end).
 *
 * @module
 */
import { ArrivalGroups } from "../../lib/bandwidth/arrival_groups.ts";
import { QUEUE, Trendline } from "../../lib/bandwidth/trendline.ts";

const INTERVAL_MS = 500;
/** Reports of loss come so often, ms. */
export const REPORT_MS = 1_000;
/** Rates are taken of so long, ms. */
const WINDOW_MS = 1_000;
/** Nothing is said before so long, unless the queue grows, ms. */
const START_MS = 3_000;
const BETA = 0.85;
const GROWTH = 1.08;
/** Where a limit was met: bits a second more each second. */
const NEAR_GROWTH_BPS = 18_000;
const MOST_FACTOR = 1.5;
const MOST_MORE_BPS = 10_000;

/** The receiving end of one flow. */
export class RembReceiver {
  readonly #groups = new ArrivalGroups();
  readonly #trendline = new Trendline();
  readonly #arrived: { readonly at: number; readonly bytes: number }[] = [];
  #windowBytes = 0;
  #startedAt = -1;
  #saidAt = -Infinity;
  #bps = 30_000_000;
  #isKnown = false;
  #limitBps = Infinity;
  #isHeld = true;
  #changedAt = 0;

  /** A packet came, which says when it left. */
  receive(bytes: number, sentAt: number, arrivedAt: number): void {
    if (this.#startedAt < 0) this.#startedAt = arrivedAt;
    this.#arrived.push({ at: arrivedAt, bytes });
    this.#windowBytes += bytes;
    if (!this.#groups.add(sentAt, arrivedAt, arrivedAt)) return;
    const { sendDeltaMs, arrivalDeltaMs } = this.#groups;
    this.#trendline.add(sendDeltaMs, arrivalDeltaMs, arrivedAt, arrivedAt);
  }

  /** What it says now, bits a second, if it says anything. */
  say(now: number): number | undefined {
    if (this.#startedAt < 0) return undefined;
    const grows = this.#trendline.state === QUEUE.grows;
    if (now - this.#saidAt < INTERVAL_MS && !(grows && !this.#isHeld)) return undefined;
    const incoming = this.#incoming(now);
    if (!this.#isKnown && !grows) {
      if (now - this.#startedAt < START_MS) return undefined;
      this.#bps = incoming;
      this.#isKnown = true;
    }
    this.#isKnown = true;
    this.#update(incoming, grows, now);
    this.#saidAt = now;
    return Math.round(this.#bps);
  }

  #update(incoming: number, grows: boolean, now: number): void {
    const elapsedS = Math.min(1, (now - this.#changedAt) / 1_000);
    this.#changedAt = now;
    if (grows) {
      this.#bps = BETA * incoming;
      this.#limitBps = incoming;
      this.#isHeld = true;
      return;
    }
    if (this.#trendline.state === QUEUE.drains) {
      this.#isHeld = true;
      return;
    }
    if (this.#isHeld) {
      this.#isHeld = false;
      return;
    }
    if (incoming > this.#limitBps * 1.2) this.#limitBps = Infinity;
    const isNear = this.#limitBps !== Infinity;
    const grown = this.#bps +
      (isNear ? NEAR_GROWTH_BPS * elapsedS : this.#bps * (GROWTH ** elapsedS - 1));
    this.#bps = Math.min(grown, Math.max(this.#bps, MOST_FACTOR * incoming + MOST_MORE_BPS));
  }

  #incoming(now: number): number {
    while (this.#arrived.length > 0 && this.#arrived[0]!.at <= now - WINDOW_MS) {
      this.#windowBytes -= this.#arrived.shift()!.bytes;
    }
    const windowMs = Math.max(50, Math.min(WINDOW_MS, now - this.#startedAt));
    return this.#windowBytes * 8_000 / windowMs;
  }
}
