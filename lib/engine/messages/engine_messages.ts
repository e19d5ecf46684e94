/**
 * What one engine is told and tells: the language of the media plane's border
 * (`media_messages.ts`), and what only a pool says to its engines, about relays and neighbours.
 * Rooms do not know this one.
 *
 * @module
 */
import type { DataTrackId, RelayedTrackId, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { DataCommand, DataMember, DataTrackRoute } from "./data_messages.ts";
import type { MediaCommand, MediaEngine } from "./media_messages.ts";
import type { NeighbourCommand } from "./neighbour_messages.ts";

/** A member, and where its receiving connection is. */
export interface EngineDataMember extends DataMember {
  /** Another engine, by its index; -1: none that is known. Absent: here. */
  readonly elsewhere?: number;
}

/** Where packets of one data track go, on this engine and on others. */
export interface EngineDataTrackRoute extends DataTrackRoute {
  /** Other engines that have receivers of it. */
  readonly engines?: readonly number[];
  /** Engines of other nodes that want it. */
  readonly nodes?: readonly number[];
}

/** Where packets of a data track of another node go; without a route, it ends. */
export interface RelayedDataTrackCommand {
  readonly type: "set_relayed_data_track";
  readonly track: DataTrackId;
  /** The engine of another node that sends it; absent: nobody does, or another engine here. */
  readonly from?: number;
  /** Names it in what engines here pass to each other; absent if nothing is. */
  readonly source?: number;
  readonly route?: EngineDataTrackRoute;
}

type MemberCommand = Extract<MediaCommand, { readonly type: "set_data_member" }>;
type RouteCommand = Extract<MediaCommand, { readonly type: "set_data_track_routes" }>;

/** A command about data. */
export type EngineDataCommand =
  | Exclude<DataCommand, MemberCommand | RouteCommand>
  | Omit<MemberCommand, "data"> & { readonly data: EngineDataMember }
  | Omit<RouteCommand, "routes"> & {
    readonly routes: readonly EngineDataTrackRoute[];
    /** Names the publisher in what engines pass to each other; absent if nothing is. */
    readonly source?: number;
  }
  | RelayedDataTrackCommand;

/** A command about relays. */
export type RelayCommand =
  | {
    /**
     * Offers an up-track that is here to another engine, by its index. It crosses a layer at a
     * time, while the other engine wants it. Again for the same: ignored. Of a data track, which
     * goes to other nodes alone, routes say that its packets go there.
     */
    readonly type: "send_relay";
    readonly upTrack: RelayedTrackId;
    readonly to: number;
  }
  | { readonly type: "stop_relay"; readonly upTrack: RelayedTrackId; readonly to: number }
  | {
    /**
     * Makes an up-track out of what engine `from` sends of it; from now on down-tracks can name it.
     * Before or after the other engine's `send_relay`. `section` is the publisher's; again with
     * another one: its codecs are used from now on. Again with another `from`: what that one sends
     * is the same track. Without `from` nobody sends it for now.
     */
    readonly type: "receive_relay";
    readonly upTrack: UpTrackId;
    readonly from?: number;
    readonly section: ReceiveSection;
  }
  | {
    /** Ends an up-track made by `receive_relay`; its down-tracks stay, without a source. */
    readonly type: "end_relay";
    readonly upTrack: UpTrackId;
  };

/** All that one engine is told. What is about other nodes a pool turns into relays. */
export type EngineCommand =
  | Exclude<MediaCommand, DataCommand>
  | EngineDataCommand
  | RelayCommand
  | NeighbourCommand;

/** An engine that may be one of several: what a pool needs of it beside its place in the border. */
export interface SingleEngine extends Omit<MediaEngine, "send"> {
  /** Never throws and never blocks. */
  send(command: EngineCommand): void;
}
