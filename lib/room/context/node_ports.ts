/**
 * What a room asks of the world beyond its node, as ports: whether it may be served here and as
 * what, and who is in it elsewhere. A node that is alone has none of it ({@linkcode ALONE}).
 *
 * Contract: nothing here is waited for while a call runs: the answers that may be far are promises,
 * asked before somebody is let in, or when a room begins, changes or ends; everything else is told
 * and not answered.
 *
 * @module
 */
import type {
  ConnectionQuality,
  DataBlob,
  DataBlobKey,
  DisconnectReason,
  VideoQuality,
} from "@livekit/protocol";
import type { NodeId, RoomSid } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { AudioLevelEntry } from "../../engine/messages/media_messages.ts";
import type { MemberFacts } from "./member_facts.ts";
import type { ParticipantFacts, Wisher } from "./participant_facts.ts";
import type { Claim } from "./room_claim.ts";
import type { RoomPlan } from "./room_plan.ts";

/** A room as all nodes know it. */
export interface RoomRecord {
  readonly sid: RoomSid;
  /** Unix milliseconds. */
  readonly createdAtMs: number;
  /** Goes up with each change of the plan. */
  readonly version: number;
  readonly plan: RoomPlan;
}

/** Who wants to come in. */
export interface Newcomer {
  readonly identity: string;
  /** It takes a place; agents and recorders do not. */
  readonly counted: boolean;
  /** It may come into a locked room. */
  readonly passesLock: boolean;
}

/** A wish that a room be served here. */
export interface EntryRequest {
  readonly room: string;
  /** The room is made by this if there is none; absent: it has to exist. */
  readonly plan?: RoomPlan;
  /** Absent: nobody comes in, yet. */
  readonly newcomer?: Newcomer;
}

/** Why a room is not served here, or not to that newcomer. */
export type EntryRefusal =
  | "not_found"
  | "room_full"
  | "room_locked"
  /** This node cannot take it; another can. */
  | "elsewhere"
  /** Nobody can tell now. */
  | "unavailable";

/** Tokens of an identity that were issued before a moment, and are refused. */
export interface TokenBan {
  readonly identity: string;
  /** Unix milliseconds. */
  readonly beforeMs: number;
  /** When the last token known of expires, Unix milliseconds; 0 if none is. */
  readonly knownExpiryMs: number;
}

/** What came of an {@linkcode EntryRequest}. */
export type Entry =
  | {
    readonly ok: true;
    readonly record: RoomRecord;
    /** By this request. */
    readonly created: boolean;
    /** Who else serves it. */
    readonly nodes: readonly NodeId[];
    /** Tokens that are refused, as others have said; told once to each node. */
    readonly bans?: readonly TokenBan[];
    /** Of the newcomer; to be released once, whatever becomes of it. */
    readonly claim?: Claim;
  }
  | {
    readonly ok: false;
    readonly reason: EntryRefusal;
    /** Who can take it, if that is known. */
    readonly nodes?: readonly NodeId[];
  };

/** Where a room stands once nobody is served here. */
export type Departure =
  /** Somebody is about to come in here, or nobody else has it. */
  | "kept"
  /** Other nodes go on with it. */
  | "left"
  /** It has ended by this node's word, which tells the world. */
  | "finished";

/** A room wherever it is. */
export interface ListedRoom {
  readonly name: string;
  readonly record: RoomRecord;
  /** Who serves it. */
  readonly nodes: readonly NodeId[];
  /** How many take a place in it. */
  readonly counted: number;
}

