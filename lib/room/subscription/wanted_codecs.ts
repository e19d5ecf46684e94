/**
 * Dynacast over all codecs of one published track: for each of them what its subscribers want at
 * most, and when the publisher is told.
 *
 * Pure; time is an argument. Each subscriber wants one codec at a time. After a regression wishes
 * for the one codec count for the other, whatever subscribers still say, and the first is off.
 *
 * @module
 */
import {
  SubscribedAudioCodec,
  SubscribedAudioCodecUpdate,
  SubscribedCodec,
  SubscribedQuality,
  SubscribedQualityUpdate,
  type TrackInfo,
  TrackType,
  VideoQuality,
} from "@livekit/protocol";
import type { Regression } from "./codec_choice.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import { isQualityEnabled, WantedQuality } from "./wanted_quality.ts";

/** What one subscriber wants of a track. */
export interface CodecWish {
  readonly mime: string;
  /** At most; everything below it comes along. */
  readonly quality: VideoQuality;
}

/**
 * One track's wishes, summed for each codec. What the publisher was told last is what
 * {@linkcode WantedCodecs.collect} compares with.
 */
export class WantedCodecs {
  /** In the order in which they were first wanted or came. */
  readonly #trackers = new Map<string, WantedQuality>();
  readonly #wishes = new Map<string, CodecWish>();
  #regression: Regression | undefined;
  #muted: boolean;

  constructor(muted: boolean, readonly pauseDelayMs: number) {
    this.#muted = muted;
  }

  /** Media of `mime` comes: it is turned off after a while if nobody wants it. */
  add(mime: string, now: number): void {
    this.#tracker(mime, now);
  }

  /** Replaces what `subscriber` wants; `undefined` when it no longer subscribes. */
  wish(subscriber: string, wish: CodecWish | undefined, now: number): void {
    if (wish === undefined) this.#wishes.delete(subscriber);
    else this.#wishes.set(subscriber, wish);
    this.#place(subscriber, now);
  }

  /** Sets or ends a regression. */
  setRegression(regression: Regression | undefined, now: number): void {
    const before = this.#regression;
    if (before?.from === regression?.from && before?.to === regression?.to) return;
    this.#regression = regression;
    if (before !== undefined) this.#tracker(before.from, now).setSuspended(false);
    if (regression !== undefined) this.#tracker(regression.from, now).setSuspended(true);
    for (const subscriber of this.#wishes.keys()) this.#place(subscriber, now);
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    for (const tracker of this.#trackers.values()) tracker.setMuted(muted);
  }

  /** Forgets what was told, as after the publisher's resume. */
  restart(): void {
    for (const tracker of this.#trackers.values()) tracker.restart();
  }

  /** What the publisher was last told about a codec. */
  told(mime: string): VideoQuality | undefined {
    return this.#trackers.get(mime)?.told;
  }

  /** All that holds of all codecs, or `undefined` if there is nothing new to tell. */
  collect(now: number): readonly CodecWish[] | undefined {
    let changed = false;
    const all: CodecWish[] = [];
    for (const [mime, tracker] of this.#trackers) {
      if (tracker.collect(now) !== undefined) changed = true;
      if (tracker.told !== undefined) all.push({ mime, quality: tracker.told });
    }
    return changed ? all : undefined;
  }

  /** When {@linkcode collect} will next have something to say without another wish. */
  nextWakeAt(): number | undefined {
    let earliest: number | undefined;
    for (const tracker of this.#trackers.values()) {
      const at = tracker.nextWakeAt();
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    return earliest;
  }

  #place(subscriber: string, now: number): void {
    const wish = this.#wishes.get(subscriber);
    const { from, to } = this.#regression ?? {};
    const mime = wish?.mime === from && to !== undefined ? to : wish?.mime;
    if (mime !== undefined) this.#tracker(mime, now).wish(subscriber, wish!.quality);
    for (const [other, tracker] of this.#trackers) {
      if (other !== mime) tracker.wish(subscriber, undefined);
    }
  }

  #tracker(mime: string, now: number): WantedQuality {
    const known = this.#trackers.get(mime);
    if (known !== undefined) return known;
    const tracker = new WantedQuality(now, this.#muted, this.pauseDelayMs);
    this.#trackers.set(mime, tracker);
    return tracker;
  }
}

/** Wishes of several for one track that are told on together: for each codec the highest. Pure. */
export class SummedWishes {
  readonly #wishes = new Map<string, CodecWish>();
  #summed: readonly CodecWish[] = [];

  /** Replaces what `subscriber` wants. @returns Whether the sum is another one. */
  wish(subscriber: string, wish: CodecWish | undefined): boolean {
    if (wish === undefined) this.#wishes.delete(subscriber);
    else this.#wishes.set(subscriber, wish);
    const highest = new Map<string, VideoQuality>();
    for (const { mime, quality } of this.#wishes.values()) {
      if (quality === VideoQuality.OFF) continue;
      highest.set(mime, Math.max(quality, highest.get(mime) ?? quality));
    }
    const before = new Map(this.#summed.map(({ mime, quality }) => [mime, quality]));
    this.#summed = Array.from(highest, ([mime, quality]) => ({ mime, quality }));
    return before.size !== highest.size ||
      this.#summed.some(({ mime, quality }) => before.get(mime) !== quality);
  }

  summed(): readonly CodecWish[] {
    return this.#summed;
  }
}

/** How `wishes`, one for each codec, are worded to the publisher of `track`. */
export function wantedCodecsMessage(
  track: TrackInfo,
  wishes: readonly CodecWish[],
): SignalMessage {
  const { sid: trackSid } = track;
  const codecOf = (mime: string) => mime.slice(mime.indexOf("/") + 1).toLowerCase();
  if (track.type === TrackType.AUDIO) {
    const subscribedAudioCodecs = wishes.map(({ mime, quality }) =>
      new SubscribedAudioCodec({ codec: codecOf(mime), enabled: quality !== VideoQuality.OFF })
    );
    const value = new SubscribedAudioCodecUpdate({ trackSid, subscribedAudioCodecs });
    return { case: "subscribedAudioCodecUpdate", value };
  }
  const subscribedCodecs = wishes.map(({ mime, quality: highest }) => {
    const qualities = [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH].map((quality) =>
      new SubscribedQuality({ quality, enabled: isQualityEnabled(quality, highest) })
    );
    return new SubscribedCodec({ codec: codecOf(mime), qualities });
  });
  // Clients from before there were several codecs read only what is said of the first.
  const first = track.codecs[0]?.mimeType || track.mimeType;
  const subscribedQualities = subscribedCodecs.find(({ codec }) => codec === codecOf(first))
    ?.qualities ?? [];
  const value = new SubscribedQualityUpdate({ trackSid, subscribedQualities, subscribedCodecs });
  return { case: "subscribedQualityUpdate", value };
}
