/**
 * Who is in a room: what the room shows of it, and what others may subscribe to, wherever its
 * client is served. A member whose client is here is a `Session`; one that is shown from another
 * room (`ForwardedMember`) has no session in this one.
 *
 * @module
 */
import {
  type DataBlob,
  type DataBlobKey,
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  type ParticipantInfo_State as State,
  type ParticipantPermission,
  type TrackInfo,
} from "@livekit/protocol";
import { type ParticipantSid, randomId, type TrackSid } from "../../base/ids.ts";
import type { Log } from "../../base/platform.ts";
import { guardedPlatform } from "../../base/wake_timer.ts";
import type { DataTrackRoute } from "../../engine/messages/data_messages.ts";
import { describeError, type Farewell } from "../context/close_reason.ts";
import type { Claim } from "../context/room_claim.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { ParticipantFacts } from "../context/participant_facts.ts";
import {
  type ParticipantInit,
  ParticipantProfile,
  type ProfileChange,
} from "../context/participant_profile.ts";
import type { QueuedUpdate } from "./participant_updates.ts";
import type { PublishedDataTracks } from "../data/published_data_tracks.ts";
import type { TrackPublisher } from "../subscription/room_tracks.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/**
 * Somebody in a room, wherever its client is served. Its tracks are what its room lists, and after
 * `close` it has none.
 */
export interface Member extends TrackPublisher {
  readonly log: Log;
  /** What lets it be in its room, where several nodes serve rooms. */
  readonly claim: Claim | undefined;
  /** In the order they were published. */
  readonly tracks: readonly PublishedTrack[];
  readonly dataTracks: PublishedDataTracks;
  /** Of which member of another room it is the image; absent if it is here itself. */
  readonly origin?: Member;

  /** Whether `subscriber` may have `trackSid` of this publisher. */
  allowsSubscription(trackSid: string, subscriber: ParticipantFacts): boolean;
  /** Where packets of its data tracks go from this room. */
  setDataRoutes(routes: readonly DataTrackRoute[]): void;
  /** A blob it left to be fetched. */
  blob(key: DataBlobKey): DataBlob | undefined;

  /** Tells its client, wherever that is, that somebody receives the track. */
  tellSubscribed(trackSid: string): void;
  /** Tells its client of itself, as far as that is news. */
  sendUpdates(updates: readonly QueuedUpdate[]): void;

  /**
   * Mutes on behalf of the server API.
   *
   * @returns The track now; `undefined` without such a track.
   */
  muteByServer(trackSid: TrackSid, muted: boolean): Promise<TrackInfo | undefined>;
  /** Changes names or attributes and tells everybody; see {@linkcode ParticipantProfile.update}. */
  updateProfile(change: ProfileChange): void;
  /** Replaces what it may do; what it no longer may ends at once. */
  setPermission(permission: ParticipantPermission): Promise<void>;
  /** It is no longer here; idempotent. */
  close(reason: DisconnectReason, farewell: Farewell): void;
}

/** What makes a member, and its facts out of its profile. */
export abstract class MemberRecord implements ParticipantFacts {
  /** New in each room it is moved to. */
  sid: ParticipantSid;
  /** What lets it be in its room, where several nodes serve rooms. */
  claim: Claim | undefined;
  readonly profile: ParticipantProfile;
  readonly log: Log;
  abstract readonly tracks: readonly PublishedTrack[];
  abstract readonly dataTracks: PublishedDataTracks;

  /** A throw of its timers is this member's bug, and nobody else's. */
  readonly context: RoomContext;

  constructor(context: RoomContext, readonly init: ParticipantInit, log: Log) {
    const { platform: { clock, random }, region } = context;
    const platform = guardedPlatform(context.platform, (error) => this.bug(error));
    this.context = { ...context, platform };
    this.claim = init.claim;
    this.sid = init.claim?.sid ?? randomId<ParticipantSid>(random, "PA_");
    this.log = log.child({ participant: init.identity, sid: this.sid });
    this.profile = new ParticipantProfile(this.sid, init, clock.wallMs(), region);
  }

  abstract sendUpdates(updates: readonly QueuedUpdate[]): void;
  abstract close(reason: DisconnectReason, farewell: Farewell): void;

  /** A bug of ours was hit on its behalf: it must close, nobody else. */
  bug(error: unknown): void {
    this.noteBug(error);
    this.close(Reason.STATE_MISMATCH, "reconnect");
  }

  get identity(): string {
    return this.init.identity;
  }

  get state(): State {
    return this.profile.state;
  }

  get hidden(): boolean {
    return this.profile.permission.hidden;
  }

  get agent(): boolean {
    return this.profile.isAgent;
  }

  get active(): boolean {
    return this.profile.isActive;
  }

  get closed(): boolean {
    return this.profile.isClosed;
  }

  get elsewhere(): boolean {
    return false;
  }

  get canPublishData(): boolean {
    return this.profile.permission.canPublishData;
  }

  info(): ParticipantInfo {
    return this.profile.toInfo(this.tracks.map(({ info }) => info), this.dataTracks.infos());
  }

  /** It goes on in another room, under a new sid. */
  protected renamed(claim: Claim | undefined): void {
    const { clock, random } = this.context.platform;
    this.claim = claim;
    this.sid = claim?.sid ?? randomId<ParticipantSid>(random, "PA_");
    this.profile.moved(this.sid, clock.wallMs());
  }

  protected noteBug(error: unknown): void {
    this.log.error("participant hit a bug", { error: describeError(error) });
    this.context.counters.count("participant_bug");
  }
}
