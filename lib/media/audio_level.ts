/**
 * How loud one microphone is, from the audio levels in its packets (RFC 6464), as a LiveKit server
 * measures it for active speakers.
 *
 * Pure: feed it every level with the duration it stands for, read {@linkcode AudioLevel.level}.
 *
 * @module
 */

/** `audio.*` of the configuration, with LiveKit's defaults in {@linkcode DEFAULT_AUDIO_LEVEL}. */
export interface AudioLevelOptions {
  /** Frames at or below this count as speech, -dBov: 0 is loudest, 127 silence. */
  readonly activeLevel: number;
  /** Part of a window that must be speech, percent. */
  readonly minPercentile: number;
  /** One observation window, ms. */
  readonly updateIntervalMs: number;
  /** Windows the level is smoothed over; 0 for none. */
  readonly smoothIntervals: number;
}

export const DEFAULT_AUDIO_LEVEL: AudioLevelOptions = {
  activeLevel: 35,
  minPercentile: 40,
  updateIntervalMs: 400,
  smoothIntervals: 2,
};

const SILENCE_DBOV = 127;
/** A level is silence when nothing came for this many windows. */
const STALE_WINDOWS = 2;

/** -dBov as a linear level: 0 is 1, 35 is about 0.018. */
export function linearLevel(dbov: number): number {
  return 10 ** (-dbov / 20);
}

/** See the module text. */
export class AudioLevel {
  readonly #options: AudioLevelOptions;
  readonly #smoothing: number;
  readonly #minActiveMs: number;
  readonly #threshold: number;
  #loudest = SILENCE_DBOV;
  #activeMs = 0;
  #observedMs = 0;
  #smoothed = 0;
  #updatedAt = -Infinity;

  constructor(options: AudioLevelOptions = DEFAULT_AUDIO_LEVEL) {
    this.#options = options;
    this.#smoothing = options.smoothIntervals > 0 ? 2 / (options.smoothIntervals + 1) : 1;
    this.#minActiveMs = (options.minPercentile * options.updateIntervalMs) / 100;
    this.#threshold = linearLevel(options.activeLevel);
  }

  /**
   * Adds one packet.
   *
   * @param dbov 0–127 as in the packet.
   * @param durationMs Audio the packet holds.
   */
  observe(dbov: number, durationMs: number, now: number): void {
    this.#observedMs += durationMs;
    if (dbov <= this.#options.activeLevel) {
      this.#activeMs += durationMs;
      if (dbov < this.#loudest) this.#loudest = dbov;
    }
    if (this.#observedMs < this.#options.updateIntervalMs) return;
    let level = 0;
    if (this.#activeMs >= this.#minActiveMs) {
      // Talking for part of the window only counts as talking more quietly.
      const weight = 20 * Math.log10(this.#activeMs / this.#options.updateIntervalMs);
      level = linearLevel(this.#loudest - weight);
    }
    this.#smoothed += (level - this.#smoothed) * this.#smoothing;
    this.#updatedAt = now;
    this.#loudest = SILENCE_DBOV;
    this.#activeMs = 0;
    this.#observedMs = 0;
  }

  /** Smoothed linear level 0–1 (and a little above for full windows); 0 when stale. */
  level(now: number): number {
    const stale = now - this.#updatedAt > STALE_WINDOWS * this.#options.updateIntervalMs;
    return stale ? 0 : this.#smoothed;
  }

  /** Whether this is somebody speaking. */
  isActive(now: number): boolean {
    return this.level(now) >= this.#threshold;
  }
}
