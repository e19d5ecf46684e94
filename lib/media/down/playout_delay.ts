/**
 * How long one subscriber is told to wait before it shows a picture of one track, and for how long
 * that has to be said: in each packet until one of them has arrived.
 *
 * Source: LiveKit's server 1.13.5, `pkg/sfu/playoutdelay.go`; values as the header extension
 * `playout-delay` of libwebrtc has them. Pure.
 *
 * @module
 */
import type { PlayoutDelayRange } from "../../base/media_vocabulary.ts";

/** What is told is in steps of so many ms, and at most 12 bits. */
const STEP_MS = 10;
const MAX_MS = 40_950;
/** The most a subscriber waits where only a least was configured, ms. */
const DEFAULT_MAX_MS = 10_000;
/** Where packets come unevenly by so much jitter, the wait is so many times that. */
const JITTER_FACTOR = 10;
/** Above so many requests for a hundred packets each costs so many ms more. */
const MANY_NACKS_PERCENT = 60;
const NACK_COST_MS = 2;
/**
 * Where so many are asked for again, in percent, pictures wait for what is sent again: a round
 * trip, and so many ms until it is missed and asked for. Receivers do not by themselves:
 * libwebrtc's leave pictures that came late for that out of what they reckon the wait by.
 */
const SOME_NACKS_PERCENT = 1;
const ASKED_MS = 60;
/** …and for so long after that, ms: a wait that comes and goes is seen, too. */
const LOSSY_MS = 10_000;
/**
 * What is sent again is lost as well, or the request for it, and a picture has a dozen packets: for
 * each so many that are asked for again, in percent, one request more is waited for. libwebrtc's
 * receivers, who know no round trip, make it after 100 ms, looked at each 20.
 */
const LATER_REQUEST_PERCENT = 4;
const LATER_REQUEST_MS = 120;
const MOST_LATER_REQUESTS = 2;
/**
 * Who tells what arrived gets what it misses though its request was lost: that comes later by what
 * lies between two messages of feedback, 50 ms as a rule.
 */
const TOLD_MS = 80;
/**
 * Unasked nobody waits for longer than this, ms: what is said would be answered too late. A single
 * packet is a percent of a second of video, so without being asked the share is a mean over some
 * reports; over few at first.
 */
const MOST_UNASKED_MS = 300;
/** Who waits goes on though the way is so much longer, ms: round trips shake. */
const FARTHER_MS = 40;
const REPORTS = 7;
const FIRST_REPORTS = 3;
/**
 * A change is said for so long at least, ms. libwebrtc's receivers take what a picture's first
 * packet says when all of its packets have come, so what came before the change, and lacked one,
 * says the former wait after the later one was said and acknowledged.
 */
const SAID_MS = 1_000;
/** The wait changes by no more than this in a second, ms: faster changes are seen. */
const MAX_CHANGE_MS = 80;

/** One down-track's delay: told until the subscriber has it, and again when it is another. */
export class PlayoutDelay {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #followsJitter: boolean;
  readonly #onlyRepairs: boolean;
  #currentMs: number;
  /** Packets asked for again, percent, as a mean over so many reports. */
  #nacksPercent = 0;
  #reports = FIRST_REPORTS;
  /** The round trip, ms, as such a mean; negative while it is not known. */
  #rttMs = -1;
  /** When it was measured last. */
  #measuredAt = -Infinity;
  /** When what is told became another. */
  #changedAt = -Infinity;
  /** Something was asked for again a moment ago. */
  #lossyUntil = -Infinity;
  /** Requests that are waited for after the first, and until when at least. */
  #laterRequests = 0;
  #laterUntil = -Infinity;
  #isTold = false;
  /**
   * The number of the first packet that said so; -1 before it, -2 when that has arrived, or there
   * is nothing to say.
   */
  #since = -1;
  /** The highest number of a packet so far, extended. */
  #highest = -1;

  /** @param former What told the same subscriber under the same numbers before. */
  constructor(
    { minMs, maxMs, followsJitter, onlyRepairs = false }: PlayoutDelayRange,
    former?: PlayoutDelay,
  ) {
    this.#onlyRepairs = onlyRepairs;
    if (onlyRepairs) this.#since = -2;
    this.#minMs = Math.min(minMs, MAX_MS);
    const most = maxMs === 0 && (minMs > 0 || onlyRepairs) ? DEFAULT_MAX_MS : maxMs;
    this.#maxMs = Math.min(MAX_MS, Math.max(most, this.#minMs));
    this.#followsJitter = followsJitter;
    this.#currentMs = this.#minMs;
    if (former !== undefined) this.#goOn(former);
  }

