/**
 * What a participant publishes, wants and keeps as data, beside its media tracks.
 *
 * @module
 */
import { type ConnectionId, randomId } from "../base/ids.ts";
import { DataBlobs } from "./data_blobs.ts";
import { DataTrackRoutes } from "./data_track_routes.ts";
import { DataTrackSubscriptions } from "./data_track_subscriptions.ts";
import { PublishedDataTracks } from "./published_data_tracks.ts";
import type { RoomContext } from "./room_context.ts";

/** What is needed of the participant; looked at when something is routed, and not before. */
export interface DataOwner {
  readonly context: RoomContext;
  readonly publisher: { readonly id: ConnectionId };
}

/** The data of one participant; it keeps it when it is moved to another room. */
export class ParticipantData {
  readonly tracks: PublishedDataTracks;
  readonly subscriptions: DataTrackSubscriptions;
  #blobs: DataBlobs;
  #routes: DataTrackRoutes;

  constructor(owner: DataOwner) {
    const { options: { data }, platform: { random }, router } = owner.context;
    const newSid = () => randomId(random, "DTR_");
    this.tracks = new PublishedDataTracks(data.maxCustomEncodingLength, newSid);
    // Handles start somewhere, so that nobody relies on the first one.
    this.subscriptions = new DataTrackSubscriptions(random.uint32() % 256);
    this.#blobs = new DataBlobs(data);
    this.#routes = new DataTrackRoutes((routes) => {
      const { id: connection } = owner.publisher;
      router.send({ type: "set_data_track_routes", connection, routes });
    });
  }

  get blobs(): DataBlobs {
    return this.#blobs;
  }

  /** Of what its client sends. */
  get routes(): DataTrackRoutes {
    return this.#routes;
  }

  /** Its client is the one of `origin`: from now on it has the same blobs and routes. */
  share(origin: ParticipantData): void {
    this.#blobs = origin.blobs;
    this.#routes = origin.routes;
  }
}
