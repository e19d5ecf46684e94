/**
 * All published tracks of one room by sid, and for each what its subscribers want of it.
 *
 * A record exists from the moment the track is published until it is unpublished or its publisher
 * has left, and never twice for one sid.
 *
 * @module
 */
import { TrackType, type VideoQuality } from "@livekit/protocol";
import type { TrackSid } from "../../base/ids.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import { regressionOf, type SubscribableTrack } from "./codec_choice.ts";
import { NO_SOURCE, type SourceState } from "./subscription_table.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { RoomEvents } from "../context/room_events.ts";
import type { ParticipantFacts, Wisher } from "../context/participant_facts.ts";
import { type CodecWish, WantedCodecs, wantedCodecsMessage } from "./wanted_codecs.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/** A published track as its publisher is asked about it. */
export interface OfferedTrack {
  readonly track: PublishedTrack;
  /** Its backup codec has taken the place of its first one. */
  readonly regressed: boolean;
}

/** The publisher of a track, as far as this table cares. */
export interface TrackPublisher extends ParticipantFacts {
  /** A track of its own for `subscriber`; `undefined` if it cannot have it at all. */
  source(offered: OfferedTrack, subscriber: ParticipantFacts): SubscribableTrack | undefined;
  /** As much of {@linkcode TrackPublisher.source} as is asked most often. */
  sourceState(track: PublishedTrack, subscriber: ParticipantFacts): SourceState;
  /**
   * What `subscriber` wants of a track.
   *
   * @returns Whether somebody else sums it up; else the room does.
   */
  relayWish(trackSid: string, subscriber: Wisher, wish: CodecWish | undefined): boolean;
  /** Tells its client, as far as this room is its client's. */
  tell(message: SignalMessage): void;
}

/** One published track and who publishes it. */
export interface RoomTrack<P extends TrackPublisher> extends OfferedTrack {
  readonly publisher: P;
}

/** What subscribers ask of the tracks in a room. */
export interface TrackSources {
  resolve(trackSid: string, subscriber: ParticipantFacts): SubscribableTrack | undefined;
  /** As much of {@linkcode TrackSources.resolve} as is asked most often. */
  sourceState(trackSid: string, subscriber: ParticipantFacts): SourceState;
  /** Whether the track's backup codec has taken the place of its first one. */
  isRegressed(trackSid: string): boolean;
  /** What `subscriber` wants of a track; `undefined` when it no longer subscribes. */
  wish(trackSid: string, subscriber: Wisher, wish: CodecWish | undefined): void;
}

/** Whoever must know of every track there is, and of each change of one. */
export interface TrackWatcher<P> {
  /**
   * A track was added, or is not as it was.
   *
   * @param before How it was; absent: it was added.
   */
  trackThere(publisher: P, track: PublishedTrack, before?: PublishedTrack): void;
  trackGone(trackSid: string): void;
}

interface Record<P extends TrackPublisher> {
  readonly publisher: P;
  track: PublishedTrack;
  regressed: boolean;
  readonly codecs: WantedCodecs;
  readonly timer: WakeTimer;
  /** The publisher has been told that somebody receives it. */
  subscriptionAnnounced: boolean;
}

/**
 * One room's tracks by sid: a record lives from publication to its end or its publisher's, and
 * there is never a second for one sid.
 */
export class RoomTracks<P extends TrackPublisher> implements TrackSources {
  readonly #watchers = new Set<TrackWatcher<P>>();
  readonly #records = new Map<string, Record<P>>();
  /** Each publisher's, in the order they were published. */
  readonly #sidsOf = new Map<P, Set<TrackSid>>();

  constructor(
    readonly context: RoomContext,
    readonly events: RoomEvents,
    /** The room's participants, as far as it matters how many they are. */
    readonly members: { isSmall(limit: number): boolean },
  ) {}

  /**
   * Tells `watcher` of every track from now on; not of those that are there.
   *
   * @returns Ends that.
   */
  watch(watcher: TrackWatcher<P>): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  get(trackSid: string): RoomTrack<P> | undefined {
    return this.#records.get(trackSid);
  }

