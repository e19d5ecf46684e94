/**
 * How loud one microphone is, from the audio levels in its packets (RFC 6464 §3), as a LiveKit
 * server measures it for active speakers (1.13.5, `pkg/sfu/audio/audiolevel.go`).
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

/**
 * One microphone's smoothed level, linear from 0 to about 1, out of levels fed in order with the
 * time each stands for. Reads no clock.
 */
export class AudioLevel {
  readonly #options: AudioLevelOptions;
  readonly #smoothing: number;
  readonly #minActiveMs: number;
  readonly #threshold: number;
  // Small integers: a packet must not make numbers on the heap.
  #loudest = SILENCE_DBOV;
  #activeMs = 0;
  #observedMs = 0;
  #observedAt = 0;
  /** In a typed array: a field above 2^30 would be boxed anew at each store. */
  readonly #lastTimestamp = new Uint32Array(1);
  #isTimed = false;
  #smoothed = 0;

  constructor(options: AudioLevelOptions = DEFAULT_AUDIO_LEVEL) {
    this.#options = options;
    this.#smoothing = options.smoothIntervals > 0 ? 2 / (options.smoothIntervals + 1) : 1;
    this.#minActiveMs = (options.minPercentile * options.updateIntervalMs) / 100;
    this.#threshold = linearLevel(options.activeLevel);
  }

  /**
   * Adds one packet, which stands for the time since the packet before it: publishers that send
   * nothing in silence (DTX) are measured right that way. Late packets are ignored.
   *
   * @param dbov 0–127 as in the packet.
   * @param timestamp RTP timestamp, unsigned 32 bits.
   */
  observePacket(dbov: number, timestamp: number, clockRate: number, now: number): void {
    const elapsed = this.#isTimed ? (timestamp - this.#lastTimestamp[0]!) >>> 0 : 0;
    if (elapsed >= 0x8000_0000) return;
    this.#isTimed = true;
    this.#lastTimestamp[0] = timestamp;
    this.observe(dbov, Math.trunc((elapsed * 1000) / clockRate), now);
  }

  /** The stream starts afresh, silently: its next timestamp has nothing to do with the last one. */
  restart(): void {
    this.#isTimed = false;
    this.#endWindow(0);
  }

  /**
   * Adds one packet.
   *
   * @param dbov 0–127 as in the packet.
   * @param durationMs Audio the packet holds, an integer.
   */
  observe(dbov: number, durationMs: number, now: number): void {
    if (this.#isStale(now)) {
      this.#endWindow(0);
      durationMs = 0; // nobody spoke through the pause, whatever its end is like
    }
    this.#observedAt = now;
    this.#observedMs += durationMs;
    if (dbov <= this.#options.activeLevel) {
      this.#activeMs += durationMs;
      if (dbov < this.#loudest) this.#loudest = dbov;
    }
    if (this.#observedMs < this.#options.updateIntervalMs) return;
    if (this.#activeMs < this.#minActiveMs || this.#activeMs === 0) return this.#endWindow(0);
    // Talking for part of the window only counts as talking more quietly.
    const weight = 20 * Math.log10(this.#activeMs / this.#options.updateIntervalMs);
    const level = linearLevel(this.#loudest - weight);
    this.#endWindow(this.#smoothed + (level - this.#smoothed) * this.#smoothing);
  }

  /** Smoothed linear level 0–1 (and a little above for full windows); 0 when stale. */
  level(now: number): number {
    if (this.#isStale(now)) this.#endWindow(0);
    return this.#smoothed;
  }

  /** Whether this is somebody speaking. */
  isActive(now: number): boolean {
    return this.level(now) >= this.#threshold;
  }

  #isStale(now: number): boolean {
    return now - this.#observedAt >= STALE_WINDOWS * this.#options.updateIntervalMs;
  }

  #endWindow(smoothed: number): void {
    this.#smoothed = smoothed;
    this.#loudest = SILENCE_DBOV;
    this.#activeMs = 0;
    this.#observedMs = 0;
  }
}
