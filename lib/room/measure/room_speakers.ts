/**
 * Tells the participants of one room who speaks.
 *
 * Each participant hears of itself and of those it receives a track of. Whoever was told that
 * somebody speaks is told when that ends, be it through silence, a mute, or the end of the
 * subscription.
 *
 * @module
 */
import { SpeakerInfo, SpeakersChanged, TrackSource } from "@livekit/protocol";
import type { UpTrackId } from "../../base/ids.ts";
import type { Platform } from "../../base/platform.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import type { AudioLevelEntry } from "../../engine/messages/media_messages.ts";
import { ActiveSpeakers, type SpeakerChange } from "./active_speakers.ts";
import { FeaturedSpeakers } from "./featured_speakers.ts";
import type { EngineRouter, LevelListener } from "../context/engine_router.ts";
import type { RoomLink } from "../context/node_ports.ts";
import type { RoomWitnesses } from "../context/room_witness.ts";
import type { Member } from "../participant/member.ts";
import type { Session } from "../participant/session.ts";
import type { TrackWatcher } from "../subscription/room_tracks.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/** Older clients were told in ways that are gone. */
const MIN_PROTOCOL = 3;

/** Whether `receiver` has a track of `publisher`. */
export function receivesFrom(receiver: Session, publisher: Member): boolean {
  return publisher.tracks.some(({ sid }) => receiver.subscriptions.isAccepted(sid));
}

/** A published microphone or video with its publisher. */
interface WatchedTrack {
  readonly publisher: Member;
  readonly upTracks: readonly UpTrackId[];
}

/**
 * One room's speakers as told: whoever heard that somebody speaks hears of its end, and nobody
 * hears of a participant whose track it does not receive.
 */
export class RoomSpeakers implements TrackWatcher<Member>, LevelListener {
  readonly #active: ActiveSpeakers;
  /** Unmuted microphones, by track sid. */
  readonly #watched = new Map<string, WatchedTrack>();
  readonly #publisherOf = new Map<UpTrackId, Member>();
  /** By sid, while a participant speaks: who was told so. */
  readonly #told = new Map<string, Set<Session>>();
  readonly #stale: WakeTimer;
  readonly #featured = new FeaturedSpeakers();
  /** Videos but shared screens, by track sid. */
  readonly #shown = new Map<string, WatchedTrack>();

  /** @param intervalMs How often the media plane reports levels. */
  constructor(
    readonly participants: () => Iterable<Session>,
    readonly platform: Platform,
    readonly router: Pick<EngineRouter, "watchLevels" | "unwatchLevels" | "send">,
    intervalMs: number,
    readonly link: () => Pick<RoomLink, "levels" | "hasPeers">,
    readonly witnesses: Pick<RoomWitnesses, "spoke">,
  ) {
    this.#active = new ActiveSpeakers(intervalMs);
    this.#stale = new WakeTimer(platform, () => this.#tell());
  }

  trackThere(publisher: Member, track: PublishedTrack): void {
    const { sid, source, info, upTracks } = track;
    this.#show(publisher, track);
    const isOpen = source === TrackSource.MICROPHONE && !info.muted;
    const ids = isOpen ? upTracks.map(({ upTrack }) => upTrack) : [];
    this.#unwatch(sid, new Set(ids));
    if (ids.length > 0) this.#watched.set(sid, { publisher, upTracks: ids });
    for (const id of ids) {
      this.#publisherOf.set(id, publisher);
      this.router.watchLevels(id, this);
    }
  }

  trackGone(trackSid: string): void {
    this.#hide(trackSid);
    this.#unwatch(trackSid, new Set());
  }

  audioLevels(levels: readonly AudioLevelEntry[]): void {
    if (this.link().hasPeers) this.link().levels(levels);
    this.take(levels);
  }

  /** One report's levels, wherever they were measured. */
  take(levels: readonly AudioLevelEntry[]): void {
    const now = this.platform.clock.now();
    for (const { upTrack, level, active } of levels) {
      const publisher = this.#publisherOf.get(upTrack);
      if (publisher !== undefined) this.#active.hear(publisher.sid, upTrack, level, active, now);
    }
    this.#tell();
  }