  /** Every track, oldest first. */
  all(): RoomTrack<P>[] {
    return [...this.#records.values()];
  }

  /** Sids of everything `publisher` has published. */
  of(publisher: P): TrackSid[] {
    return [...this.#sidsOf.get(publisher) ?? []];
  }

  /** Sids of everything that others have published, as far as they may be seen. */
  notOf(receiver: P): TrackSid[] {
    return this.all().filter(({ publisher }) => publisher !== receiver && !publisher.hidden)
      .map((entry) => entry.track.sid);
  }

  add(publisher: P, track: PublishedTrack): void {
    const record: Record<P> = {
      publisher,
      track,
      regressed: false,
      codecs: new WantedCodecs(track.info.muted, this.context.options.dynacastPauseDelayMs),
      timer: new WakeTimer(this.context.platform, () => this.#pump(record)),
      subscriptionAnnounced: false,
    };
    this.#records.set(track.sid, record);
    const sids = this.#sidsOf.get(publisher);
    if (sids === undefined) this.#sidsOf.set(publisher, new Set([track.sid]));
    else sids.add(track.sid);
    this.#followCodecs(record);
    for (const watcher of this.#watchers) watcher.trackThere(publisher, track);
    this.#pump(record);
    this.events.published(publisher, track.info);
  }

  /** New committed state of a track that exists. */
  update(track: PublishedTrack): void {
    const record = this.#records.get(track.sid);
    if (record === undefined) return;
    const { publisher, track: before } = record;
    record.track = track;
    this.#followCodecs(record);
    for (const watcher of this.#watchers) watcher.trackThere(publisher, track, before);
    record.codecs.setMuted(track.info.muted);
    this.#pump(record);
  }

  remove(trackSid: string): void {
    const record = this.#records.get(trackSid);
    record?.timer.stop();
    this.#records.delete(trackSid);
    if (record !== undefined) this.#forget(record);
    for (const watcher of this.#watchers) watcher.trackGone(trackSid);
    if (record !== undefined) this.events.unpublished(record.publisher, record.track.info);
  }

  resolve(trackSid: string, subscriber: ParticipantFacts): SubscribableTrack | undefined {
    const record = this.#records.get(trackSid);
    return record?.publisher.source(record, subscriber);
  }

  sourceState(trackSid: string, subscriber: ParticipantFacts): SourceState {
    const record = this.#records.get(trackSid);
    return record?.publisher.sourceState(record.track, subscriber) ?? NO_SOURCE;
  }

  isRegressed(trackSid: string): boolean {
    return this.#records.get(trackSid)?.regressed ?? false;
  }

  wish(trackSid: string, subscriber: Wisher, wish: CodecWish | undefined): void {
    const record = this.#records.get(trackSid);
    if (record === undefined) return;
    if (record.publisher.relayWish(trackSid, subscriber, wish)) return;
    record.codecs.wish(subscriber.sid, wish, this.context.platform.clock.now());
    this.#pump(record);
  }

  /** The highest quality the publisher was asked to send; `undefined` before it was asked. */
  askedQuality(trackSid: string, mime: string): VideoQuality | undefined {
    return this.#records.get(trackSid)?.codecs.told(mime);
  }

  /** The publisher resumed: it is told again what is wanted of its tracks. */
  restart(publisher: P): void {
    for (const sid of this.of(publisher)) {
      const record = this.#records.get(sid)!;
      record.codecs.restart();
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

  #forget({ publisher, track }: Record<P>): void {
    const sids = this.#sidsOf.get(publisher);
    sids?.delete(track.sid);
    if (sids?.size === 0) this.#sidsOf.delete(publisher);
  }

  #followCodecs(record: Record<P>): void {
    const now = this.context.platform.clock.now();
    for (const { mime } of record.track.upTracks) record.codecs.add(mime, now);
    const { regressed: decided } = record.track;
    // Once taken, the decision does not change with the number of participants.
    const { codecRegressionThreshold } = this.context.options;
    const preferred = decided ??
      (record.regressed || this.members.isSmall(codecRegressionThreshold));
    const regression = decided === false ? undefined : regressionOf(record.track, preferred);
    record.regressed = regression !== undefined;
    record.codecs.setRegression(regression, now);
  }

  #pump(record: Record<P>): void {
    const { codecs, publisher } = record;
    const { info } = record.track;
    // Audio is worth turning off only where it is sent twice.
    if (info.type === TrackType.AUDIO && info.codecs.length < 2) return;
    const now = this.context.platform.clock.now();
    const wishes = codecs.collect(now);
    if (wishes !== undefined) publisher.tell(wantedCodecsMessage(info, wishes));
    record.timer.set(codecs.nextWakeAt());
  }
}
