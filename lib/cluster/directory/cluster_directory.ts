/**
 * What all nodes know of each other and of rooms: which nodes live, which rooms there are, who
 * serves them, and which node an identity is served by. A port with two twins that pass the same
 * tests: Redis (`redis_directory.ts`), and memory on virtual time for tests.
 *
 * Contract: a running call needs none of it. It is asked at a join, a departure, a creation, a
 * deletion, a change of a room's settings, and for somebody who is not known here. Each question is
 * one atomic step, and asking it again after an answer was lost gives the same answer as the first
 * time, unless somebody else came between. Leases and ages are measured by the directory's clock
 * alone, order is by fencing numbers, so the clocks of nodes may be wrong. Every promise settles
 * within a second; while the directory is away they reject with {@linkcode SfuError}
 * `directory_down`, and whether the step was made is not known then; claims that a failed `enter`
 * or `release` may have left are ended once it is back.
 *
 * Fencing numbers grow within a room, are never used again, and are larger in a room that was made
 * anew under an old name.
 *
 * @module
 */
import type { NodeId, ParticipantSid, RoomSid } from "../../base/ids.ts";
import type { Cancel } from "../../base/platform.ts";
import type { TextShelf } from "../../ingress/text_shelf.ts";
import type { TokenBan } from "../../room/context/node_ports.ts";

/** How much a node has to do. */
export interface NodeLoad {
  /** Share of its cores in use, 0 to 1. */
  readonly cpu: number;
  readonly participants: number;
  readonly rooms: number;
  readonly tracks: number;
  /** Share of what it can carry that is still free, 0 to 1. */
  readonly headroom: number;
}

/** Agent workers of one kind on one node. */
export interface AgentOffer {
  readonly namespace: string;
  readonly agentName: string;
  readonly deployment: string;
  /** `livekit.JobType`. */
  readonly jobType: number;
  /** How much they can still take, 0 to 1. */
  readonly headroom: number;
}

/** What a node says of itself with each heartbeat. */
export interface NodeRecord {
  readonly nodeId: NodeId;
  readonly region: string;
  /** `ws://` or `wss://` address at which other nodes reach its `/cluster`. */
  readonly link: string;
  /** `ws://` or `wss://` address at which clients reach it; empty if nobody has said. */
  readonly clientAddress: string;
  /** Versions that it speaks on node links. */
  readonly protocol: { readonly min: number; readonly max: number };
  readonly state: "serving" | "draining";
  readonly load: NodeLoad;
  readonly agents: readonly AgentOffer[];
  /** Unix ms by its own clock; for people. */
  readonly startedAtMs: number;
}

/** Where a room's members may be served: anywhere, on one node, or in one region. */
export type Pin = "" | NodeId | `region:${string}`;

/** What may be changed of a room. */
export interface RoomSettings {
  /** Everything of the room that only nodes understand, as JSON. */
  readonly plan: string;
  /** 0 is no limit. */
  readonly maxParticipants: number;
  /** Whether only those come in who are in. */
  readonly locked: boolean;
  readonly pin: Pin;
  /** How long it is kept when nobody serves it any more, ms. */
  readonly lingerMs: number;
}

/** A room to be made. */
export interface RoomSeed extends RoomSettings {
  /** New for each attempt to make it. */
  readonly sid: RoomSid;
  /** Unix ms by its maker's clock; for people. */
  readonly createdAtMs: number;
}

/** A room. */
export interface RoomRecord extends RoomSeed {
  readonly name: string;
  readonly creator: NodeId;
  /** 1 at first, and one more with each change of its settings. */
  readonly version: number;
  /** Who made this version. */
  readonly writer: NodeId;
}

/** An identity in a room is served by this node; the highest number wins. */
export interface Claim {
  readonly identity: string;
  readonly node: NodeId;
  readonly sid: ParticipantSid;
  readonly number: number;
}

/** A claim, and whether it takes one of the room's places. */
export interface AssertedClaim extends Claim {
  readonly counted: boolean;
}

/** Nobody serves the room: its keeper closes it when its time is over, unless somebody comes. */
export interface Closing {
  readonly keeper: NodeId;
  /** Names this closing among others of the room. */
  readonly number: number;
}

