/**
 * A member whose client is served here, as everybody else sees it: what it publishes, who may have
 * it, and what others are given of it.
 *
 * The room is looked up when something happens, because it changes when a member is moved.
 *
 * @module
 */
import {
  type DataBlob,
  type DataBlobKey,
  type ParticipantPermission,
  type SubscriptionPermission,
  type TrackInfo,
  TrackSubscribed,
} from "@livekit/protocol";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { Log } from "../../base/platform.ts";
import type { DataTrackRoute } from "../../engine/messages/data_messages.ts";
import type { PublishingSide } from "../connection/connection_sides.ts";
import { ClientTraits } from "../context/client_traits.ts";
import type { MemberFacts } from "../context/member_facts.ts";
import {
  canPublishSource,
  type ParticipantInit,
  type ProfileChange,
} from "../context/participant_profile.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import { ParticipantData } from "../data/participant_data.ts";
import type { PublishedDataTracks } from "../data/published_data_tracks.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import {
  everyoneMaySubscribe,
  readSubscriptionRule,
  type SubscriptionRule,
} from "../subscription/subscription_permission.ts";
import { factsOf } from "./served_facts.ts";
import { MemberRecord, type OwnMember } from "./member.ts";
import { ParticipantTracks } from "./participant_tracks.ts";
import type { MemberPort } from "./room_port.ts";

/**
 * A member that publishes here. Nobody is given a track of it that is hidden or that its rule
 * refuses, and what it may no longer publish ends at once.
 */
export abstract class PublishingMember extends MemberRecord implements OwnMember {
  readonly traits: ClientTraits;
  readonly data: ParticipantData;
  /** Called when what its token says of it has changed, or a client needs a fresh one. */
  onClaimsChanged: () => void = () => {};
  protected readonly published: ParticipantTracks;
  #rule: SubscriptionRule = everyoneMaySubscribe;

  constructor(context: RoomContext, init: ParticipantInit, log: Log) {
    super(context, init, log);
    this.traits = new ClientTraits(init.clientInfo);
    this.data = new ParticipantData(this.context, () => this.publisher.id);
    this.published = new ParticipantTracks(this);
  }

  abstract readonly host: MemberPort;
  abstract readonly publisher: PublishingSide;
  abstract send(message: SignalMessage): void;
  abstract readonly reachable: boolean;
  abstract readonly roomName: string;

  /** What it announces and publishes, as it races. */
  get registry(): ParticipantTracks["registry"] {
    return this.published.registry;
  }

  /** Published tracks, in the order they were published. */
  get tracks(): readonly PublishedTrack[] {
    return this.published.list();
  }

  get dataTracks(): PublishedDataTracks {
    return this.data.tracks;
  }

  get rule(): SubscriptionRule {
    return this.#rule;
  }

  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined {
    return this.publisher.sectionOf(upTrack);
  }

  facts(): MemberFacts {
    return factsOf(this, this, (trackSid) => this.host.tracks.isRegressed(trackSid));
  }

  relayWish(): boolean {
    return false;
  }

  setDataRoutes(routes: readonly DataTrackRoute[]): void {
    this.setDataRoutesOf(this.sid, routes);
  }

  /** As {@linkcode setDataRoutes}, from another room, in which it goes by `sid`. */
  setDataRoutesOf(sid: string, routes: readonly DataTrackRoute[]): void {
    this.data.routes.set(sid, routes);
  }

  blob(key: DataBlobKey): Promise<DataBlob | undefined> {
    return Promise.resolve(this.data.blobs.get(key));
  }

  tell(message: SignalMessage): void {
    this.send(message);
  }

  tellSubscribed(trackSid: string): void {
    if (!this.traits.requestResponses) return;
    this.send({ case: "trackSubscribed", value: new TrackSubscribed({ trackSid }) });
  }

  async muteByServer(trackSid: TrackSid, muted: boolean): Promise<TrackInfo | undefined> {
    const known = await this.registry.setMuted(trackSid, muted, "admin");
    return known ? this.registry.info(trackSid) : undefined;
  }

  /** Changes names or attributes and tells everybody; see {@linkcode ParticipantProfile.update}. */
  updateProfile(change: ProfileChange): void {
    if (!this.profile.update(change)) return;
    this.host.participantChanged(this, true);
    this.onClaimsChanged();
  }

  /** Replaces what this participant may do; what it no longer may ends at once. */
  async setPermission(permission: ParticipantPermission): Promise<void> {
    const { hidden } = this;
    if (!this.profile.setPermission(permission)) return;
    this.host.participantChanged(this, true);
    if (hidden !== this.hidden) this.host.visibilityChanged(this);
    this.onClaimsChanged();
    // Awaited for its effects: others hear that the tracks are gone before the room takes stock.
    await this.registry.unpublishWhere(({ source, type }) =>
      !canPublishSource(permission, source, type)
    );
    if (!this.closed) this.host.permissionChanged(this);
  }

  /** The client's `SubscriptionPermission`; a malformed one changes nothing. */
  setSubscriptionPermission(message: SubscriptionPermission): void {
    const others = Array.from(this.host.participants());
    const identities = new Map<string, string>(others.map(({ sid, identity }) => [sid, identity]));
    const rule = readSubscriptionRule(message, (sid) => identities.get(sid));
    if (rule === undefined) return this.context.counters.count("subscription_permission_invalid");
    this.#rule = rule;
    this.host.subscriptionRuleChanged(this);
  }
}
