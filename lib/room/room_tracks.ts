/**
 * All published tracks of one room by sid, and for each video track what its subscribers want of it.
 *
 * A record exists from the moment the track is published until it is unpublished or its publisher has
 * left, and never twice for one sid.
 *
 * @module
 */
import { TrackType, VideoQuality } from "@livekit/protocol";
import type { TrackSid } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { SignalMessage } from "./connection_host.ts";
import type { ObservedParticipant, RoomEvents } from "./room_events.ts";
import { SubscribedQualityTracker, subscribedQualityUpdate } from "./subscribed_quality.ts";
import type { PublishedTrack } from "./track_effects.ts";

/** The publisher of a track, as far as this table cares. */
export interface TrackPublisher extends ObservedParticipant {
  readonly sid: string;
  send(message: SignalMessage): void;
}

/** One published track and who publishes it. */
export interface RoomTrack<P extends TrackPublisher> {
  readonly publisher: P;
  readonly track: PublishedTrack;
}

/** Whoever must know of every track there is, and of each change of one. */
export interface TrackWatcher<P> {
  /** A track was added, or is not as it was. */
  trackThere(publisher: P, track: PublishedTrack): void;
  trackGone(trackSid: string): void;
}

interface Record<P extends TrackPublisher> {
  readonly publisher: P;
  track: PublishedTrack;
  /** Only for video. */
  readonly quality: SubscribedQualityTracker | undefined;
  cancelTimer: Cancel | undefined;
  /** The publisher has been told that somebody receives it. */
  subscriptionAnnounced: boolean;
}

/** See the module text. */
export class RoomTracks<P extends TrackPublisher> {
  /** Set once, by whoever made this. */
  watcher: TrackWatcher<P> | undefined;
  readonly #records = new Map<string, Record<P>>();

  constructor(
    readonly platform: Platform,
    readonly dynacastPauseDelayMs: number,
    readonly events: RoomEvents,
  ) {}

  get(trackSid: string): RoomTrack<P> | undefined {
    return this.#records.get(trackSid);
  }

  /** Every track, oldest first. */
  all(): RoomTrack<P>[] {
    return [...this.#records.values()];
  }

  /** Sids of everything `publisher` has published. */
  of(publisher: P): TrackSid[] {
    return this.all().filter((entry) => entry.publisher === publisher).map((e) => e.track.sid);
  }

  /** Sids of everything that others have published. */
  notOf(publisher: P): TrackSid[] {
    return this.all().filter((entry) => entry.publisher !== publisher).map((e) => e.track.sid);
  }

  add(publisher: P, track: PublishedTrack): void {
    const video = track.info.type === TrackType.VIDEO;
    const record: Record<P> = {
      publisher,
      track,
      quality: video
        ? new SubscribedQualityTracker(
          this.platform.clock.now(),
          track.info.muted,
          this.dynacastPauseDelayMs,
        )
        : undefined,
      cancelTimer: undefined,
      subscriptionAnnounced: false,
    };
    this.#records.set(track.sid, record);
    this.watcher?.trackThere(publisher, track);
    this.#pump(record);
    this.events.published(publisher, track.info);
  }

  /** New committed state of a track that exists. */
  update(track: PublishedTrack): void {
    const record = this.#records.get(track.sid);
    if (record === undefined) return;
    record.track = track;
    this.watcher?.trackThere(record.publisher, track);
    record.quality?.setMuted(track.info.muted);
    this.#pump(record);
  }

  remove(trackSid: string): void {
    const record = this.#records.get(trackSid);
    record?.cancelTimer?.();
    this.#records.delete(trackSid);
    this.watcher?.trackGone(trackSid);
    if (record !== undefined) this.events.unpublished(record.publisher, record.track.info);
  }

  /** What `subscriber` wants at most of a video track; `undefined` when it no longer subscribes. */
  wish(trackSid: string, subscriber: string, quality: VideoQuality | undefined): void {
    const record = this.#records.get(trackSid);
    if (record?.quality === undefined) return;
    record.quality.wish(subscriber, quality);
    this.#pump(record);
  }

  /** The highest quality the publisher was asked to send; `undefined` before it was asked. */
  askedQuality(trackSid: string): VideoQuality | undefined {
    return this.#records.get(trackSid)?.quality?.told;
  }

  /** The publisher resumed: it is told again what is wanted of its tracks. */
  restart(publisher: P): void {
    for (const record of this.#records.values()) {
      if (record.publisher !== publisher) continue;
      record.quality?.restart();
      this.#pump(record);
    }
  }

  /** Tells the publisher, once per track, that somebody who may be seen receives it. */
  announceSubscribed(trackSid: string): boolean {
    const record = this.#records.get(trackSid);
    if (record === undefined || record.subscriptionAnnounced) return false;
    record.subscriptionAnnounced = true;
    return true;
  }

  close(): void {
    for (const sid of [...this.#records.keys()]) this.remove(sid);
  }

  #pump(record: Record<P>): void {
    const { quality } = record;
    if (quality === undefined) return;
    record.cancelTimer?.();
    record.cancelTimer = undefined;
    const now = this.platform.clock.now();
    const highest = quality.collect(now);
    if (highest !== undefined) {
      record.publisher.send({
        case: "subscribedQualityUpdate",
        value: subscribedQualityUpdate(record.track.info, highest),
      });
    }
    const wakeAt = quality.nextWakeAt();
    if (wakeAt === undefined) return;
    record.cancelTimer = this.platform.timers.after(wakeAt - now, () => this.#pump(record));
  }
}
