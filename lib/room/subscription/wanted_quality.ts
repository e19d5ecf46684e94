/**
 * Dynacast: which qualities of one codec of a published track somebody wants, so that the publisher
 * can stop encoding the rest.
 *
 * Pure. A higher wish is reported at once and a lower one only after it has held for a while,
 * because turning an encoder layer off and on again costs a key frame. Nothing is reported while
 * muted.
 *
 * @module
 */
import { VideoQuality } from "@livekit/protocol";

/** How long a lower wish must hold, ms (`video.dynacast_pause_delay`). */
const DYNACAST_PAUSE_DELAY_MS = 5_000;
/** A track nobody ever wanted is turned off after this, ms. */
const DYNACAST_UNSUBSCRIBED_DELAY_MS = 10_000;

const DESCENDING = [VideoQuality.HIGH, VideoQuality.MEDIUM, VideoQuality.LOW] as const;

/** Highest wanted quality over its subscribers, and what the publisher was told. */
export class WantedQuality {
  readonly #wishes = new Map<string, VideoQuality>();
  /** How many want each quality, so that one wish costs the same however many there are. */
  readonly #counts = [0, 0, 0, 0];
  #told: VideoQuality | undefined;
  #lowerSince: number | undefined;
  #muted: boolean;
  #suspended = false;
  readonly #createdAt: number;

  constructor(now: number, muted: boolean, readonly pauseDelayMs = DYNACAST_PAUSE_DELAY_MS) {
    this.#createdAt = now;
    this.#muted = muted;
  }

  /** What the publisher was last told. */
  get told(): VideoQuality | undefined {
    return this.#told;
  }

  /** Records what `subscriber` wants at most; `undefined` when it no longer subscribes. */
  wish(subscriber: string, quality: VideoQuality | undefined): void {
    const before = this.#wishes.get(subscriber);
    if (before === quality) return;
    if (before !== undefined) this.#counts[before]!--;
    if (quality === undefined) this.#wishes.delete(subscriber);
    else {
      this.#wishes.set(subscriber, quality);
      this.#counts[quality]!++;
    }
  }

  /** Unmuting reports again, because the publisher may have dropped its layers meanwhile. */
  setMuted(muted: boolean): void {
    if (this.#muted && !muted) {
      this.#told = undefined;
      this.#lowerSince = undefined;
    }
    this.#muted = muted;
  }

  /** While suspended nothing is wanted, whatever the wishes are, and that is reported at once. */
  setSuspended(suspended: boolean): void {
    this.#suspended = suspended;
  }

  /** Forgets what was told, as after the publisher's resume. */
  restart(): void {
    this.#told = undefined;
    this.#lowerSince = undefined;
  }

  /** The quality to tell the publisher now, or `undefined` if there is nothing new to tell. */
  collect(now: number): VideoQuality | undefined {
    if (this.#muted) return undefined;
    const wanted = this.#wanted();
    if (wanted === this.#told) {
      this.#lowerSince = undefined;
      return undefined;
    }
    const lower = rank(wanted) < rank(this.#told) ||
      this.#told === undefined && wanted === VideoQuality.OFF;
    if (lower && !this.#suspended) {
      this.#lowerSince ??= this.#told === undefined ? this.#createdAt : now;
      if (now < this.#lowerSince + this.#delay()) return undefined;
    }
    this.#told = wanted;
    this.#lowerSince = undefined;
    return wanted;
  }

  /**
   * When {@linkcode collect} will next have something to say without another wish; else
   * `undefined`.
   */
  nextWakeAt(): number | undefined {
    if (this.#muted || this.#lowerSince === undefined) return undefined;
    return this.#lowerSince + this.#delay();
  }

  #delay(): number {
    return this.#told === undefined ? DYNACAST_UNSUBSCRIBED_DELAY_MS : this.pauseDelayMs;
  }

  #wanted(): VideoQuality {
    if (this.#suspended) return VideoQuality.OFF;
    return DESCENDING.find((quality) => this.#counts[quality]! > 0) ?? VideoQuality.OFF;
  }
}

/** OFF is the largest enum value but the smallest wish. */
function rank(quality: VideoQuality | undefined): number {
  if (quality === undefined) return -2;
  return quality === VideoQuality.OFF ? -1 : quality;
}

/** Whether a publisher that is to send `highest` is to send `quality`. */
export function isQualityEnabled(quality: VideoQuality, highest: VideoQuality): boolean {
  return rank(quality) <= rank(highest);
}
