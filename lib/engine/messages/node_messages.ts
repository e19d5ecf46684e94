/**
 * What the media plane is told of other nodes of a cluster, and what it tells about them: which
 * tracks cross to and from there.
 *
 * An up-track, and a data track, has one id on all nodes. The control plane knows them all, says
 * which node a track is taken from, and carries wants and answers between nodes; packets go
 * straight from an engine here to an engine there.
 *
 * @module
 */
import type { DataTrackId, NodeId, RelayedTrackId, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { DataTrackReceiver } from "./data_messages.ts";

/** Where one engine of a node receives what other nodes send. */
export interface RelayEndpoint {
  readonly addresses: readonly { readonly hostname: string; readonly port: number }[];
}

/** An engine of another node. */
export interface DistantEngine {
  readonly node: NodeId;
  /** Its index there. */
  readonly engine: number;
}

/** What the media plane is told of other nodes, and of tracks that come from there or go there. */
export type NodeCommand =
  | {
    /**
     * How another node's engines are reached. Again for the same node: everything between the two
     * begins anew.
     */
    readonly type: "set_node";
    readonly node: NodeId;
    /** This one, as the other calls it. */
    readonly self: NodeId;
    /** Names the other node in what it sends to this one; below 2^16. */
    readonly slot: number;
    /** Names this node in what it sends to the other; below 2^16. */
    readonly theirSlot: number;
    readonly engines: readonly RelayEndpoint[];
    /** 32 bytes that both nodes know and nobody else. */
    readonly secret: Uint8Array;
  }
  | {
    /** That node's engines, the same as before, are reached elsewhere from now on. */
    readonly type: "move_node";
    readonly node: NodeId;
    readonly engines: readonly RelayEndpoint[];
  }
  | {
    /** Nothing goes to that node or comes from it any more. */
    readonly type: "forget_node";
    readonly node: NodeId;
  }
  | {
    /**
     * A track that is published on another node: down-tracks may name it from now on. It costs
     * nothing until one does. Again with another section: its codecs are used from now on.
     */
    readonly type: "add_remote_track";
    readonly upTrack: UpTrackId;
    readonly section: ReceiveSection;
  }
  | { readonly type: "remove_remote_track"; readonly upTrack: UpTrackId }
  | {
    /**
     * Who has a data track of another node here; replaces who had. It crosses while somebody has
     * it, to one engine, and costs nothing while nobody does.
     */
    readonly type: "set_remote_data_track";
    readonly track: DataTrackId;
    /** The publisher's. */
    readonly handle: number;
    readonly receivers: readonly DataTrackReceiver[];
  }
  | (
    & {
      /**
       * The answer to `relay_wanted`: the track is sent by that engine. Again with another: from
       * that one from now on, without a gap in what subscribers see but the missing packets.
       */
      readonly type: "relay_from";
      readonly upTrack: RelayedTrackId;
    }
    & DistantEngine
  )
  | (
    & {
      /** That engine wants the track; answered by `relay_sending` if there is such a track. */
      readonly type: "send_to_node";
      readonly upTrack: RelayedTrackId;
    }
    & DistantEngine
  )
  | ({ readonly type: "stop_to_node"; readonly upTrack: RelayedTrackId } & DistantEngine)
  | RelayedDatagram
  | {
    /**
     * The other way than UDP between two engines holds so many bytes back; said now and then while
     * datagrams take it.
     */
    readonly type: "relay_queue";
    readonly node: NodeId;
    readonly theirEngine: number;
    readonly ownEngine: number;
    readonly bytes: number;
  };

/**
 * A sealed datagram between engines of two nodes that takes another way than UDP, which is blocked
 * between them: told by one, given to the other.
 */
export interface RelayedDatagram {
  readonly type: "relay_datagram";
  /** The other node. */
  readonly node: NodeId;
  readonly theirEngine: number;
  readonly ownEngine: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * What the media plane tells of tracks that cross between nodes; who is to send them the control
 * planes agree on.
 */
export type NodeEvent =
  | {
    /**
     * A track of another node is used here, and `engine` wants to be sent it: somebody must be
     * asked, and `relay_from` said. Again whenever the one it came from is gone.
     */
    readonly type: "relay_wanted";
    readonly upTrack: RelayedTrackId;
    readonly engine: number;
  }
  | {
    /** Nobody here uses the track any more. */
    readonly type: "relay_unwanted";
    readonly upTrack: RelayedTrackId;
  }
  | (
    & {
      /** The track is sent to that engine, by `from` of this node; again when that changes. */
      readonly type: "relay_sending";
      readonly upTrack: RelayedTrackId;
      readonly from: number;
    }
    & DistantEngine
  )
  | {
    /** An engine here is gone, with what it sent to other nodes: they are to ask again. */
    readonly type: "relay_engine_lost";
    readonly engine: number;
  }
  | (
    & {
      /** Whether UDP between an engine here and one there is blocked. */
      readonly type: "relay_blocked";
      readonly ownEngine: number;
      readonly blocked: boolean;
    }
    & DistantEngine
  )
  | RelayedDatagram;

/** How media crosses between an engine here and one of another node: totals since it began. */
export interface RelayStats extends RelayState {
  readonly node: NodeId;
  readonly ownEngine: number;
  readonly theirEngine: number;
}

/** The same without who is meant. */
export interface RelayState {
  /** Both ends know of each other. */
  readonly connected: boolean;
  /** UDP does not get through: it goes by the node link. */
  readonly blocked: boolean;
  /** Smoothed, ms. */
  readonly rttMs: number;
  /** What the way is taken to carry, bits per second. */
  readonly bps: number;
  /** Of what we sent lately, 0 to 1. */
  readonly loss: number;
  /** How long datagrams wait on their way beyond what they need, ms. */
  readonly queueMs: number;
  readonly datagramsOut: number;
  /** UDP's and IP's own left out. */
  readonly bytesOut: number;
  readonly datagramsIn: number;
  readonly bytesIn: number;
  /** Packets: sent again; come by that; and given up. */
  readonly repairsOut: number;
  readonly repaired: number;
  readonly lost: number;
  /** How often a video was given fewer layers, because the way carries no more. */
  readonly shed: number;
  /** Bytes of memory that grow with what crosses. */
  readonly memory: number;
}

/** Whether an event is about other nodes, which those who serve clients need not hear. */
export function isNodeEvent<E extends { readonly type: string }>(
  event: E,
): event is Extract<E, NodeEvent> {
  return event.type.startsWith("relay_");
}
