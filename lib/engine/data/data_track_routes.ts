/**
 * Where packets of data tracks go: each is sent on by the routes of the connection it came on, with
 * another handle and nothing else changed.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId } from "../../base/ids.ts";
import { dataTrackHandle, withDataTrackHandle } from "../../wire/data_track_packet.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { EngineDataCommand, EngineDataTrackRoute } from "../messages/engine_messages.ts";
import type { DataWorld } from "./data_endpoint.ts";

type SetRoutes = Extract<EngineDataCommand, { readonly type: "set_data_track_routes" }>;

/** The data tracks of one publisher. */
interface Publication {
  /** Its name between engines. */
  readonly source: number | undefined;
  /** By the publisher's handle. */
  readonly routes: ReadonlyMap<number, EngineDataTrackRoute>;
}

/** One engine's routes of data tracks. They end with the publisher's connection, or by command. */
export class DataTrackRoutes {
  readonly #byConnection = new Map<ConnectionId, Publication>();
  readonly #bySource = new Map<number, Publication>();
  readonly #drops: DropSink<EngineDrop>;

  constructor(readonly world: Pick<DataWorld, "clock" | "drops" | "endpoint" | "lane">) {
    this.#drops = world.drops;
  }

  /** Replaces all routes of the data tracks published on a connection. */
  set({ connection, routes, source }: SetRoutes): void {
    this.forget(connection);
    if (routes.length === 0) return;
    const byHandle = new Map(routes.map((route) => [route.handle, route]));
    const publication = { source, routes: byHandle };
    this.#byConnection.set(connection, publication);
    if (source !== undefined) this.#bySource.set(source, publication);
  }

  /** Sends on a packet that came on a connection here. */
  forward(from: ConnectionId, packet: Uint8Array): void {
    this.#forward(this.#byConnection.get(from), packet);
  }

  /** Sends on a packet that another engine passed. */
  forwardOf(source: number, packet: Uint8Array): void {
    this.#forward(this.#bySource.get(source), packet);
  }

  /** The connection is gone. */
  forget(connection: ConnectionId): void {
    const publication = this.#byConnection.get(connection);
    if (publication?.source !== undefined) this.#bySource.delete(publication.source);
    this.#byConnection.delete(connection);
  }

  #forward(publication: Publication | undefined, packet: Uint8Array): void {
    const handle = dataTrackHandle(packet);
    if (handle === 0) return this.#drops.count("data_track_malformed");
    const route = publication?.routes.get(handle);
    if (route === undefined) return this.#drops.count("data_track_unknown_handle");
    const now = this.world.clock.now();
    for (const receiver of route.receivers) {
      const copy = withDataTrackHandle(packet, receiver.handle);
      this.world.endpoint(receiver.connection)?.sendData("data_track", copy, now);
    }
    const source = publication!.source;
    if (route.engines === undefined || source === undefined) return;
    for (const engine of route.engines) this.world.lane(engine)?.sendTrackPacket(source, packet);
  }
}
