/**
 * State and transitions of one publisher's tracks: announced, parked, published.
 *
 * Synchronous and pure: every call either changes the table as a whole or not at all, and returns
 * what the world is to be told. There are no timers: a layer finds its track however late it comes,
 * because media is looked up among the published tracks first.
 *
 * Invariants: a sid is in one state; a signal cid has one live entry; an SDP cid names one track;
 * an up-track belongs to one track; a track is told published once and unpublished once.
 *
 * @module
 */
import {
  type AddTrackRequest,
  type AudioTrackFeature,
  MuteTrackRequest,
  RequestResponse_Reason as Reason,
  type TrackInfo,
  UpdateLocalAudioTrack,
  UpdateLocalVideoTrack,
} from "@livekit/protocol";
import type { DropSink } from "../../base/drop_counters.ts";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import type { Log } from "../../base/platform.ts";
import type { RoomDrop } from "../drop_reasons.ts";
import { ParkedMedia } from "./parked_media.ts";
import { type PendingSlot, PendingTracks } from "./pending_tracks.ts";
import { type AnnouncementOptions, announceTrack } from "./track_announcement.ts";
import {
  addCodec,
  bindMedia,
  codecForFirstMedia,
  commitTrack,
  isNameTaken,
  type LiveTrack,
  liveTrack,
  recordLayer,
  recordSizes,
  ridFits,
  unbindMedia,
} from "./track_binding.ts";
import {
  type ClaimOutcome,
  type LayerSizes,
  type MediaArrival,
  type PublishedTrack,
  type RefusalReason,
  type RegistryEffect,
  respond,
  type SectionPlan,
  type SectionQuery,
} from "./registry_messages.ts";
import { newTrackSid, normalizeMime, setAudioFeatures } from "./track_info.ts";
import { type Match, matchMedia, planFor } from "./track_matching.ts";
import { keptRequest, knownAudioFeatures } from "./track_request.ts";
import { TrackVersions } from "./track_version.ts";

/** What the table needs to know and may use. */
export interface TrackTableOptions extends AnnouncementOptions {
  /** Unix milliseconds, for the version of a `TrackInfo`. */
  readonly wallMs: () => number;
  readonly log: Log;
  readonly counters: DropSink<RoomDrop>;
}

/** The result of a transition, and what the world is to be told, in order. */
export interface Transition<T> {
  readonly value: T;
  readonly effects: readonly RegistryEffect[];
}

/** Everything in the table, for diagnosis and tests. Not a copy: look, do not touch. */
export interface TableContents {
  readonly pending: readonly PendingSlot[];
  readonly tracks: readonly LiveTrack[];
  readonly parked: readonly MediaArrival[];
}

/** The tracks of one publisher. */
export class TrackTable {
  readonly #options: TrackTableOptions;
  readonly #pending = new PendingTracks();
  readonly #tracks = new Map<TrackSid, LiveTrack>();
  readonly #parked = new ParkedMedia();
  /** Sections that still carry media of a track the server has taken away. */
  readonly #ended = new Set<UpTrackId>();
  readonly #versions: TrackVersions;
  #closed = false;

  constructor(options: TrackTableOptions) {
    this.#options = options;
    this.#versions = new TrackVersions(options.wallMs);
  }

