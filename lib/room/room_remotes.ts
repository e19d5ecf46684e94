/**
 * One room towards the other nodes that serve it: shows whom they serve, and answers for those whom
 * this one serves.
 *
 * Contract: of two sessions of one identity the later claim is shown, whoever is heard of first;
 * what another node says about a member that it does not serve changes nothing.
 *
 * @module
 */
import {
  type DataBlob,
  type DataBlobKey,
  type DisconnectReason,
  DisconnectReason as Reason,
} from "@livekit/protocol";
import type { NodeId, RoomSid } from "../base/ids.ts";
import type { Log } from "../base/platform.ts";
import type { AudioLevelEntry } from "../engine/messages/media_messages.ts";
import type { MemberFacts } from "./context/member_facts.ts";
import type {
  ArrivedData,
  HeardQuality,
  MirroredRoom,
  QualityWish,
  RemoteMemberPort,
  RoomRecord,
  TokenBan,
} from "./context/node_ports.ts";
import type { Wisher } from "./context/participant_facts.ts";
import { isOlderClaim } from "./context/room_claim.ts";
import type { RoomContext } from "./context/room_context.ts";
import type { RoomData } from "./data/room_data.ts";
import type { RoomReports } from "./measure/room_reports.ts";
import { isOwn, type Member, type OwnMember } from "./participant/member.ts";
import { RemoteMember } from "./participant/remote_member.ts";
import type { RoomMembers } from "./participant/room_members.ts";
import type { MemberPort } from "./participant/room_port.ts";
import type { RoomAnnouncements } from "./room_announcements.ts";
import type { RoomTracks } from "./subscription/room_tracks.ts";

/** The room whose members they are. */
export interface RemotesHost extends MemberPort {
  readonly sid: RoomSid;
  readonly closed: boolean;
  readonly record: RoomRecord;
  readonly context: RoomContext;
  readonly log: Log;
  readonly tracks: RoomTracks<Member>;
  readonly data: RoomData;
  adopt(record: RoomRecord, isAgreed?: boolean): void;
  abandon(reason: DisconnectReason): void;
  supersede(isReplaced: boolean): void;
  meet(nodes: readonly NodeId[]): Promise<void>;
  /** Takes in a member of another node. */
  show(member: Member): void;
}

/** A room as the nodes that share it see each other's part. */
export class RoomRemotes implements MirroredRoom {
  readonly members: RoomMembers;
  readonly #reports: RoomReports;
  readonly #announcements: RoomAnnouncements;

  /** @param parts Of the room. */
  constructor(
    readonly room: RemotesHost,
    parts: {
      readonly members: RoomMembers;
      readonly reports: RoomReports;
      readonly announcements: RoomAnnouncements;
    },
  ) {
    this.members = parts.members;
    this.#reports = parts.reports;
    this.#announcements = parts.announcements;
  }

  get name(): string {
    return this.room.name;
  }

  get sid(): RoomSid {
    return this.room.sid;
  }

  get record(): RoomRecord {
    return this.room.record;
  }

  *served(): Iterable<OwnMember> {
    for (const member of this.members.values()) if (isOwn(member)) yield member;
  }

  member(identity: string): OwnMember | undefined {
    const member = this.members.get(identity);
    return member !== undefined && isOwn(member) ? member : undefined;
  }

  follow(facts: MemberFacts, port: RemoteMemberPort): void {
    const present = this.members.get(facts.identity);
    if (present?.sid === facts.sid) {
      if (present instanceof RemoteMember && present.node === port.node) present.follow(facts);
      return;
    }
    if (this.room.closed) return;
    const holder = present?.claim;
    if (holder !== undefined && isOlderClaim(facts, holder)) return port.evict(holder.number);
    const member = new RemoteMember(this.room.context, this.room, facts, port, this.room.log);
    this.room.show(member);
    member.follow(facts);
  }

  followNoMore(sid: string, node: NodeId, reason: DisconnectReason): void {
    for (const member of this.members.all()) {
      if (member instanceof RemoteMember && member.sid === sid && member.node === node) {
        member.close(reason);
      }
    }
  }

  adopt(record: RoomRecord, isAgreed?: boolean): void {
    this.room.adopt(record, isAgreed);
  }

  abandon(reason: DisconnectReason): void {
    this.room.abandon(reason);
  }

  supersede(isReplaced: boolean): void {
    this.room.supersede(isReplaced);
  }

  wished(trackSid: string, wisher: Wisher, wish: QualityWish | undefined): void {
    if (this.#publisherHere(trackSid) !== undefined) this.room.tracks.wish(trackSid, wisher, wish);
  }

  subscribedElsewhere(trackSid: string): void {
    const publisher = this.#publisherHere(trackSid);
    if (publisher === undefined || !this.room.tracks.announceSubscribed(trackSid)) return;
    publisher.tellSubscribed(trackSid);
  }

  evict(identity: string, number: number): void {
    const member = this.member(identity);
    if (member === undefined || !isOlderClaim(member.claim, { number })) return;
    member.close(Reason.DUPLICATE_IDENTITY, "disconnect");
  }

  blob(sid: string, key: DataBlobKey): Promise<DataBlob | undefined> {
    for (const member of this.served()) if (member.sid === sid) return member.blob(key);
    return Promise.resolve(undefined);
  }

  meet(nodes: readonly NodeId[]): Promise<void> {
    return this.room.meet(nodes);
  }

  bridged(): void {
    for (const session of this.members.sessions()) this.room.data.changed(session);
  }

  drained(): void {
    this.room.data.drained();
  }

  dataArrived(data: ArrivedData): void {
    this.room.data.arrived(data);
  }

  levelsHeard(levels: readonly AudioLevelEntry[]): void {
    this.#reports.levelsHeard(levels);
  }

  qualityHeard(sid: string, heard: HeardQuality): void {
    const member = this.#remote(sid);
    if (member !== undefined) this.#reports.qualityHeard(member, heard);
  }

  speakerSimulated(sid: string, seconds: number): void {
    const member = this.#remote(sid);
    if (member !== undefined) this.#announcements.simulateSpeaker(member, seconds);
  }

  barred({ identity, beforeMs, knownExpiryMs }: TokenBan): void {
    this.room.context.revocations?.revoke(this.name, identity, beforeMs, knownExpiryMs);
  }

  bans(): readonly TokenBan[] {
    return this.room.context.revocations?.of(this.name) ?? [];
  }

  #remote(sid: string): Member | undefined {
    return this.members.all().find((member) => member.elsewhere && member.sid === sid);
  }

  #publisherHere(trackSid: string): Member | undefined {
    const publisher = this.room.tracks.get(trackSid)?.publisher;
    return publisher?.elsewhere ? undefined : publisher;
  }
}
