/**
 * What engines of one process tell each other over the control plane's thread, beside the packets
 * in their rings: few and small, so that a hop more costs nothing. Only a pool of engines sends
 * these commands, and it keeps these events to itself.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";

/** Memory between two engines: a ring (`createRelayRing`) for each direction. */
export interface RelayPeer {
  /** The other engine. */
  readonly index: number;
  /** It writes, this engine reads. */
  readonly inbound: SharedArrayBuffer;
  /** This engine writes, it reads. */
  readonly outbound: SharedArrayBuffer;
}

export type NeighbourCommand =
  | {
    /** Joins this engine to another; again with new rings when that one was started anew. */
    readonly type: "connect_relay";
    readonly peer: RelayPeer;
  }
  | {
    /** A reader on another engine cannot follow: this writer's reliable messages are not read. */
    readonly type: "hold_data";
    readonly connection: ConnectionId;
    readonly held: boolean;
  }
  | {
    /** A packet of a data track published on another engine's connection, for receivers here. */
    readonly type: "forward_data_track";
    readonly connection: ConnectionId;
    readonly bytes: Uint8Array;
  };

export type NeighbourEvent =
  | {
    /** A reader here holds up a writer that is not here, or does so no longer. */
    readonly type: "data_writer_held";
    readonly connection: ConnectionId;
    readonly held: boolean;
  }
  | {
    /** A packet of a data track, once for all receivers on each of these engines. */
    readonly type: "data_track_packet";
    readonly connection: ConnectionId;
    readonly engines: readonly number[];
    readonly bytes: Uint8Array;
  };