  /** `AddTrack`. The announcement becomes a pending track, is queued, or is refused. */
  announce(request: AddTrackRequest): Transition<void> {
    const effects: RegistryEffect[] = [];
    const kept = keptRequest(request);
    const about = { case: "addTrack", value: request } as const;
    if (!kept.ok) effects.push(respond(Reason.LIMIT_EXCEEDED, kept.message, about));
    else if (!this.#closed) this.#announce(kept.request, effects);
    return { value: undefined, effects };
  }

  /** One offer: exact names are settled for all sections before any is guessed by kind. */
  plan(sections: readonly SectionQuery[]): Transition<readonly SectionPlan[]> {
    const effects: RegistryEffect[] = [];
    const plans = new Map<SectionQuery, SectionPlan>();
    const look = (section: SectionQuery, byKind: boolean) => {
      const query = { ...section, sdpCid: nameOf(section.sdpCid, section.mid) };
      const mimes = section.codecs.map(({ mime }) => normalizeMime(mime, section.kind));
      const match = matchMedia(this.#view(), query, mimes, byKind);
      if (match.type === "slot") {
        this.#countGuess(match, query.sdpCid);
        this.#pending.expect(match.slot, { ...query });
      }
      plans.set(section, planFor(section.mid, query, match));
    };
    for (const section of sections) look(section, false);
    // All again: a name may have taken a track that another section had been guessed to carry.
    for (const section of sections) look(section, true);
    this.#settle(effects);
    return { value: sections.map((section) => plans.get(section)!), effects };
  }

  /** Media has come, or the offer alone says that it will. */
  claim(arrival: MediaArrival): Transition<ClaimOutcome> {
    const effects: RegistryEffect[] = [];
    if (this.#closed) return { value: this.#refuse("closed"), effects };
    const sdpCid = nameOf(arrival.sdpCid, arrival.mid);
    const media = { ...arrival, sdpCid, mime: normalizeMime(arrival.mime, arrival.kind) };
    const value = this.#accept(media, effects) ?? this.#park(media);
    this.#settle(effects);
    return { value, effects };
  }

  /** The section ended: so does its track, unless another codec of it is still coming in. */
  closeUpTrack(upTrack: UpTrackId): Transition<void> {
    const effects: RegistryEffect[] = [];
    this.#ended.delete(upTrack);
    this.#pending.forgetSection(upTrack);
    this.#parked.remove((media) => media.upTrack === upTrack);
    for (const track of this.#tracks.values()) {
      if (!track.bindings.has(upTrack)) continue;
      if (track.bindings.size === 1) {
        this.#unpublish(track, effects);
      } else {
        unbindMedia(track, upTrack);
        this.#updated(track, effects);
      }
    }
    this.#settle(effects);
    return { value: undefined, effects };
  }

  /** @returns Whether the sid is known; if not, and the publisher asked, it is told so. */
  setMuted(sid: TrackSid, muted: boolean, from: "publisher" | "admin"): Transition<boolean> {
    const effects: RegistryEffect[] = [];
    const known = this.has(sid);
    if (known && from === "admin") effects.push({ type: "mute", sid, muted });
    this.#change(sid, effects, (info) => {
      const changed = info.muted !== muted;
      info.muted = muted;
      return changed;
    });
    if (!known && from === "publisher") {
      const mute = new MuteTrackRequest({ sid, muted });
      effects.push(respond(Reason.NOT_FOUND, "", { case: "mute", value: mute }));
    }
    return { value: known, effects };
  }

  /** New dimensions of a video track. @returns Whether the sid is known. */
  updateVideo(sid: TrackSid, width: number, height: number): Transition<boolean> {
    const effects: RegistryEffect[] = [];
    const known = this.#change(sid, effects, (info) => {
      const changed = info.width !== width || info.height !== height;
      info.width = width;
      info.height = height;
      return changed;
    });
    const value = new UpdateLocalVideoTrack({ trackSid: sid, width, height });
    if (!known) effects.push(respond(Reason.NOT_FOUND, "", { case: "updateVideoTrack", value }));
    return { value: known, effects };
  }

  /** Pictures turned out to be this large. */
  measured(upTrack: UpTrackId, found: LayerSizes): Transition<void> {
    const effects: RegistryEffect[] = [];
    for (const track of this.#tracks.values()) {
      if (recordSizes(track, upTrack, found)) this.#updated(track, effects);
    }
    return { value: undefined, effects };
  }

  /** Replaces the features of an audio track. @returns Whether the sid is known. */
  updateAudio(sid: TrackSid, features: readonly AudioTrackFeature[]): Transition<boolean> {
    const effects: RegistryEffect[] = [];
    const wanted = knownAudioFeatures(features);
    const known = this.#change(sid, effects, (info) => setAudioFeatures(info, wanted));
    const value = new UpdateLocalAudioTrack({ trackSid: sid, features: wanted });
    if (!known) effects.push(respond(Reason.NOT_FOUND, "", { case: "updateAudioTrack", value }));
    return { value: known, effects };
  }

  /**
   * Takes tracks away, published or announced. What their sections still send is ignored until
   * those sections end, so that it cannot be mistaken for another track's media.
   */
  unpublishWhere(predicate: (info: TrackInfo) => boolean): Transition<void> {
    const effects: RegistryEffect[] = [];
    for (const track of [...this.#tracks.values()]) {
      if (!predicate(track.snapshot.info)) continue;
      for (const upTrack of track.bindings.keys()) this.#ended.add(upTrack);
      effects.push({ type: "track_unpublished", sid: track.sid });
      this.#unpublish(track, effects);
    }
    const dropped = this.#pending.removeEntries(predicate, this.#newSid);
    for (const { queued, sid, request: value, section } of dropped) {
      if (section !== undefined) this.#ended.add(section);
      effects.push(
        queued
          ? respond(Reason.NOT_ALLOWED, "", { case: "addTrack", value })
          : { type: "track_unpublished", sid },
      );
    }
    this.#settle(effects);
    return { value: undefined, effects };
  }

  /** Everything ends; later calls do nothing. */
  close(): Transition<void> {
    const effects: RegistryEffect[] = [];
    this.#closed = true;
    this.#pending.clear();
    this.#parked.remove(() => true);
    this.#ended.clear();
    for (const track of [...this.#tracks.values()]) this.#unpublish(track, effects);
    return { value: undefined, effects };
  }

  published(): readonly PublishedTrack[] {
    return [...this.#tracks.values()].map((track) => track.snapshot);
  }

  /** Whether the sid is published or announced. */
  has(sid: TrackSid): boolean {
    return this.#tracks.has(sid) || this.#pending.all().some((slot) => slot.sid === sid);
  }

  contents(): TableContents {
    return {
      pending: this.#pending.all(),
      tracks: [...this.#tracks.values()],
      parked: this.#parked.all(),
    };
  }

  #announce(request: AddTrackRequest, effects: RegistryEffect[]): void {
    const result = announceTrack(request, this.#pending, this.#tracks, this.#options);
    if (result.type === "answered") {
      const { reason, message } = result;
      effects.push(respond(reason, message, { case: "addTrack", value: request }));
      return;
    }
    if (result.type === "codec") this.#updated(result.track, effects);
    const track = (result.type === "codec" ? result.track.info : result.info).clone();
    effects.push({ type: "track_published", cid: request.cid, track });
    this.#settle(effects);
  }

  /** Gives media to its track, published before or now; `undefined` if it must wait. */
  #accept(media: MediaArrival, effects: RegistryEffect[]): ClaimOutcome | undefined {
    const match = matchMedia(this.#view(), media, [media.mime], true);
    switch (match.type) {
      case "refused":
        return this.#refuse(match.reason);
      case "bound": {
        const { track, binding } = match;
        if (!ridFits(media.rid, binding.rids)) return this.#refuse("unknown_rid");
        if (recordLayer(track, binding, media)) this.#updated(track, effects);
        return { type: "layer_added", sid: track.sid };
      }
      case "codec": {
        const { track } = match;
        const rids = media.rids ?? [];
        if (!ridFits(media.rid, rids)) return this.#refuse("unknown_rid");
        bindMedia(track, match.codec ?? addCodec(track.info, media.mime), media, rids);
        this.#updated(track, effects);
        return { type: "codec_added", sid: track.sid };
      }
      case "slot":
        return this.#publish(match, media, effects);
      default:
        return undefined;
    }
  }

  #publish(
    match: Match & { type: "slot" },
    media: MediaArrival,
    effects: RegistryEffect[],
  ): ClaimOutcome {
    const { slot } = match;
    const rids = media.rids ?? slot.expected?.rids ?? [];
    if (!ridFits(media.rid, rids)) return this.#refuse("unknown_rid");
    this.#countGuess(match, media.sdpCid);
    const { sid, signalCid } = slot;
    const info = this.#pending.takeFirst(slot, this.#newSid)!.info;
    if (!this.#options.canPublishSource(info.source, info.type)) {
      this.#ended.add(media.upTrack);
      effects.push({ type: "track_unpublished", sid });
      return this.#refuse("not_allowed");
    }
    this.#pending.forgetSection(media.upTrack);
    const track = liveTrack(sid, signalCid, media.kind, info);
    bindMedia(track, codecForFirstMedia(info, media), media, rids);
    info.version = this.#versions.next();
    this.#tracks.set(sid, track);
    effects.push({ type: "published", track: commitTrack(track) });
    return { type: "published", sid };
  }

  #park(media: MediaArrival): ClaimOutcome {
    return this.#parked.add(media) ? { type: "parked" } : this.#refuse("too_many_parked");
  }

  /** Until nothing moves: queued announcements whose name is free, then media that was parked. */
  #settle(effects: RegistryEffect[]): void {
    for (let moved = !this.#closed; moved;) {
      moved = false;
      for (const slot of this.#pending.all()) {
        if (!slot.queued || isNameTaken(this.#tracks, slot.signalCid)) continue;
        this.#pending.promote(slot);
        const track = slot.entries[0]!.info.clone();
        effects.push({ type: "track_published", cid: slot.signalCid, track });
        moved = true;
      }
      for (const media of this.#parked.all()) {
        if (this.#accept(media, effects) === undefined) continue;
        this.#parked.remove((other) => other === media);
        moved = true;
      }
    }
  }

  #unpublish(track: LiveTrack, effects: RegistryEffect[]): void {
    this.#tracks.delete(track.sid);
    effects.push({ type: "unpublished", track: track.snapshot });
  }

  /** Applies `apply` to every entry of a sid. @returns Whether there was one. */
  #change(
    sid: TrackSid,
    effects: RegistryEffect[],
    apply: (info: TrackInfo) => boolean,
  ): boolean {
    const track = this.#tracks.get(sid);
    if (track !== undefined && apply(track.info)) this.#updated(track, effects);
    for (const slot of this.#pending.all()) {
      if (slot.sid === sid) { for (const entry of slot.entries) apply(entry.info); }
    }
    return this.has(sid);
  }

  #updated(track: LiveTrack, effects: RegistryEffect[]): void {
    track.info.version = this.#versions.next();
    effects.push({ type: "updated", track: commitTrack(track) });
  }

  #view() {
    return { pending: this.#pending, tracks: this.#tracks, ended: this.#ended };
  }

  /** Says once where a track was matched by its kind although another one could have been meant. */
  #countGuess(match: Match & { type: "slot" }, sdpCid: string): void {
    if (match.candidates === 0) return;
    this.#options.counters.count("track_matched_by_kind");
    if (match.candidates === 1) return;
    this.#options.counters.count("track_match_ambiguous");
    this.#options.log.warn("Matched a track by its kind alone, several were pending", {
      track: match.slot.sid,
      signalCid: match.slot.signalCid,
      sdpCid,
      candidates: match.candidates,
    });
  }

  #refuse(reason: RefusalReason): ClaimOutcome {
    this.#options.counters.count(`track_refused_${reason}`);
    return { type: "refused", reason };
  }

  readonly #newSid = (info: TrackInfo): TrackSid =>
    newTrackSid(this.#options.random, info.type, info.source);
}

/** Sections without `a=msid` go by their mid. */
function nameOf(sdpCid: string, mid: string): string {
  return sdpCid === "" ? `mid:${mid}` : sdpCid;
}