/** Rooms and who is in them, as all nodes agree. */
export interface RoomPlacement {
  enter(request: EntryRequest): Promise<Entry>;
  /** The nodes that serve a room, this one included; `undefined` without the room. */
  find(room: string): Promise<readonly NodeId[] | undefined>;
  /** All rooms, or those of these names. */
  list(names: readonly string[]): Promise<readonly ListedRoom[]>;
  /** A claim comes to nothing: who held the identity before holds it still. */
  forgo(room: string, identity: string, claim: Claim): void;
  /** Whoever holds a claim is there, and the world is told so. */
  joined(room: string, claim: Claim): void;
  /** A claim is not needed any more. */
  release(room: string, identity: string, claim: Claim): void;
  /**
   * Nobody is served here any more.
   *
   * @param last If no other node has it: it is over; or this one goes on; or it waits for whoever
   *   comes.
   */
  leave(room: string, sid: RoomSid, last: "finish" | "stay" | "go"): Promise<Departure>;
  /**
   * Replaces the plan of a room if its version is still `version`.
   *
   * @returns The room as it is now, and whether that is by this call; `undefined` without the room.
   */
  /** Refuses tokens in all rooms of a name, for so long. */
  bar(room: string, ban: TokenBan, keepMs: number): void;
  /** A room has ended unnoticed. @returns Whether it is this node that is to tell of it. */
  lastWord(room: string, sid: RoomSid): Promise<boolean>;
  update(
    room: string,
    sid: RoomSid,
    version: number,
    plan: RoomPlan,
  ): Promise<{ readonly done: boolean; readonly record: RoomRecord } | undefined>;
  /** Ends a room for all. @returns Whether it ended by this call. */
  remove(room: string, sid: RoomSid): Promise<boolean>;
}

/** What somebody wants of a track; everything below the quality comes along. */
export interface QualityWish {
  readonly mime: string;
  readonly quality: VideoQuality;
}

/** A data packet that leaves the node, encoded for clients. */
export interface BridgedData {
  /** Sid of its sender; empty: the server. */
  readonly from: string;
  readonly kind: DataKind;
  readonly bytes: Uint8Array;
  /** Who it is for; both empty: everybody. */
  readonly identities: readonly string[];
  readonly sids: readonly string[];
  /** The identities are given apart from the packet, which names others. */
  readonly isAddressed: boolean;
}

/** A data packet of another node. */
export interface ArrivedData {
  /** Sid of its sender; empty: the server. */
  readonly from: string;
  readonly kind: DataKind;
  readonly bytes: Uint8Array;
  /** Identities it is for in place of those it names. */
  readonly to?: readonly string[];
}

/** How good the connection of a member is. */
export interface HeardQuality {
  readonly quality: ConnectionQuality;
  readonly opinion: number;
}

/** A member that is served here, as other nodes are told of it. */
export interface ServedMember extends ParticipantFacts {
  readonly claim: Claim | undefined;
  facts(): MemberFacts;
}

/** A node that serves a member which is shown here, for what that member is asked. */
export interface RemoteMemberPort {
  readonly node: NodeId;
  /** What everybody here wants of one of its tracks together; none: nothing. */
  want(trackSid: string, wishes: readonly QualityWish[]): void;
  /** Somebody who may be seen receives one of its tracks. */
  subscribed(trackSid: string): void;
  /** A blob that it left to be fetched. */
  blob(key: DataBlobKey): Promise<DataBlob | undefined>;
  /** Its identity has been taken, by a later claim with that number. */
  evict(number: number): void;
}

