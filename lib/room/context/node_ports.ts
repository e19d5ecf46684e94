/**
 * What a room asks of the world beyond its node, as ports: which node serves a newcomer, who is in
 * the room elsewhere, and where data goes from here. A node that is alone has the twins below.
 *
 * Contract: nothing here is waited for while a call runs: the answers that may be far are promises,
 * asked before somebody is let in; everything else is told and not answered.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { ParticipantFacts } from "./participant_facts.ts";

/** Where a newcomer is served. */
export type Place =
  | { readonly here: true }
  /** This node cannot take it; `node` can, if it is known. */
  | { readonly here: false; readonly node?: NodeId };

/** Which node a room's newcomers go to. */
export interface RoomPlacement {
  /** Asked before `identity` is let into `room`; again for each attempt. */
  place(room: string, identity: string): Promise<Place>;
  /** The room has ended here. */
  released(room: string): void;
}

/** One room as other nodes follow it, from its opening to its end. */
export interface RoomLink {
  /** A member is here, or is not as it was. */
  changed(member: ParticipantFacts): void;
  left(member: ParticipantFacts): void;
  close(): void;
}

/** The nodes that share rooms with this one. */
export interface RemoteMembers {
  /** A room was opened here. */
  open(room: { readonly name: string; readonly sid: string }): RoomLink;
}

/** A data packet that leaves the node, encoded for clients. */
export interface BridgedData {
  readonly kind: DataKind;
  readonly bytes: Uint8Array;
  /** Empty together with `destinationSids` means everybody. */
  readonly destinationIdentities: ReadonlySet<string>;
  readonly destinationSids: ReadonlySet<string>;
}

/** Carries data to members of a room that are served elsewhere. */
export interface DataBridge {
  deliver(room: string, data: BridgedData): void;
}

/** All of them. */
export interface NodePorts {
  readonly placement: RoomPlacement;
  readonly remoteMembers: RemoteMembers;
  /** Absent: nobody elsewhere wants data, and none of it comes here. */
  readonly dataBridge?: DataBridge;
}

const HERE: Promise<Place> = Promise.resolve({ here: true });

/** A node that is alone: everybody is served here, and nobody is told anything. */
export const SINGLE_NODE: NodePorts = {
  placement: { place: () => HERE, released() {} },
  remoteMembers: { open: () => ({ changed() {}, left() {}, close() {} }) },
};
