/**
 * When and which microphone levels the control plane is told: all at once, once per interval, and
 * only those that are active or have changed, so that a thousand silent microphones cost nothing.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { AudioLevel } from "../../media/up/audio_level.ts";
import type { AudioLevelEntry } from "../messages/media_messages.ts";

const NOTHING: readonly AudioLevelEntry[] = [];

/** One engine's levels for one interval: microphones that are active or have changed, each once. */
export class AudioLevelReport {
  /** Up-tracks whose last reported level was not 0. */
  readonly #heard = new Set<UpTrackId>();
  #dueAt = 0;

  /**
   * @param upTracks All up-tracks there are, as the engine adds and removes them.
   * @param intervalMs 0 reports nothing, ever.
   */
  constructor(
    readonly upTracks: ReadonlyMap<UpTrackId, { readonly level: AudioLevel | undefined }>,
    readonly intervalMs: number,
  ) {}

  /** When {@linkcode AudioLevelReport.collect} has something to look at; `Infinity` if never. */
  nextWakeAt(): number {
    const isNeeded = this.intervalMs > 0 && (this.upTracks.size > 0 || this.#heard.size > 0);
    return isNeeded ? this.#dueAt : Infinity;
  }

  /** What is to be reported now; empty in between. */
  collect(now: number): readonly AudioLevelEntry[] {
    if (now < this.#dueAt || this.intervalMs === 0) return NOTHING;
    this.#dueAt = now + this.intervalMs;
    const entries: AudioLevelEntry[] = [];
    for (const upTrack of this.#heard) {
      if (this.upTracks.has(upTrack)) continue;
      this.#heard.delete(upTrack);
      entries.push({ upTrack, level: 0, active: false });
    }
    for (const [upTrack, { level }] of this.upTracks) {
      if (level === undefined) continue;
      const linear = Math.min(1, level.level(now));
      if (linear > 0) this.#heard.add(upTrack);
      else if (!this.#heard.delete(upTrack)) continue;
      entries.push({ upTrack, level: linear, active: level.isActive(now) });
    }
    return entries;
  }
}
