/**
 * How good the path of one track is: a score of 0–100 out of losses and missing layers, smoothed,
 * and the words and marks users see.
 *
 * Source: LiveKit's server 1.13.5, `pkg/sfu/connectionquality/scorer.go`. Pure: call
 * {@linkcode QualityScore.update} once per interval, of 5 s or less. A score rises slowly and falls
 * fast; it never falls below a floor while packets flow, so that a path that has recovered shows it
 * soon.
 *
 * @module
 */
import { ConnectionQuality } from "@livekit/protocol";

const BEST = 100;
/** A bad path with packets on it is not worse than this; a paused track is as good as this. */
const FLOOR = 30;
/** Scores above this are EXCELLENT… */
const GOOD = 80;
/** …above this GOOD… */
const POOR = 40;
/** …and above this POOR; the rest is LOST. */
const LOST = 20;
/** Part of a better score that is taken at once. */
const RISE = 0.4;
/** Part of a worse score that is taken at once. */
const FALL = 0.8;
/** What one missing spatial layer costs: one step of quality. */
const LAYER_COST = 35;
/**
 * What delay costs above that which nobody minds, by LiveKit's formula (which its own server does
 * not use): half the round trip and twice the jitter, ms.
 */
const UNNOTICED_DELAY_MS = 160;
const FREE_DELAY_MS = 120;
const DELAY_STEP_MS = 10;
/**
 * What comes in less than this, ms, counts for as much less, and nothing says nothing. LiveKit has
 * no shorter intervals.
 */
const USUAL_INTERVAL_MS = 5_000;
/** Part of an interval a track must have been unmuted for the interval to count. */
const UNMUTED_PART = 0.5;
/** Packet rates are compared in steps of 2 packets/s, up to 500. */
const RATE_STEP = 2;
const RATE_STEPS = 250;
/** The usual rate is known after this many intervals, and looked at again this often, ms. */
const RATE_READINGS = 10;
const RATE_INTERVAL_MS = 120_000;

/** One interval of a track. */
export interface QualityInterval {
  readonly durationMs: number;
  /** Packets that should have come. */
  readonly expected: number;
  readonly lost: number;
  /** Packets that look lost and are not this path's losses. */
  readonly outOfOrder: number;
  /** Spatial layers that should be there and are not, averaged over the interval. */
  readonly missingLayers: number;
  /** How long packets take, with what is waited for because they come unevenly; absent: unknown. */
  readonly delayMs?: number;
  /** Since the other side last reported; absent if it never did, or that says nothing. */
  readonly reportAgeMs?: number;
}

/** What 1 % of loss costs, by codec: each has other means against it. */
export function lossWeight(mime: string, inbandFec: boolean): number {
  if (mime.startsWith("video/")) return 10;
  const weight = mime === "audio/opus" ? 8 : mime === "audio/red" ? 4 : 0;
  return inbandFec ? weight / 1.5 : weight;
}

/** The word for a score. */
export function qualityOf(score: number): ConnectionQuality {
  if (score > GOOD) return ConnectionQuality.EXCELLENT;
  if (score > POOR) return ConnectionQuality.GOOD;
  return score > LOST ? ConnectionQuality.POOR : ConnectionQuality.LOST;
}

/** A score as a mean opinion score, 1.0–4.5 (ITU-T G.107 annex B). */
export function opinionOf(score: number): number {
  if (score <= 0) return 1;
  if (score >= BEST) return 4.5;
  return 1 + 0.035 * score + 7e-6 * score * (score - 60) * (100 - score);
}

/**
 * One track's score, updated once per interval: it falls fast, rises slowly, and stays above a
 * floor while packets flow. Times are monotonic milliseconds.
 */
export class QualityScore {
  #score = BEST;
  #weight: number;
  #updatedAt: number;
  #isMuted = false;
  #unmutedAt: number | undefined;
  #isPaused = false;
  readonly #rates = new UsualRate();

