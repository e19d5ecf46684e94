/**
 * Versions of a publisher's tracks, by which a receiver tells old news from new.
 *
 * @module
 */
import { TimedVersion } from "@livekit/protocol";

/**
 * Each version is later than all before it, also when the wall clock stands still or jumps back.
 */
export class TrackVersions {
  readonly #wallMs: () => number;
  #unixMs = 0;
  #ticks = 0;

  /** @param wallMs Unix milliseconds. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  next(): TimedVersion {
    const now = Math.trunc(this.#wallMs());
    this.#ticks = now > this.#unixMs ? 0 : this.#ticks + 1;
    this.#unixMs = Math.max(now, this.#unixMs);
    return new TimedVersion({ unixMicro: BigInt(this.#unixMs) * 1000n, ticks: this.#ticks });
  }
}