/** One room as the mirror of its other nodes sees it. */
export interface MirroredRoom {
  readonly name: string;
  readonly sid: RoomSid;
  readonly record: RoomRecord;
  /** Whom this node serves in it. */
  served(): Iterable<ServedMember>;
  /** Whom it serves under that identity. */
  member(identity: string): ServedMember | undefined;
  /** A member that another node serves is there, or is not as it was. */
  follow(facts: MemberFacts, port: RemoteMemberPort): void;
  /** It is there no more. */
  followNoMore(sid: string, node: NodeId, reason: DisconnectReason): void;
  /** @param isAgreed As the directory has it, which decides between two of one version. */
  adopt(record: RoomRecord, isAgreed?: boolean): void;
  /** It has ended by another node's word. */
  abandon(reason: DisconnectReason): void;
  /** It has ended unnoticed. @param isReplaced There is another one of its name. */
  supersede(isReplaced: boolean): void;
  /** What another node wants of a track that is published here. */
  wished(trackSid: string, wisher: Wisher, wish: QualityWish | undefined): void;
  /** Somebody there receives it. */
  subscribedElsewhere(trackSid: string): void;
  /** Ends whom this node serves under that identity, if its claim is older than `number`. */
  evict(identity: string, number: number): void;
  /** See {@linkcode RoomLink.meet}. */
  meet(nodes: readonly NodeId[]): Promise<void>;
  /** A blob that a member left who is served here. */
  blob(sid: string, key: DataBlobKey): Promise<DataBlob | undefined>;
  /** There are other nodes now, or none any more. */
  bridged(): void;
  /** Other nodes take reliable data again. */
  drained(): void;
  dataArrived(data: ArrivedData): void;
  /** How loud microphones of another node's members are. */
  levelsHeard(levels: readonly AudioLevelEntry[]): void;
  qualityHeard(sid: string, heard: HeardQuality): void;
  /** Somebody there is shown as speaking, as a client under test asks. */
  speakerSimulated(sid: string, seconds: number): void;
  /** Tokens of an identity that are refused from now on. */
  barred(ban: TokenBan): void;
  /** All that are known of. */
  bans(): readonly TokenBan[];
}

/** One room as other nodes follow it, from its opening to its end. */
export interface RoomLink {
  /** A member that is served here is there, or is not as it was. */
  changed(member: ServedMember): void;
  left(member: ParticipantFacts): void;
  /** The plan was changed by this node. */
  planned(record: RoomRecord): void;
  /** It has ended for all by this node's word. */
  ended(reason: DisconnectReason): void;
  /** Whether there are other nodes. */
  readonly hasPeers: boolean;
  /** @returns Whether its sender may go on; else it is to wait for `drained`. */
  deliver(data: BridgedData): boolean;
  /** How loud microphones of members are that are served here. */
  levels(levels: readonly AudioLevelEntry[]): void;
  quality(sid: string, heard: HeardQuality): void;
  speakerSimulated(sid: string, seconds: number): void;
  barred(ban: TokenBan): void;
  /** What the others have told so far holds here when this resolves; or it is too late. */
  settled(): Promise<void>;
  /** Shares it with `nodes`; resolves when they have told whom they serve, or it is too late. */
  meet(nodes: readonly NodeId[]): Promise<void>;
  close(): void;
}

/** A call of the server API that another node is to carry out. */
export interface CarriedCall {
  readonly name: string;
  /** Of its request. */
  readonly bytes: Uint8Array;
  /** How often it has been carried. */
  readonly hops: number;
}

/** What came of it: the bytes of its answer, or a failure. */
export type CarriedReply =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | {
    readonly ok: false;
    readonly code: string;
    readonly message: string;
    readonly detail?: number | string;
  };

/** The nodes that share rooms with this one. */
export interface RemoteMembers {
  /** A room was opened here. */
  open(room: MirroredRoom): RoomLink;
  /** Asks a node to do what the server API was asked here; `undefined` if it does not answer. */
  carry(node: NodeId, call: CarriedCall, withinMs: number): Promise<CarriedReply | undefined>;
  /**
   * What the others have told so far of some rooms is known when this resolves; or it is too late.
   *
   * @param rooms Names; of all rooms if there are none.
   */
  settled(rooms: readonly string[]): Promise<void>;
}

/** What lies beyond this node. */
export interface NodePorts {
  /** Absent: rooms are this node's alone. */
  readonly placement?: RoomPlacement;
  readonly remoteMembers: RemoteMembers;
}

/** A room that is here alone. */
const NO_LINK: RoomLink = {
  changed() {},
  left() {},
  planned() {},
  ended() {},
  hasPeers: false,
  deliver: () => true,
  levels() {},
  quality() {},
  speakerSimulated() {},
  barred() {},
  settled: () => Promise.resolve(),
  meet: () => Promise.resolve(),
  close() {},
};

/** A node whose rooms are its own: nobody is asked, and nobody told. */
export const ALONE: NodePorts = {
  remoteMembers: {
    open: () => NO_LINK,
    carry: () => Promise.resolve(undefined),
    settled: () => Promise.resolve(),
  },
};