  /** @param weight See {@linkcode lossWeight}. */
  constructor(weight: number, now: number) {
    this.#weight = weight;
    this.#updatedAt = now;
  }

  get score(): number {
    return this.#score;
  }

  get quality(): ConnectionQuality {
    return qualityOf(this.#score);
  }

  /** The codec changed. */
  setWeight(weight: number): void {
    this.#weight = weight;
  }

  /** Nothing is meant to flow: that is no fault. A lost path stays lost until packets come. */
  setMuted(muted: boolean, now: number): void {
    if (muted && !this.#isMuted && this.#score !== LOST) this.#score = BEST;
    if (!muted && this.#isMuted) this.#unmutedAt = now;
    this.#isMuted = muted;
  }

  /** We hold the track back because the path is too narrow for it. */
  setPaused(paused: boolean): void {
    if (paused && !this.#isPaused) this.#score = FLOOR;
    this.#isPaused = paused;
  }

  /** The interval that ends `now`. */
  update(interval: QualityInterval, now: number): void {
    const since = now - this.#updatedAt;
    const unmutedFor = now - (this.#unmutedAt ?? this.#updatedAt);
    this.#updatedAt = now;
    if (this.#isMuted || this.#isPaused || unmutedFor <= UNMUTED_PART * since) return;
    const weight = this.#weight * this.#rates.part(interval.expected, interval.durationMs, now);
    if (interval.expected === 0) {
      const { reportAgeMs, durationMs } = interval;
      if (durationMs < USUAL_INTERVAL_MS) return;
      this.#score = reportAgeMs !== undefined && reportAgeMs > durationMs ? LOST : POOR;
      return;
    }
    const worst = Math.min(packetScore(interval, weight), layerScore(interval.missingLayers));
    const whole = Math.min(1, interval.durationMs / USUAL_INTERVAL_MS);
    const part = whole * (worst < this.#score ? FALL : RISE);
    this.#score = Math.max(FLOOR, part * worst + (1 - part) * this.#score);
  }
}

/** How long packets take, ms, by a round trip and how unevenly they come. */
export function effectiveDelay(rttMs: number, jitterMs: number): number {
  return rttMs / 2 + 2 * jitterMs;
}

function packetScore(interval: QualityInterval, weight: number): number {
  const { expected, lost, outOfOrder, delayMs = 0 } = interval;
  const lossPercent = (Math.max(0, lost - outOfOrder) * 100) / expected;
  const delayCost = delayMs > UNNOTICED_DELAY_MS ? (delayMs - FREE_DELAY_MS) / DELAY_STEP_MS : 0;
  return Math.max(0, BEST - delayCost - lossPercent * weight);
}

function layerScore(missing: number): number {
  return Math.min(BEST, Math.max(0, BEST - missing * LAYER_COST));
}

/**
 * How the packet rate of an interval compares with the most common one. Loss in silence or on a
 * still screen, when few packets flow, is not much heard or seen.
 */
class UsualRate {
  readonly #readings = new Uint32Array(RATE_STEPS);
  #count = 0;
  #usual = 0;
  #judgedAt = -Infinity;

  /** √(rate ÷ usual rate), 0–1; 1 until the usual rate is known. */
  part(packets: number, durationMs: number, now: number): number {
    if (durationMs <= 0) return 1;
    const rate = (packets * 1000) / durationMs;
    const step = Math.min(Math.round(rate / RATE_STEP), RATE_STEPS - 1);
    this.#readings[step]!++;
    this.#count++;
    if (this.#count > RATE_READINGS && now - this.#judgedAt > RATE_INTERVAL_MS) {
      this.#usual = this.#mostCommon();
      this.#judgedAt = now;
    }
    if (this.#usual === 0 || this.#usual === RATE_STEPS - 1) return 1;
    return Math.sqrt(Math.min(1, rate / (this.#usual * RATE_STEP)));
  }

  #mostCommon(): number {
    let best = 0;
    this.#readings.forEach((count, step) => {
      if (count > this.#readings[best]!) best = step;
    });
    return best;
  }
}
