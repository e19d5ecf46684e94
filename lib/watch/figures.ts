/**
 * What operators see of a server, and of several that share rooms: plain JSON without `null`, so
 * that changes of it can be told as merge patches (RFC 7396). `docs/admin.md` describes it for
 * whoever reads the stream.
 *
 * Contract: keys of maps are ids that servers make; texts of clients are values alone, and cut. A
 * figure that is not known (yet) is absent. Rates are per second, shares 0 to 1, times Unix ms.
 *
 * @module
 */

/** How good a connection is, in words of LiveKit's clients. */
export type QualityWord = "lost" | "poor" | "good" | "excellent";

/** One node. */
export interface NodeFigures {
  readonly region: string;
  /** `silent`: it is said to live, and does not answer. */
  readonly state: "serving" | "draining" | "silent";
  readonly version?: string;
  readonly startedAtMs: number;
  /** Share of its cores in use. */
  readonly cpu: number;
  readonly memoryBytes?: number;
  /** Rooms that it serves somebody in, and whom it serves. */
  readonly rooms: number;
  readonly participants: number;
  /** Published here, and forwarded to somebody here. */
  readonly tracks: number;
  readonly subscriptions?: number;
  readonly inBps?: number;
  readonly outBps?: number;
  /** To other nodes, by their ids. */
  readonly links?: Readonly<Record<string, LinkFigures>>;
}

/** A link to another node. */
export interface LinkFigures {
  readonly isUp: boolean;
  readonly rttMs?: number;
  readonly queuedBytes: number;
}

/** One room: the sum of its parts on all nodes. */
export interface RoomFigures {
  readonly name: string;
  readonly createdAtMs: number;
  readonly isLocked: boolean;
  readonly isRecorded: boolean;
  readonly participants: number;
  readonly publishers: number;
  readonly tracks: number;
  readonly subscriptions: number;
  readonly inBps?: number;
  readonly outBps?: number;
  /** Of whoever has the worst. */
  readonly quality?: QualityWord;
  /** How many each node serves in it. */
  readonly nodes: Readonly<Record<string, number>>;
}

/** Somebody in a room, as its node sees it. */
export interface ParticipantFigures {
  readonly identity: string;
  readonly name: string;
  readonly node: string;
  readonly state: "joining" | "joined" | "active" | "disconnected";
  /** `standard`, `agent`, `ingress`, `egress`, `sip` and others of LiveKit's. */
  readonly kind: string;
  readonly joinedAtMs: number;
  readonly isHidden: boolean;
  /** Its client is in another room, and it is shown in this one. */
  readonly isForwarded: boolean;
  /** SDK, version, system. */
  readonly client: string;
  readonly path?: "udp" | "tcp" | "relay";
  readonly quality?: QualityWord;
  /** Mean opinion score, 1.0 to 4.5. */
  readonly score?: number;
  readonly rttMs?: number;
  /** What is lost on the way from it, and on the way to it. */
  readonly inLoss?: number;
  readonly outLoss?: number;
  readonly jitterMs?: number;
  /** What may be sent to it, and what keeps that where it is. */
  readonly estimateBps?: number;
  readonly limitedBy?: string;
  /** How long packets wait on the way to it. */
  readonly queueMs?: number;
  readonly inBps?: number;
  readonly outBps?: number;
  readonly subscriptions: number;
  /** By sid. */
  readonly tracks: Readonly<Record<string, TrackFigures>>;
}

/** A published track. */
export interface TrackFigures {
  readonly kind: "audio" | "video";
  /** `camera`, `microphone`, `screen_share`, `screen_share_audio`, `unknown`. */
  readonly source: string;
  readonly name: string;
  readonly isMuted: boolean;
  readonly codec: string;
  readonly width?: number;
  readonly height?: number;
  readonly inBps?: number;
  readonly inLoss?: number;
  /** By number, the lowest quality first. */
  readonly layers: Readonly<Record<string, LayerFigures>>;
}

/** One layer of a track. */
export interface LayerFigures {
  readonly inBps?: number;
  readonly inLoss?: number;
}

/** What one participant receives of one track. */
export interface ReceivedFigures {
  readonly identity: string;
  readonly source: string;
  readonly kind: "audio" | "video";
  /** Absent while nothing is forwarded. */
  readonly layer?: number;
  readonly outBps?: number;
  /** Packets sent again. */
  readonly repairedPerS?: number;
}

/** What somebody wants to see. All texts are optional; empty ones are absent ones. */
export interface WatchQuestion {
  /** Name of a room whose participants are wanted. */
  readonly room?: string;
  /** Identity in that room of whoever's received tracks are wanted. */
  readonly participant?: string;
  /** Only rooms with this in their names. */
  readonly findRoom?: string;
  /** Only participants with this in their identities or names. */
  readonly findParticipant?: string;
}

/** What one node answers. */
export interface NodeAnswer {
  readonly node: NodeFigures;
  /** By sid; those with most participants of them all. */
  readonly rooms: Readonly<Record<string, RoomFigures>>;
  /** How many there are that fit. */
  readonly roomCount: number;
  /** Of the room that was asked for, if it is here; by sid. */
  readonly participants?: Readonly<Record<string, ParticipantFigures>>;
  readonly participantCount?: number;
  /** By sid of the track. */
  readonly received?: Readonly<Record<string, ReceivedFigures>>;
}

/** All of it. */
export interface ClusterFigures {
  readonly atMs: number;
  /** Which node tells this. */
  readonly self: string;
  /** By id. */
  readonly nodes: Readonly<Record<string, NodeFigures>>;
  readonly rooms: Readonly<Record<string, RoomFigures>>;
  readonly roomCount: number;
  readonly participants?: Readonly<Record<string, ParticipantFigures>>;
  readonly participantCount?: number;
  readonly received?: Readonly<Record<string, ReceivedFigures>>;
}

/** Rooms, and participants of a room, that are told of at most; `roomCount` says how many are. */
export const MOST_SHOWN = 500;
