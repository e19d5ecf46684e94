/**
 * What a participant publishes, wants and keeps as data, beside its media tracks.
 *
 * @module
 */
import { randomId } from "../base/ids.ts";
import type { Random } from "../base/platform.ts";
import { DataBlobs } from "./data_blobs.ts";
import type { DataOptions } from "./data_options.ts";
import { DataTrackSubscriptions } from "./data_track_subscriptions.ts";
import { PublishedDataTracks } from "./published_data_tracks.ts";

/** The data of one participant; it keeps it when it is moved to another room. */
export class ParticipantData {
  readonly tracks: PublishedDataTracks;
  readonly subscriptions: DataTrackSubscriptions;
  readonly blobs: DataBlobs;

  constructor(options: DataOptions, random: Random) {
    const newSid = () => randomId(random, "DTR_");
    this.tracks = new PublishedDataTracks(options.maxCustomEncodingLength, newSid);
    // Handles start somewhere, so that nobody relies on the first one.
    this.subscriptions = new DataTrackSubscriptions(random.uint32() % 256);
    this.blobs = new DataBlobs(options);
  }
}
