/**
 * A member that another node serves.
 *
 * That node alone says what it is, and is asked for what only it can do; here it is shown, and its
 * tracks are had like any others: the media plane knows them by the section in which their
 * publisher's engine receives them, and brings them over while somebody here wants them.
 *
 * @module
 */
import {
  ClientInfo,
  type DataBlob,
  type DataBlobKey,
  ParticipantPermission,
} from "@livekit/protocol";
import { type DataTrackId, dataTrackId, type NodeId, type UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { Log } from "../../base/platform.ts";
import type { DataTrackRoute } from "../../engine/messages/data_messages.ts";
import type { MemberFacts, SharedTrack } from "../context/member_facts.ts";
import type { RemoteMemberPort } from "../context/node_ports.ts";
import type { Wisher } from "../context/participant_facts.ts";
import type { ParticipantInit } from "../context/participant_profile.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import {
  everyoneMaySubscribe,
  readSubscriptionRule,
  type SubscriptionRule,
} from "../subscription/subscription_permission.ts";
import { type CodecWish, SummedWishes } from "../subscription/wanted_codecs.ts";
import { ImageMember } from "./image_member.ts";
import type { Member } from "./member.ts";
import type { MemberPort } from "./room_port.ts";

/**
 * A member that another node serves, under the sid it has there. It never says anything of itself
 * that its node did not, and nothing of it is left when it is gone.
 */
export class RemoteMember extends ImageMember implements Member {
  readonly #port: RemoteMemberPort;
  readonly #sections = new Map<UpTrackId, ReceiveSection>();
  /** What is wanted here of each track, and what its node was told. */
  readonly #wishes = new Map<string, SummedWishes>();
  /** Its data tracks that were routed, and its handles of them. */
  readonly #dataHandles = new Map<DataTrackId, number>();
  #rule: SubscriptionRule = everyoneMaySubscribe;
  #message: MemberFacts["rule"] | undefined;

  constructor(
    context: RoomContext,
    readonly host: MemberPort,
    facts: MemberFacts,
    port: RemoteMemberPort,
    log: Log,
  ) {
    const { info } = facts;
    super(
      { ...context, region: info.region },
      initOf(facts),
      log.child({ node: port.node }),
      Number(info.joinedAtMs),
    );
    this.#port = port;
    this.profile.mirror(info);
    this.#followRule(facts);
  }

  get node(): NodeId {
    return this.#port.node;
  }

  override get elsewhere(): boolean {
    return true;
  }

  get rule(): SubscriptionRule {
    return this.#rule;
  }

  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined {
    return this.#sections.get(upTrack);
  }

  /** Takes over what its node says of it; also right after it was added. */
  follow(facts: MemberFacts): void {
    if (this.closed) return;
    const { hidden, state } = this;
    const permission = this.profile.permission;
    if (this.profile.mirror(facts.info)) this.host.participantChanged(this, state === this.state);
    if (this.#followRule(facts)) this.host.subscriptionRuleChanged(this);
    if (hidden !== this.hidden) this.host.visibilityChanged(this);
    this.followTracks(facts.tracks);
    if (!permission.equals(this.profile.permission)) this.host.permissionChanged(this);
    if (!this.closed) this.host.dataTracks.mirror(this, facts.dataTracks);
  }

  relayWish(trackSid: string, subscriber: Wisher, wish: CodecWish | undefined): boolean {
    const known = this.#wishes.get(trackSid);
    const wishes = known ?? new SummedWishes();
    if (known === undefined) this.#wishes.set(trackSid, wishes);
    if (wishes.wish(subscriber.sid, wish)) this.#port.want(trackSid, wishes.summed());
    return true;
  }

  override giveWay(to: Pick<Member, "claim">): void {
    this.#port.evict(to.claim?.number ?? 0);
    super.giveWay(to);
  }

  setDataRoutes(routes: readonly DataTrackRoute[]): void {
    const ended = new Map(this.#dataHandles);
    for (const { handle, receivers } of routes) {
      const sid = this.dataTracks.sidOf(handle);
      if (sid === undefined) continue;
      const track = dataTrackId(this.node, sid);
      ended.delete(track);
      this.#dataHandles.set(track, handle);
      this.context.router.routeRemoteData(track, handle, this.sid, receivers);
    }
    for (const [track, handle] of ended) {
      this.#dataHandles.delete(track);
      this.context.router.routeRemoteData(track, handle, this.sid, []);
    }
  }

  blob(key: DataBlobKey): Promise<DataBlob | undefined> {
    return this.#port.blob(key);
  }

  tellSubscribed(trackSid: string): void {
    this.#port.subscribed(trackSid);
  }

  protected override asMember(): Member {
    return this;
  }

  protected override ended(): void {}

  protected override trackBegins({ upTracks }: PublishedTrack): void {
    // Those that are followed are all shared ones.
    for (const { upTrack, section } of upTracks as SharedTrack["upTracks"]) {
      const before = this.#sections.get(upTrack);
      if (before === section) continue;
      this.#sections.set(upTrack, section);
      this.context.router.shareRemoteTrack(upTrack, section, before === undefined);
    }
  }

  protected override trackEnded({ sid, upTracks }: PublishedTrack): void {
    const wishes = this.#wishes.get(sid);
    this.#wishes.delete(sid);
    if (wishes !== undefined && wishes.summed().length > 0) this.#port.want(sid, []);
    for (const { upTrack } of upTracks) {
      if (this.#sections.delete(upTrack)) this.context.router.releaseRemoteTrack(upTrack);
    }
  }

  /** @returns Whether it is another rule. */
  #followRule({ rule }: MemberFacts): boolean {
    if (this.#message !== undefined && rule.equals(this.#message)) return false;
    this.#message = rule;
    const read = readSubscriptionRule(rule, () => undefined);
    if (read === undefined) return false;
    this.#rule = read;
    return true;
  }
}

function initOf(facts: MemberFacts): ParticipantInit {
  const { info, identity, userIdentity, tokenExpiresAt, client, sid, number } = facts;
  return {
    identity,
    userIdentity,
    name: info.name,
    metadata: info.metadata,
    attributes: info.attributes,
    permission: info.permission ?? new ParticipantPermission(),
    kind: info.kind,
    kindDetails: info.kindDetails,
    clientInfo: new ClientInfo({
      ...client,
      clientProtocol: info.clientProtocol,
      capabilities: info.capabilities,
    }),
    autoSubscribe: false,
    adaptiveStream: false,
    tokenExpiresAt,
    claim: { sid, number },
  };
}
