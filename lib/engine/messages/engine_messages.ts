/**
 * What one engine is told and tells: the language of the media plane's border
 * (`media_messages.ts`), and what only a pool says to its engines, about relays and neighbours.
 * Rooms do not know this one.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { DataTrackRoute, MediaCommand, MediaEngine, MediaEvent } from "./media_messages.ts";
import type { NeighbourCommand, NeighbourEvent } from "./neighbour_messages.ts";

/** Where packets of one data track go, on this engine and on others. */
export interface EngineDataTrackRoute extends DataTrackRoute {
  /** Other engines that have receivers of it. */
  readonly engines?: readonly number[];
}

type RouteCommand = Extract<MediaCommand, { readonly type: "set_data_track_routes" }>;

/** A command about relays. */
export type RelayCommand =
  | {
    /**
     * Offers an up-track of a connection here to another engine of this process, by its index. It
     * crosses a layer at a time, while the other engine wants it. Again for the same: ignored.
     */
    readonly type: "send_relay";
    readonly upTrack: UpTrackId;
    readonly to: number;
  }
  | { readonly type: "stop_relay"; readonly upTrack: UpTrackId; readonly to: number }
  | {
    /**
     * Makes an up-track out of what engine `from` sends of it; from now on down-tracks can name it.
     * Before or after the other engine's `send_relay`. `section` is the publisher's; again with
     * another one: its codecs are used from now on.
     */
    readonly type: "receive_relay";
    readonly upTrack: UpTrackId;
    readonly from: number;
    readonly section: ReceiveSection;
  }
  | {
    /** Ends an up-track made by `receive_relay`; its down-tracks stay, without a source. */
    readonly type: "end_relay";
    readonly upTrack: UpTrackId;
  };

/** All that one engine is told. */
export type EngineCommand =
  | Exclude<MediaCommand, RouteCommand>
  | Omit<RouteCommand, "routes"> & { readonly routes: readonly EngineDataTrackRoute[] }
  | RelayCommand
  | NeighbourCommand;

/** All that one engine tells. */
export type EngineEvent = MediaEvent | NeighbourEvent;

/** An engine that may be one of several: what a pool needs of it beside its place in the border. */
export interface SingleEngine extends Omit<MediaEngine, "send" | "onEvent"> {
  /** Never throws and never blocks. */
  send(command: EngineCommand): void;
  /** One listener; set before `start`. */
  onEvent: (event: EngineEvent) => void;
}