  close(): void {
    this.#stale.stop();
    for (const sid of [...this.#watched.keys()]) this.#unwatch(sid, new Set(), false);
    for (const sid of [...this.#shown.keys()]) this.#hide(sid);
  }

  /** Stops listening to what of a track is not in `keep`. */
  #unwatch(trackSid: string, keep: ReadonlySet<UpTrackId>, tells = true): void {
    const watched = this.#watched.get(trackSid);
    if (watched === undefined) return;
    this.#watched.delete(trackSid);
    for (const id of watched.upTracks) {
      if (keep.has(id)) continue;
      this.#publisherOf.delete(id);
      this.router.unwatchLevels(id, this);
      this.#active.silence(id);
    }
    if (tells) this.#tell();
  }

  #tell(): void {
    const now = this.platform.clock.now();
    const changes = this.#active.collect(now);
    this.witnesses.spoke(changes);
    const outbox = new Map<Session, SpeakerChange[]>();
    const put = (receiver: Session, change: SpeakerChange) => {
      const changes = outbox.get(receiver);
      if (changes === undefined) outbox.set(receiver, [change]);
      else changes.push(change);
    };
    for (const change of changes) {
      if (change.active) this.#told.get(change.sid) ?? this.#told.set(change.sid, new Set());
    }
    for (const [sid, told] of this.#told) {
      const speaking = this.#active.speaking(sid);
      const change = changes.find((candidate) => candidate.sid === sid);
      const audience = speaking === undefined ? new Set<Session>() : this.#audience(sid);
      for (const receiver of told) {
        if (!audience.has(receiver)) put(receiver, { sid, level: 0, active: false });
      }
      for (const receiver of audience) {
        if (change !== undefined || !told.has(receiver)) put(receiver, speaking!);
      }
      if (speaking === undefined) this.#told.delete(sid);
      else this.#told.set(sid, audience);
    }
    for (const [receiver, changes] of outbox) {
      const speakers = changes.toSorted((a, b) => b.level - a.level)
        .map((change) => new SpeakerInfo({ ...change }));
      receiver.send({ case: "speakersChanged", value: new SpeakersChanged({ speakers }) });
    }
    for (const { sid, active } of changes) this.#featured.speaks(sid, active, now);
    for (const { sid, isFeatured } of this.#featured.collect(now)) {
      for (const { publisher, upTracks } of this.#shown.values()) {
        if (publisher.sid === sid) this.#feature(upTracks, isFeatured);
      }
    }
    // The media plane repeats who speaks; should it fall silent, so do the speakers.
    const staleAt = this.#active.nextWakeAt() ?? Infinity;
    const at = Math.min(staleAt, this.#featured.nextWakeAt() ?? Infinity);
    this.#stale.set(at === Infinity ? undefined : at);
  }

  /** A video: those of speakers come first where bandwidth does not suffice. */
  #show(publisher: Member, { sid, kind, source, upTracks }: PublishedTrack): void {
    if (kind !== "video" || source === TrackSource.SCREEN_SHARE) return;
    const before = this.#shown.get(sid)?.upTracks ?? [];
    const ids = upTracks.map(({ upTrack }) => upTrack);
    this.#shown.set(sid, { publisher, upTracks: ids });
    if (!this.#featured.has(publisher.sid)) return;
    this.#feature(before.filter((id) => !ids.includes(id)), false);
    this.#feature(ids.filter((id) => !before.includes(id)), true);
  }

  #hide(trackSid: string): void {
    const shown = this.#shown.get(trackSid);
    this.#shown.delete(trackSid);
    if (shown === undefined || !this.#featured.has(shown.publisher.sid)) return;
    this.#feature(shown.upTracks, false);
  }

  #feature(upTracks: readonly UpTrackId[], speaks: boolean): void {
    for (const upTrack of upTracks) this.router.send({ type: "set_speaker", upTrack, speaks });
  }

  /** Who is to know that the participant speaks. */
  #audience(sid: string): Set<Session> {
    const all = [...this.participants()].filter(({ traits }) => traits.protocol >= MIN_PROTOCOL);
    const publisher = this.#publisherWith(sid);
    if (publisher === undefined) return new Set();
    return new Set(all.filter((other) => other === publisher || receivesFrom(other, publisher)));
  }

  #publisherWith(sid: string): Member | undefined {
    for (const { publisher } of this.#watched.values()) {
      if (publisher.sid === sid) return publisher;
    }
    return undefined;
  }
}
