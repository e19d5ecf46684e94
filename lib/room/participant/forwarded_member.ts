/**
 * A member of another room, shown in this one with its tracks (`ForwardParticipant`).
 *
 * It has a sid of its own here and no client: what this room's participants receive is forwarded
 * straight from the origin's media and data tracks, as far as the origin's rule lets them. It
 * follows every change of its origin and ends with it, or when it is removed here.
 *
 * @module
 */
import {
  type DataBlob,
  type DataBlobKey,
  DisconnectReason,
  ParticipantInfo_KindDetail as KindDetail,
  ParticipantInfo_State as State,
  type ParticipantPermission,
} from "@livekit/protocol";
import type { UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { Log } from "../../base/platform.ts";
import type { DataTrackRoute } from "../../engine/messages/data_messages.ts";
import type { SubscribableTrack } from "../subscription/codec_choice.ts";
import { ImageMember } from "./image_member.ts";
import type { Member, OwnMember } from "./member.ts";
import { factsOf } from "./served_facts.ts";
import type { OfferedTrack } from "../subscription/room_tracks.ts";
import type { MemberFacts } from "../context/member_facts.ts";
import type { ParticipantFacts, Wisher } from "../context/participant_facts.ts";
import type { SubscriptionRule } from "../subscription/subscription_permission.ts";
import type { MemberPort } from "./room_port.ts";
import type { ParticipantInit, ProfileChange } from "../context/participant_profile.ts";
import type { Claim } from "../context/room_claim.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { CodecWish } from "../subscription/wanted_codecs.ts";
import type { SourceState } from "../subscription/subscription_table.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/** What is followed: a member and the room it is in. */
export interface Origin extends OwnMember {
  readonly host: Pick<MemberPort, "tracks">;
  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined;
  /** Where packets of its data tracks go from another room, in which it goes by `sid`. */
  setDataRoutesOf(sid: string, routes: readonly DataTrackRoute[]): void;
}

/** One wish of this room that the origin's room has been told of. */
interface Wish {
  readonly trackSid: string;
  readonly subscriber: Wisher;
}

/**
 * A member with no client here. It shows its origin under a sid of its own, never allows more than
 * the origin's rule, and ends with the origin or here, once.
 */
export class ForwardedMember extends ImageMember implements OwnMember {
  /** Called once, when it is no longer here. */
  onClosed: () => void = () => {};
  readonly #wishes = new Map<string, Wish>();

  constructor(
    context: RoomContext,
    readonly host: MemberPort,
    readonly origin: Origin,
    log: Log,
    claim?: Claim,
  ) {
    super(context, initOf(origin, claim), log);
    this.profile.advance(State.JOINED);
    this.profile.advance(State.ACTIVE);
  }

  /** What a publisher allows is allowed by identity, whatever the room. */
  get rule(): SubscriptionRule {
    return this.origin.rule;
  }

  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined {
    return this.origin.sectionOf(upTrack);
  }

  /** A track is what its origin's room says it is; only the publisher it shows is this room's. */
  override source(
    { track }: OfferedTrack,
    subscriber: ParticipantFacts,
  ): SubscribableTrack | undefined {
    const source = this.origin.host.tracks.resolve(track.sid, subscriber);
    return source && { ...source, publisherSid: this.sid };
  }

  override sourceState({ sid }: PublishedTrack, subscriber: ParticipantFacts): SourceState {
    return this.origin.host.tracks.sourceState(sid, subscriber);
  }

  facts(): MemberFacts {
    const { tracks } = this.origin.host;
    return factsOf(this, this, (trackSid) => tracks.isRegressed(trackSid));
  }

  /** Takes over what its origin is now. */
  follow(): void {
    if (this.closed) return;
    this.#followProfile();
    this.followTracks(this.origin.tracks);
    this.host.dataTracks.mirror(this, this.origin.dataTracks.infos());
  }

  /** What `subscriber`, of this room, wants of a track is told where its media comes from. */
  relayWish(trackSid: string, subscriber: Wisher, wish: CodecWish | undefined): boolean {
    const key = `${trackSid} ${subscriber.sid}`;
    if (wish === undefined) this.#wishes.delete(key);
    else this.#wishes.set(key, { trackSid, subscriber });
    this.origin.host.tracks.wish(trackSid, subscriber, wish);
    return true;
  }

  setDataRoutes(routes: readonly DataTrackRoute[]): void {
    this.origin.setDataRoutesOf(this.sid, routes);
  }

  blob(key: DataBlobKey): Promise<DataBlob | undefined> {
    return this.origin.blob(key);
  }

  tellSubscribed(trackSid: string): void {
    this.origin.tellSubscribed(trackSid);
  }

  /** Its tracks are muted where they are published. */
  muteByServer(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  updateProfile(change: ProfileChange): void {
    if (this.profile.update(change)) this.host.participantChanged(this, true);
  }

  // deno-lint-ignore require-await
  async setPermission(permission: ParticipantPermission): Promise<void> {
    const { hidden } = this;
    if (!this.profile.setPermission(permission)) return;
    this.host.participantChanged(this, true);
    if (hidden !== this.hidden) this.host.visibilityChanged(this);
    if (!this.closed) this.host.permissionChanged(this);
  }

  /** Its origin is gone. */
  end(): void {
    this.close(DisconnectReason.CLIENT_INITIATED);
  }

  protected override asMember(): Member {
    return this;
  }

  protected override ended(): void {
    this.onClosed();
    this.#withdraw(() => true);
  }

  protected override trackBegins(): void {}

  protected override trackEnded({ sid }: PublishedTrack): void {
    this.#withdraw(({ trackSid }) => trackSid === sid);
  }

  #withdraw(concerned: (wish: Wish) => boolean): void {
    for (const [key, wish] of [...this.#wishes]) {
      if (!concerned(wish)) continue;
      this.#wishes.delete(key);
      this.origin.host.tracks.wish(wish.trackSid, wish.subscriber, undefined);
    }
  }

  #followProfile(): void {
    const { name, metadata, attributes, permission } = this.origin.profile;
    const removed = Object.keys(this.profile.attributes).filter((key) => !(key in attributes));
    const gone = Object.fromEntries(removed.map((key) => [key, ""]));
    this.updateProfile({ name, metadata, attributes: { ...gone, ...attributes } });
    this.setPermission(permission).catch((error) => this.bug(error));
  }
}

function initOf({ init, profile }: Member, claim: Claim | undefined): ParticipantInit {
  const { claim: _ofOrigin, ...its } = init;
  return {
    ...its,
    ...(claim === undefined ? {} : { claim }),
    name: profile.name,
    metadata: profile.metadata,
    attributes: profile.attributes,
    permission: profile.permission,
    kindDetails: [...new Set([...init.kindDetails, KindDetail.FORWARDED])],
    autoSubscribe: false,
    oneShot: false,
    autoSubscribeDataTrack: false,
  };
}
