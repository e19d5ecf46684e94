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
import {
  type NodeId,
  type ParticipantSid,
  randomId,
  type TrackSid,
  type UpTrackId,
} from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { Log } from "../../base/platform.ts";
import { guardedPlatform } from "../../base/wake_timer.ts";
import type { DataTrackRoute } from "../../engine/messages/data_messages.ts";
import { describeError, type Farewell } from "../context/close_reason.ts";
import type { ServedMember } from "../context/node_ports.ts";
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
import type { OfferedTrack, TrackPublisher } from "../subscription/room_tracks.ts";
import { type SubscribableTrack, subscribableTrack } from "../subscription/codec_choice.ts";
import type { SubscriptionRule } from "../subscription/subscription_permission.ts";
import { NO_SOURCE, type SourceState } from "../subscription/subscription_table.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/**
 * Somebody in a room, wherever its client is served. Its tracks are what its room lists, and after
 * `close` it has none.
 */
export interface Member extends TrackPublisher {
  readonly log: Log;
  /** What lets it be in its room, where several nodes serve rooms. */
  readonly claim: Claim | undefined;
  /** Which other node serves it; absent: this one does. */
  readonly node?: NodeId;
  /** In the order they were published. */
  readonly tracks: readonly PublishedTrack[];
  readonly dataTracks: PublishedDataTracks;
  /** Of which member of another room it is the image; absent if it is here itself. */
  readonly origin?: Member;

  /** Who may have its tracks. */
  readonly rule: SubscriptionRule;
  /** Whether `subscriber` may have `trackSid` of this publisher. */
  allowsSubscription(trackSid: string, subscriber: ParticipantFacts): boolean;
  /** Where packets of its data tracks go from this room. */
  setDataRoutes(routes: readonly DataTrackRoute[]): void;
  /** A blob it left to be fetched. */
  blob(key: DataBlobKey): Promise<DataBlob | undefined>;

  /** Tells its client, wherever that is, that somebody receives the track. */
  tellSubscribed(trackSid: string): void;
  /** Tells its client of itself, as far as that is news. */
  sendUpdates(updates: readonly QueuedUpdate[]): void;
  /** It is no longer here; idempotent. */
  close(reason: DisconnectReason, farewell: Farewell): void;
  /** Its identity has been taken by `to`, wherever it is served. */
  giveWay(to: Pick<Member, "claim">): void;
}

/** A member that this node serves, and which can be told here what to be. */
export interface OwnMember extends Member, ServedMember {
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
}

/** Whether this node serves `member`. */
export function isOwn(member: Member): member is OwnMember {
  return !member.elsewhere;
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

  /** @param joinedAtMs Unix milliseconds; now if absent. */
  constructor(
    context: RoomContext,
    readonly init: ParticipantInit,
    log: Log,
    joinedAtMs: number = context.platform.clock.wallMs(),
  ) {
    const { platform: { random }, region } = context;
    const platform = guardedPlatform(context.platform, (error) => this.bug(error));
    this.context = { ...context, platform };
    this.claim = init.claim;
    this.sid = init.claim?.sid ?? randomId<ParticipantSid>(random, "PA_");
    this.log = log.child({ participant: init.identity, sid: this.sid });
    this.profile = new ParticipantProfile(this.sid, init, joinedAtMs, region);
  }

  abstract readonly rule: SubscriptionRule;
  /** What was negotiated for an up-track of it. */
  protected abstract sectionOf(upTrack: UpTrackId): ReceiveSection | undefined;

  abstract sendUpdates(updates: readonly QueuedUpdate[]): void;
  abstract close(reason: DisconnectReason, farewell: Farewell): void;

  giveWay(_to: Pick<Member, "claim">): void {
    this.close(Reason.DUPLICATE_IDENTITY, "disconnect");
  }

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

  allowsSubscription(trackSid: string, subscriber: ParticipantFacts): boolean {
    const { identity, profile: { isRecorder: exempt } } = subscriber;
    return this.rule.allows({ identity, exempt }, trackSid);
  }

  source(offered: OfferedTrack, subscriber: ParticipantFacts): SubscribableTrack | undefined {
    // Who is hidden cannot be received: a track would say whose it is.
    if (subscriber === this || this.hidden) return undefined;
    const allowed = this.allowsSubscription(offered.track.sid, subscriber);
    return subscribableTrack(this.sid, offered, allowed, (upTrack) => this.sectionOf(upTrack));
  }

  sourceState({ sid, kind, upTracks }: PublishedTrack, subscriber: ParticipantFacts): SourceState {
    if (subscriber === this || this.hidden || upTracks.length === 0) return NO_SOURCE;
    return { exists: true, kind, allowed: this.allowsSubscription(sid, subscriber) };
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
