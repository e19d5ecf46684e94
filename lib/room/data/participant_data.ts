/**
 * What a participant publishes, wants and keeps as data, beside its media tracks.
 *
 * @module
 */
import { type ConnectionId, randomId } from "../../base/ids.ts";
import { DataBlobs } from "./data_blobs.ts";
import { DataTrackRoutes } from "./data_track_routes.ts";
import { DataTrackSubscriptions } from "./data_track_subscriptions.ts";
import { PublishedDataTracks } from "./published_data_tracks.ts";
import type { RoomContext } from "../context/room_context.ts";

/** The data of one participant; it keeps it when it is moved to another room. */
export class ParticipantData {
  readonly tracks: PublishedDataTracks;
  readonly subscriptions: DataTrackSubscriptions;
  readonly blobs: DataBlobs;
  /** Of what its client sends. */
  readonly routes: DataTrackRoutes;

  /** @param publisher Where its client publishes; looked at when something is routed. */
  constructor(context: RoomContext, publisher: () => ConnectionId) {
    const { options: { data }, platform: { random }, router } = context;
    const newSid = () => randomId(random, "DTR_");
    this.tracks = new PublishedDataTracks(data.maxCustomEncodingLength, newSid);
    // Handles start somewhere, so that nobody relies on the first one.
    this.subscriptions = new DataTrackSubscriptions(random.uint32() % 256);
    this.blobs = new DataBlobs(data);
    this.routes = new DataTrackRoutes((routes) => {
      router.send({ type: "set_data_track_routes", connection: publisher(), routes });
    });
  }
}