/** Asks to serve a room, and somebody in it. */
export interface EnterRequest {
  readonly room: string;
  readonly node: NodeId;
  /** This node's; for the room's pin. */
  readonly region: string;
  /** The room is made of it if there is none. */
  readonly create?: RoomSeed;
  /** This node serves the room and knows who else does: it need not be told. */
  readonly knowsNodes?: boolean;
  readonly claim?: {
    readonly identity: string;
    /** The session's, new for each attempt to join. */
    readonly sid: ParticipantSid;
    /** False for who takes no place and is let into locked rooms: agents, recorders. */
    readonly counted: boolean;
    /** Whether it is let into locked rooms although it takes a place. */
    readonly passesLock?: boolean;
    /** Its session is told of as there by {@linkcode ClusterDirectory.joined}, and not before. */
    readonly joinsLater?: boolean;
  };
}

/** The answer to {@linkcode EnterRequest}. */
export type EnterAnswer =
  | {
    readonly ok: true;
    /** Whether it was made by this. Said again to who asks again with the same seed. */
    readonly created: boolean;
    readonly record: RoomRecord;
    /**
     * All that serve it, this one among them, also those that died and are not buried yet. Empty
     * for a node that knows them, if the directory has it among them.
     */
    readonly nodes: readonly NodeId[];
    /** Present if one was asked for. `former` has to make room. */
    readonly claim?: { readonly number: number; readonly former?: Claim };
    /** Tokens that are refused in rooms of that name; told to a node that did not serve it. */
    readonly bans?: readonly TokenBan[];
  }
  | { readonly ok: false; readonly reason: "not_found" | "room_full" | "room_locked" }
  | {
    readonly ok: false;
    readonly reason: "elsewhere";
    /** Live and serving nodes that may take it; there is one at least. */
    readonly nodes: readonly NodeId[];
  };

/** Tokens to be refused in all rooms of a name, for so long. */
export interface BarRequest {
  readonly room: string;
  readonly ban: TokenBan;
  readonly keepMs: number;
}

/** A change of settings, made only if the version is still this. */
export interface UpdateRequest {
  readonly room: string;
  readonly node: NodeId;
  readonly sid: RoomSid;
  readonly version: number;
  readonly change: Partial<RoomSettings>;
}

/** The answer to {@linkcode UpdateRequest}; the record is what holds now. */
export type UpdateAnswer =
  | { readonly ok: true; readonly record: RoomRecord }
  | { readonly ok: false; readonly reason: "conflict"; readonly record: RoomRecord }
  | { readonly ok: false; readonly reason: "not_found" };

/** What a node has of a room, told after the directory was away or lost it. */
export interface AssertRequest {
  readonly node: NodeId;
  readonly record: RoomRecord;
  readonly claims: readonly AssertedClaim[];
}

/** The answer to {@linkcode AssertRequest}. */
export type AssertAnswer =
  | {
    readonly ok: true;
    /** What holds now: the higher version, and of equal ones the one that was known already. */
    readonly record: RoomRecord;
    readonly nodes: readonly NodeId[];
    /** Claims of others that are newer than what was asserted of the same identities. */
    readonly newer: readonly Claim[];
    /** Claims of others that gave way. */
    readonly beaten: readonly Claim[];
  }
  /** The room is another one by now, or has ended if there is none; nothing was changed. */
  | { readonly ok: false; readonly record?: RoomRecord };

/** A room and how many are in it. */
export interface RoomListing {
  readonly record: RoomRecord;
  /** All that serve it, as in {@linkcode EnterAnswer}. */
  readonly nodes: readonly NodeId[];
  /** Identities that are claimed; `counted` of them take a place. */
  readonly claims: number;
  readonly counted: number;
}

/** What was left of a dead node's part in a room. */
export interface Burial {
  readonly record: RoomRecord;
  /** Claims that ended with it, also those that others had replaced and it had not released. */
  readonly freed: readonly Claim[];
  /** The same, of sessions that were never there: they were about to come. Absent: none. */
  readonly unjoined?: readonly Claim[];
  /** Present if nobody serves the room any more: who buried keeps it. */
  readonly closing?: Closing;
}

/** The answer to a heartbeat. */
export interface HeartbeatAnswer {
  /**
   * False if the directory had forgotten the node, or had let its lease lapse: what it serves may
   * be buried, so it has to be asserted.
   */
  readonly known: boolean;
  /** Nothing was known of the node: it has just come, or everything was lost. */
  readonly isNew: boolean;
  /** Nodes without a lease that this one has to bury; nobody else is asked meanwhile. */
  readonly bury: readonly NodeId[];
}

