/**
 * Media whose announcement has not come, in the order of arrival; at most {@linkcode MAX_PARKED}.
 *
 * @module
 */
import type { MediaArrival } from "./registry_messages.ts";

/** Arrivals kept per publisher: ten sections of three layers, so only nonsense exceeds it. */
const MAX_PARKED = 32;

/** A short list without duplicates. */
export class ParkedMedia {
  readonly #arrivals: MediaArrival[] = [];

  /** @returns `false` if there is no room. A second arrival of one layer replaces the first. */
  add(media: MediaArrival): boolean {
    const known = this.#arrivals.findIndex((other) => isSameLayer(other, media));
    if (known >= 0) {
      if (media.ssrc !== undefined) this.#arrivals[known] = media;
      return true;
    }
    if (this.#arrivals.length >= MAX_PARKED) return false;
    this.#arrivals.push(media);
    return true;
  }

  /** A copy, oldest first. */
  all(): MediaArrival[] {
    return [...this.#arrivals];
  }

  remove(predicate: (media: MediaArrival) => boolean): void {
    const kept = this.#arrivals.filter((media) => !predicate(media));
    this.#arrivals.splice(0, this.#arrivals.length, ...kept);
  }
}

/** An arrival without an SSRC comes from the offer and stands for whatever its section sends. */
function isSameLayer(a: MediaArrival, b: MediaArrival): boolean {
  return a.upTrack === b.upTrack && a.rid === b.rid &&
    (a.ssrc === undefined || b.ssrc === undefined || a.ssrc === b.ssrc);
}
