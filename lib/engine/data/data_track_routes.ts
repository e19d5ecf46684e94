/**
 * Where packets of data tracks go: each is sent on by the routes of the connection it came on, or
 * of the track of another node that it is of, with another handle and nothing else changed.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId, DataTrackId } from "../../base/ids.ts";
import { dataTrackHandle, withDataTrackHandle } from "../../wire/data_track_packet.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type {
  EngineDataCommand,
  EngineDataTrackRoute,
  RelayedDataTrackCommand,
} from "../messages/engine_messages.ts";
import type { DataWorld } from "./data_endpoint.ts";

type SetRoutes = Extract<EngineDataCommand, { readonly type: "set_data_track_routes" }>;

/** The data tracks of one publisher here, or one of a publisher of another node. */
interface Publication {
  /** Its name between engines. */
  readonly source: number | undefined;
  /** Whose packets these are, to receivers. */
  readonly sender: number;
  /** By the publisher's handle. */
  readonly routes: ReadonlyMap<number, EngineDataTrackRoute>;
}

/**
 * One engine's routes of data tracks. They end with the publisher's connection, or by command.
 */
export class DataTrackRoutes {
  readonly #publications = new Map<ConnectionId | DataTrackId, Publication>();
  readonly #bySource = new Map<number, Publication>();
  #lastSender = 0;
  readonly #drops: DropSink<EngineDrop>;

  constructor(readonly world: Pick<DataWorld, "clock" | "drops" | "endpoint" | "lane">) {
    this.#drops = world.drops;
  }

  /** Replaces all routes of the data tracks published on a connection. */
  set({ connection, routes, source }: SetRoutes): void {
    this.#set(connection, source, routes);
  }

  /** Replaces the route of a data track of another node. */
  setRelayed({ track, source, route }: RelayedDataTrackCommand): void {
    this.#set(track, source, route === undefined ? [] : [route]);
  }

  /** Sends on a packet that came on a connection here. */
  forward(from: ConnectionId, packet: Uint8Array): void {
    this.#forward(this.#publications.get(from), packet);
  }

  /** Sends on a packet that another engine passed. */
  forwardOf(source: number, packet: Uint8Array): void {
    this.#forward(this.#bySource.get(source), packet);
  }

  /** Sends on a packet that came from another node. */
  forwardOffered(track: DataTrackId, packet: Uint8Array): void {
    this.#forward(this.#publications.get(track), packet);
  }

  /** The connection is gone. */
  forget(publisher: ConnectionId | DataTrackId): void {
    const publication = this.#publications.get(publisher);
    if (publication?.source !== undefined) this.#bySource.delete(publication.source);
    this.#publications.delete(publisher);
  }

  #set(
    publisher: ConnectionId | DataTrackId,
    source: number | undefined,
    routes: readonly EngineDataTrackRoute[],
  ): void {
    const sender = this.#publications.get(publisher)?.sender ?? ++this.#lastSender;
    this.forget(publisher);
    if (routes.length === 0) return;
    const byHandle = new Map(routes.map((route) => [route.handle, inLine(route)]));
    const publication = { source, sender, routes: byHandle };
    this.#publications.set(publisher, publication);
    if (source !== undefined) this.#bySource.set(source, publication);
  }

  #forward(publication: Publication | undefined, packet: Uint8Array): void {
    const handle = dataTrackHandle(packet);
    if (handle === 0) return this.#drops.count("data_track_malformed");
    const route = publication?.routes.get(handle);
    if (route === undefined) return this.#drops.count("data_track_unknown_handle");
    const now = this.world.clock.now();
    const { sender, source } = publication!;
    let copy = packet;
    let copied = -1;
    for (const receiver of route.receivers) {
      const endpoint = this.world.endpoint(receiver.connection);
      if (endpoint === undefined) continue;
      // What waits for readers that are slow is kept once for all of one handle.
      if (receiver.handle !== copied) copy = withDataTrackHandle(packet, copied = receiver.handle);
      endpoint.sendData("data_track", copy, now, sender, false);
    }
    this.#passOn(source, route, packet);
  }

  /** To engines of this process, and of other nodes. */
  #passOn(
    source: number | undefined,
    { engines, nodes, track }: EngineDataTrackRoute,
    packet: Uint8Array,
  ): void {
    if (engines !== undefined && source !== undefined) {
      for (const engine of engines) this.world.lane(engine)?.sendTrackPacket(source, packet);
    }
    if (nodes === undefined || track === undefined) return;
    for (const node of nodes) this.world.lane(node)?.sendOfferedPacket(track, packet);
  }
}

/** Its receivers of one handle stand beside each other; most have the same one. */
function inLine(route: EngineDataTrackRoute): EngineDataTrackRoute {
  return { ...route, receivers: route.receivers.toSorted((a, b) => a.handle - b.handle) };
}