/** `down` from the first question that got no answer until the connection is back. */
export type DirectoryStatus = "up" | "down";

/** The port. */
export interface ClusterDirectory {
  readonly status: DirectoryStatus;
  /** Called with each change of the status, until cancelled. */
  onStatus(listener: (status: DirectoryStatus) => void): Cancel;
  /** Whether it takes so long to answer about this room that newcomers are to come back later. */
  isSlow(room: string): boolean;

  /** Renews the node's lease. */
  heartbeat(node: NodeRecord): Promise<HeartbeatAnswer>;
  /** Ends a node's lease at once; what it still has is buried by others. */
  withdraw(node: NodeId): Promise<void>;
  /**
   * Nodes whose leases hold, by id, at most a second old. While the directory is away, and one
   * lease after it came back, also those that were seen last before. Loads that changed little may
   * be half a minute old.
   *
   * @param including If that one is not among them, others are younger than this question.
   */
  nodes(including?: NodeId): Promise<readonly NodeRecord[]>;

  /** Joins those who serve the room, and cancels its closing. */
  enter(request: EnterRequest): Promise<EnterAnswer>;
  /** Remembers a ban, whether there is such a room or not. False if there are too many. */
  bar(request: BarRequest): Promise<boolean>;
  /** The session of a claim that `joinsLater` is there. May be told again, and too late. */
  joined(claim: { readonly room: string; readonly number: number }): Promise<void>;
  /** Ends a claim if it is still this one. */
  release(claim: {
    readonly room: string;
    readonly identity: string;
    readonly number: number;
  }): Promise<boolean>;
  /**
   * The node serves the room no more; its claims are released before.
   *
   * @returns Present if it was the last: then it keeps the room for its time, and closes it. `lost`
   *   if `sid` is given and nothing is known of that room, nor that it has ended: nothing was done.
   */
  leave(departure: {
    readonly room: string;
    readonly node: NodeId;
    readonly sid?: RoomSid;
  }): Promise<Closing | "lost" | undefined>;
  /** Deletes the room if nobody came since. Present: it was deleted, by this; or `lost`. */
  close(room: string, closing: Closing, sid?: RoomSid): Promise<RoomRecord | "lost" | undefined>;
  /**
   * The room is not that one any more. True for one of all who ask, unless it was deleted before:
   * that node tells the world that it has ended.
   */
  lastWord(room: {
    readonly room: string;
    readonly sid: RoomSid;
    readonly node: NodeId;
  }): Promise<boolean>;
  update(request: UpdateRequest): Promise<UpdateAnswer>;
  /**
   * Deletes a room whoever is in it.
   *
   * @param request Names the question, which may be asked again.
   * @returns Present if it was deleted, by this: the room as it was.
   */
  remove(room: string, request: string): Promise<RoomListing | undefined>;
  /** Puts right what the directory has of this node in a room: it serves it, with these claims. */
  assert(request: AssertRequest): Promise<AssertAnswer>;

  find(room: string): Promise<RoomListing | undefined>;
  /** Where somebody is served. */
  claim(room: string, identity: string): Promise<Claim | undefined>;
  /** Everybody, by identity. */
  claims(room: string): Promise<readonly AssertedClaim[]>;
  /** Rooms of these names, or all, by name; what comes and goes meanwhile may be missing. */
  list(names?: readonly string[]): Promise<readonly RoomListing[]>;

  /** Names of rooms that the node serves or keeps, or did a moment ago. */
  roomsOf(node: NodeId): Promise<readonly string[]>;
  /**
   * Ends a dead node's part in a room. Absent: there is no such room. Who asks again within 10 s
   * gets the same answer.
   */
  bury(funeral: {
    readonly room: string;
    readonly dead: NodeId;
    readonly by: NodeId;
  }): Promise<Burial | undefined>;
  /** Forgets a node without a lease that has no rooms left. False if it has one again. */
  forget(dead: NodeId): Promise<boolean>;

  /** What nodes keep together beside rooms, without a lease. */
  readonly shelf: TextShelf;

  /** Nothing is asked afterwards. */
  end(): Promise<void>;
}
