/**
 * What nodes that share rooms have between them, for those who use it: one link to each other node,
 * and over it the rooms of both, calls, datagrams, and reliable data. Values are opaque here; who
 * sends them knows what they mean, and who gets them checks that they mean something.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { ProtocolRange } from "./link_handshake.ts";

/**
 * What may get lost. On a slow link levels give way first, which have the smallest share of it,
 * and media last. `media` is what a blocked UDP path would have carried.
 */
export type DatagramKind = "levels" | "data" | "media";

/**
 * One room of this node, as a link sees it. Each peer has its own ordered stream: `onSnapshot`
 * first, then changes; after a gap or a reconnect a new snapshot, and what is not in it has left.
 *
 * Methods are called one after the other, never inside a call of {@linkcode SharedRoom}, and must
 * not throw.
 */
export interface RoomPeerStream {
  /** Everything of this node that `peer` is to know of the room, as it is now. */
  snapshot(peer: NodeId): PackedValue;
  /** What `peer` has in the room, in place of what it had before. */
  onSnapshot(peer: NodeId, value: PackedValue): void;
  /** Comes after a snapshot only, each once and in order. */
  onChange(peer: NodeId, value: PackedValue): void;
  /** Reliable data, each once and in order, also over a reconnect; not if `peer` gave us up. */
  onData(peer: NodeId, value: PackedValue): void;
  onDatagram(peer: NodeId, kind: DatagramKind, value: PackedValue): void;
  /** The link has ended: what is known of `peer` stands as it is, for a lease. */
  onAway(peer: NodeId): void;
  /** The link is there again; a snapshot follows. */
  onBack(peer: NodeId): void;
  /** `peer` is not in the room any more: what it had there is gone. */
  onGone(peer: NodeId): void;
  /** `peer` takes reliable data again, after the room was {@linkcode SharedRoom.isCongested}. */
  onDrained(peer: NodeId): void;
}

/** This node's end of a room that it may share with others. */
export interface SharedRoom {
  /**
   * Shares the room with a node, and wants its link. A node that shares the room with us is shared
   * with in turn without this. Idempotent.
   *
   * @param address URL of its `/cluster`.
   */
  share(peer: NodeId, address: string): void;
  /** Ends that, and tells the peer. Idempotent. */
  unshare(peer: NodeId): void;
  /** With whom it is shared now, also those whose link is away. */
  readonly peers: readonly NodeId[];
  /** Sends a change to everybody whom the room is shared with, or to one of them. */
  change(value: PackedValue, peer?: NodeId): void;
  /**
   * Sends reliable data to one of them; kept over a reconnect.
   *
   * @returns Whether it was taken; not if the peer is unknown, or far behind with this room.
   */
  sendData(peer: NodeId, value: PackedValue): boolean;
  /** Sends what may get lost to everybody whom the room is shared with, or to one of them. */
  sendDatagram(kind: DatagramKind, value: PackedValue, peer?: NodeId): void;
  /**
   * Whether senders of reliable data in this room should wait for
   * {@linkcode RoomPeerStream.onDrained}.
   */
  isCongested(peer: NodeId): boolean;
  /** Unshares it with everybody. Idempotent; nothing is told after it. */
  close(): void;
}

/** Why a call came to nothing. */
export type LinkErrorCode =
  /** No answer before the deadline, or no link. */
  | "timeout"
  /** The peer knows no such method. */
  | "unknown_method"
  /** Too many calls wait, here or there. */
  | "busy"
  /** The method threw. */
  | "failed"
  /** The answer is lost; the call may have had its effect. */
  | "lost"
  /** The peer speaks no version that this node speaks. */
  | "version"
  /** This node, or the link, was closed. */
  | "closed";

/** A call that came to nothing. */
export class LinkError extends Error {
  override readonly name = "LinkError";
  constructor(readonly code: LinkErrorCode, message: string) {
    super(message);
  }
}

/**
 * Answers a call of another node. A refusal that the caller should understand is a value; a throw
 * is a bug and reaches it as `failed`.
 *
 * @param withinMs What is left until the caller gives up.
 */
export type RpcMethod = (
  peer: NodeId,
  payload: PackedValue,
  withinMs: number,
) => PackedValue | Promise<PackedValue>;

/** One link as it is now. */
export interface LinkFacts {
  readonly isUp: boolean;
  /** Version spoken; 0 before the first connection. */
  readonly protocol: number;
  /** Smoothed round trip, ms; `undefined` before the first. */
  readonly rttMs: number | undefined;
  /** Bytes that wait to be sent, those in the socket with them. */
  readonly queuedBytes: number;
  /** Bytes of media that wait to be sent, those in the socket with them. */
  readonly mediaBytes: number;
  /**
   * 32 bytes that only these two processes know, the same at both ends and over reconnects, never
   * sent: what keys for media are made of. `undefined` before the first connection.
   */
  readonly secret: Uint8Array | undefined;
}

/** What the directory says of another node, as far as links go. */
export interface MetNode {
  readonly nodeId: NodeId;
  /** URL of its `/cluster`. */
  readonly link: string;
  readonly protocol: ProtocolRange;
}

/** What the composition is told. */
export interface LinkObserver {
  onUp(peer: NodeId): void;
  onDown(peer: NodeId): void;
  /** What came outside of rooms. */
  onDatagram(peer: NodeId, kind: DatagramKind, bytes: Uint8Array): void;
}

/** All links of this node. */
export interface NodeLinks {
  /**
   * Wants a link to `peer`; counted. It is dialled at once if there is none, and again whenever it
   * ends.
   *
   * @param address URL of its `/cluster`.
   */
  want(peer: NodeId, address: string): void;
  /** Takes one {@linkcode NodeLinks.want} back; the link stays for a minute after the last. */
  release(peer: NodeId): void;
  /**
   * What the directory says of a node: where it is reached, and what it speaks. One that speaks
   * nothing this node does is a stranger until it is forgotten or says otherwise: said once.
   */
  met(node: MetNode): void;
  isStranger(peer: NodeId): boolean;
  /** Gives up a node that is dead: calls to it fail, and its link is not dialled again. */
  forget(peer: NodeId): void;
  /** What is known of a link; `undefined` if there is none, nor wanted. */
  facts(peer: NodeId): LinkFacts | undefined;
  /** Peers with a link, or a wanted one. */
  readonly peers: readonly NodeId[];
  /** Takes part in a room; one at a time by each name. */
  openRoom(name: string, stream: RoomPeerStream): SharedRoom;
  /** Answers calls by that name; once for each. */
  serve(method: string, answer: RpcMethod): void;
  /**
   * Calls a method of `peer`, whose link must be wanted, or is wanted for the call if an address is
   * given. Survives a reconnect, and runs there once at most.
   *
   * @returns Its answer; rejects with {@linkcode LinkError} no later than the deadline.
   */
  call(
    peer: NodeId,
    method: string,
    payload: PackedValue,
    options: { readonly withinMs: number; readonly address?: string },
  ): Promise<PackedValue>;
  /**
   * Resolves when everything that `peer` had sent before it heard of this was applied here. Rejects
   * as {@linkcode NodeLinks.call} does.
   */
  barrier(peer: NodeId, withinMs: number): Promise<void>;
  /** Sends what may get lost, outside of rooms. @returns Whether it was taken. */
  sendDatagram(peer: NodeId, kind: DatagramKind, bytes: Uint8Array): boolean;
  /** Ends all rooms, and tells those who share them, and all links; calls reject with `closed`. */
  close(): void;
}
