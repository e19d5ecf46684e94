/**
 * What the control plane says to the media plane of data, and hears of it: who is in which room,
 * for a start. The messages themselves go from client to clients within the media plane; only what
 * the server itself says, or is asked, crosses this border.
 *
 * @module
 */
import type { ConnectionId, DataTrackId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { DataStreamFigures } from "../../wire/data_packet.ts";

/** How much one participant may send in the long run, a second's worth at once; 0 is no limit. */
export interface DataLimits {
  readonly messagesPerS: number;
  readonly bytesPerS: number;
}

/** One participant as far as data is concerned. */
export interface DataMember {
  /** Names it as long as its session lasts, in whatever room; unique in the process. */
  readonly member: number;
  /** The room it is in now; unique in the process. */
  readonly room: number;
  readonly sid: string;
  readonly identity: string;
  /** Others are not told who sends. */
  readonly hidden: boolean;
  /** It may transcribe, and speak for others. */
  readonly agent: boolean;
  readonly maySend: boolean;
  /** Lossy messages go to it; reliable ones do as soon as it is known. */
  readonly active: boolean;
  /** It is sent the payloads of user packets and nothing else, on a channel of its own. */
  readonly raw: boolean;
  /** Where its own messages come from, and where others' go to; opened now or later. */
  readonly publisher: ConnectionId;
  readonly receiver: ConnectionId;
  /** Remote procedure calls of the server's that it is to answer, by their ids. */
  readonly awaited: readonly string[];
  /** What it sends is told to the control plane as well, for members elsewhere. */
  readonly bridged: boolean;
  /** What it writes in the room's chat is told to the control plane, which keeps it. */
  readonly recorded: boolean;
  /** Its reliable messages are not read, because those elsewhere cannot follow. */
  readonly held: boolean;
  readonly limits: DataLimits;
}

/** Where packets of one data track go; they stay in the media plane. */
export interface DataTrackRoute {
  /** The publisher's. */
  readonly handle: number;
  readonly receivers: readonly DataTrackReceiver[];
  /** By which other nodes ask for it; absent: none does. */
  readonly track?: DataTrackId;
}

/** Somebody who has a data track. */
export interface DataTrackReceiver {
  readonly connection: ConnectionId;
  /** The receiver's own handle of the track. */
  readonly handle: number;
}

/** What the media plane is told of members, of data tracks, and what the server itself says. */
export type DataCommand =
  | {
    /**
     * Puts a member into its room, or replaces what was said of it: whole, and also if it was in
     * another room. What waits for it, and how far its own messages came, stays.
     */
    readonly type: "set_data_member";
    readonly data: DataMember;
    /** As with the connections: those with the same word are best together. */
    readonly placement?: string;
  }
  | { readonly type: "remove_data_member"; readonly member: number }
  | {
    /** Sends a packet of nobody here to those it names, or to the identities given here. */
    readonly type: "send_room_data";
    readonly room: number;
    /** Names a sender on another node, as members are named here; absent: the server itself. */
    readonly from?: number;
    readonly kind: DataKind;
    /** A `DataPacket`. */
    readonly bytes: Uint8Array;
    readonly to?: readonly string[];
  }
  | {
    /**
     * Replaces all routes of the data tracks published on a connection, which may be opened later.
     * They end with it.
     */
    readonly type: "set_data_track_routes";
    readonly connection: ConnectionId;
    readonly routes: readonly DataTrackRoute[];
  };

/** A stream that a participant began, by its header. */
export interface DataStreamBegun extends DataStreamFigures {
  /** How many receivers were named; 0 is everybody. */
  readonly destinations: number;
}

/** All of them name the connection that the member publishes on. */
export type DataEvent =
  | {
    /** How far a member's messages came, about twice a second while there are any. */
    readonly type: "data_progress";
    readonly connection: ConnectionId;
    /** The highest number of a reliable packet that was taken; 0 without any. */
    readonly sequence: number;
    readonly streams: readonly DataStreamBegun[];
  }
  | {
    /** The `DataPacket` of an awaited answer: a receipt and a response of each call, once. */
    readonly type: "data_rpc_answer";
    readonly connection: ConnectionId;
    readonly bytes: Uint8Array;
  }
  | {
    /** A packet as it went on, of a member that is `bridged`. */
    readonly type: "data_sent";
    readonly connection: ConnectionId;
    readonly kind: DataKind;
    readonly bytes: Uint8Array;
    /** Whom it names; both empty: nobody, and so it is for everybody. */
    readonly identities: readonly string[];
    readonly sids: readonly string[];
  }
  | {
    /** A packet of the chat as it went on to everybody, of a member that is `recorded`. */
    readonly type: "data_said";
    readonly connection: ConnectionId;
    readonly bytes: Uint8Array;
  };
