/**
 * What an engine is told of the others of its process, by their pool alone. What they say to each
 * other is in the rings between them.
 *
 * @module
 */
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

export type NeighbourCommand =
  | {
    /** Joins this engine to another; again with new rings when that one was started anew. */
    readonly type: "connect_relay";
    readonly peer: RelayPeer;
  }
  | {
    /** The other engine was lost: nothing comes from it, and nobody here waits for it. */
    readonly type: "disconnect_relay";
    readonly index: number;
  };
