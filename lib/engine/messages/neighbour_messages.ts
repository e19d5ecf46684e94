/**
 * What an engine is told of others, of its process and of other nodes, by its pool alone. What they
 * say to each other is in the rings, and in the hops, between them.
 *
 * @module
 */
import type { DistantEngine } from "./node_messages.ts";

/** Memory between two engines: a ring (`createRelayRing`) for each direction. */
export interface RelayPeer {
  /** The other engine. */
  readonly index: number;
  /** It writes, this engine reads. */
  readonly inbound: SharedArrayBuffer;
  /** This engine writes, it reads. */
  readonly outbound: SharedArrayBuffer;
  /** Its thread's bell (`thread_bell.ts`), if it waits for one. */
  readonly bell?: number;
}

/** What this engine and one of another node know of each other. */
export interface HopPeer {
  /** Names the other engine here; above those of this process. */
  readonly index: number;
  readonly own: DistantEngine;
  readonly other: DistantEngine;
  /** Names the way to it in what is sent. */
  readonly sendId: number;
  /** Names the way from it in what is received. */
  readonly receiveId: number;
  readonly secret: Uint8Array;
  /** Where it listens; more than one if it has several addresses. */
  readonly addresses: readonly { readonly hostname: string; readonly port: number }[];
}

/** What a pool tells one of its engines of the others. */
export type NeighbourCommand =
  | {
    /** Joins this engine to another; again with new rings when that one was started anew. */
    readonly type: "connect_relay";
    readonly peer: RelayPeer;
  }
  | {
    /** The other engine is gone: nothing comes from it, and nobody here waits for it. */
    readonly type: "disconnect_relay";
    readonly index: number;
  }
  | {
    /** Joins this engine to one of another node. */
    readonly type: "connect_hop";
    readonly peer: HopPeer;
  }
  | {
    /** The other end of a hop is reached elsewhere; what is between the two goes on. */
    readonly type: "move_hop";
    readonly index: number;
    readonly addresses: HopPeer["addresses"];
  }
  | {
    /** A datagram of a hop that came by another way than UDP. */
    readonly type: "hop_datagram";
    readonly index: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
  }
  | {
    /** The other way than UDP of a hop holds so many bytes back. */
    readonly type: "hop_queue";
    readonly index: number;
    readonly bytes: number;
  };