  /** What was told may hold for what plays the stream now, or be forgotten: it is told again. */
  #goOn(former: PlayoutDelay): void {
    this.#currentMs = Math.min(this.#maxMs, Math.max(this.#minMs, former.#currentMs));
    this.#nacksPercent = former.#nacksPercent;
    this.#reports = former.#reports;
    this.#rttMs = former.#rttMs;
    this.#measuredAt = former.#measuredAt;
    this.#changedAt = former.#changedAt;
    this.#lossyUntil = former.#lossyUntil;
    this.#laterRequests = former.#laterRequests;
    this.#laterUntil = former.#laterUntil;
    this.#highest = former.#highest;
    if (former.#since !== -2 || this.#currentMs > 0) this.#since = -1;
  }

  /** What the packet with this extended number says: two values of 12 bits; -1 for nothing. */
  valueFor(sequence: number): number {
    const newest = this.#highest;
    if (sequence > newest) this.#highest = sequence;
    if (this.#since === -2) return -1;
    // A late packet's number says nothing: higher ones left before it.
    if (this.#since === -1) this.#since = (sequence < newest ? newest + 1 : sequence) & 0xffff;
    return (Math.round(this.#currentMs / STEP_MS) << 12) | Math.round(this.#maxMs / STEP_MS);
  }

  /** The subscriber has reported packets up to this number, 16 bits. */
  acknowledged(highest: number, now: number): void {
    if (now - this.#changedAt < SAID_MS) return;
    if (this.#since < 0 || ((highest - this.#since) & 0xffff) >= 0x8000) return;
    this.#since = -2;
  }

  /**
   * How evenly packets come.
   *
   * @param nacksPercent Packets asked for again, or missed, of a hundred that were sent.
   * @param rttMs Round trip to the subscriber; negative if it is not known.
   * @param isTold It tells what arrived, and what did not is sent again before it is asked for.
   */
  measured(
    jitterMs: number,
    nacksPercent: number,
    now: number,
    rttMs: number = -1,
    isTold: boolean = false,
  ): void {
    if (!this.#followsJitter) return;
    this.#isTold = isTold;
    const excess = Math.max(0, nacksPercent - MANY_NACKS_PERCENT);
    this.#nacksPercent += (nacksPercent - this.#nacksPercent) / this.#reports;
    if (this.#rttMs < 0) this.#rttMs = rttMs;
    else if (rttMs >= 0) this.#rttMs += (rttMs - this.#rttMs) / this.#reports;
    this.#reports = Math.min(REPORTS, this.#reports + 1);
    const lost = this.#onlyRepairs ? this.#nacksPercent : nacksPercent;
    if (lost >= SOME_NACKS_PERCENT) this.#lossyUntil = now + LOSSY_MS;
    this.#countLaterRequests(now);
    const resentMs = now < this.#lossyUntil && rttMs >= 0 ? this.#repairsMs(rttMs) : 0;
    const unevenMs = jitterMs * JITTER_FACTOR + excess * NACK_COST_MS;
    const wanted = this.#onlyRepairs ? resentMs : Math.max(unevenMs, resentMs);
    const step = Math.min(1, (now - this.#measuredAt) / 1_000) * MAX_CHANGE_MS;
    const near = Math.min(this.#currentMs + step, Math.max(this.#currentMs - step, wanted));
    const nextMs = Math.min(this.#maxMs, Math.max(this.#minMs, near));
    this.#measuredAt = now;
    if (Math.round(nextMs / STEP_MS) !== Math.round(this.#currentMs / STEP_MS)) {
      this.#since = -1;
      this.#changedAt = now;
    }
    this.#currentMs = nextMs;
  }

  /** More at once, and fewer when they were too many for a while. */
  #countLaterRequests(now: number): void {
    const needed = Math.floor(this.#nacksPercent / LATER_REQUEST_PERCENT);
    const later = Math.min(MOST_LATER_REQUESTS, needed);
    if (later < this.#laterRequests && now < this.#laterUntil) return;
    this.#laterRequests = later;
    this.#laterUntil = now + LOSSY_MS;
  }

  /** Until what is lost has come: at the first request, and where much is lost at later ones. */
  #repairsMs(rttMs: number): number {
    if (!this.#onlyRepairs) return this.#allRepairsMs(rttMs + ASKED_MS, MAX_MS);
    const onceMs = this.#rttMs + ASKED_MS;
    const farthestMs = MOST_UNASKED_MS + (this.#currentMs > 0 ? FARTHER_MS : 0);
    return onceMs > farthestMs ? 0 : this.#allRepairsMs(onceMs, MOST_UNASKED_MS);
  }

  #allRepairsMs(onceMs: number, most: number): number {
    const laterMs = this.#isTold
      ? Math.min(1, this.#laterRequests) * TOLD_MS
      : this.#laterRequests * LATER_REQUEST_MS;
    return Math.min(most, onceMs + laterMs);
  }
}
