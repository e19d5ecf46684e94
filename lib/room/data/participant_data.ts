/**
 * What a participant publishes, wants and keeps as data, beside its media tracks.
 *
 * @module
 */
import { type ConnectionId, type DataTrackId, dataTrackId, randomId } from "../../base/ids.ts";
import type { DataTrackRoute } from "../../engine/messages/data_messages.ts";
import { DataBlobs } from "./data_blobs.ts";
import { DataMembership } from "./data_membership.ts";
import { DataTrackSubscriptions } from "./data_track_subscriptions.ts";
import { PublishedDataTracks } from "./published_data_tracks.ts";
import type { RoomContext } from "../context/room_context.ts";

/** The data of one participant; it keeps it when it is moved to another room. */
export class ParticipantData {
  readonly tracks: PublishedDataTracks;
  readonly subscriptions: DataTrackSubscriptions;
  readonly blobs: DataBlobs;
  /** Of what it sends and receives, beside data tracks. */
  readonly membership: DataMembership;
  /** Of what its client sends. */
  readonly routes: DataTrackRoutes;

  /** @param publisher Where its client publishes; looked at when something is routed. */
  constructor(context: RoomContext, publisher: () => ConnectionId) {
    const { options: { data }, platform: { random }, router, nodeId } = context;
    const newSid = () => randomId(random, "DTR_");
    this.tracks = new PublishedDataTracks(data.maxCustomEncodingLength, newSid);
    this.subscriptions = new DataTrackSubscriptions(firstHandle(nodeId));
    this.blobs = new DataBlobs(data);
    this.membership = new DataMembership(router, data.limits);
    const nameOf = (handle: number) => {
      const sid = this.tracks.sidOf(handle);
      return sid === undefined ? undefined : dataTrackId(nodeId, sid);
    };
    this.routes = new DataTrackRoutes(nameOf, (routes) => {
      router.send({ type: "set_data_track_routes", connection: publisher(), routes });
    });
  }
}

/**
 * Handles start somewhere below 256, so that nobody relies on the first one, and for all on a node
 * at the same: a packet is the same then for those who want the same tracks.
 */
function firstHandle(nodeId: string): number {
  return [...nodeId].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 256, 0);
}

/**
 * Where one publisher's data tracks go: to receivers in its own room, and in those it is forwarded
 * to. Each room sets its part, under the sid the publisher has there; the media plane is told the
 * whole.
 */
export class DataTrackRoutes {
  readonly #parts = new Map<string, readonly DataTrackRoute[]>();

  /**
   * @param nameOf The track with a handle, as other nodes ask for it.
   * @param send Replaces all routes of the publisher in the media plane.
   */
  constructor(
    readonly nameOf: (handle: number) => DataTrackId | undefined,
    readonly send: (routes: readonly DataTrackRoute[]) => void,
  ) {}

  /** Replaces the part of the room in which the publisher goes by `sid`; none ends it. */
  set(sid: string, routes: readonly DataTrackRoute[]): void {
    if (routes.length === 0) this.#parts.delete(sid);
    else this.#parts.set(sid, routes);
    this.send(this.#whole());
  }

  #whole(): DataTrackRoute[] {
    const receivers = new Map<number, DataTrackRoute["receivers"][number][]>();
    for (const part of this.#parts.values()) {
      for (const route of part) {
        const known = receivers.get(route.handle);
        if (known === undefined) receivers.set(route.handle, [...route.receivers]);
        else known.push(...route.receivers);
      }
    }
    return [...receivers].map(([handle, receivers]) => {
      const track = this.nameOf(handle);
      return { handle, receivers, ...(track === undefined ? {} : { track }) };
    });
  }
}
