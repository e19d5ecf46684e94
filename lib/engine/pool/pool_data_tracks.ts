/**
 * The data tracks published on a pool's connections: each engine is given the routes to its own
 * receivers, and the publisher's the way to the others.
 *
 * Synchronous and without effects but the commands it hands out.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { DataCommand, DataTrackRoute } from "../messages/data_messages.ts";
import type { PoolDataHost } from "./pool_data.ts";

/** The pool as its data tracks see it. */
export type PoolDataTracksHost = Pick<PoolDataHost, "engineOf" | "send" | "join">;

type SetRoutes = Extract<DataCommand, { readonly type: "set_data_track_routes" }>;

/** Routes of the data tracks of one connection. */
interface Publication {
  /** Names it between engines. */
  readonly source: number;
  readonly routes: readonly DataTrackRoute[];
  /** Engines other than the publisher's that were given routes. */
  readonly engines: Set<number>;
}

/**
 * A pool's data tracks: a packet goes once to each engine that has receivers. Effects are the
 * commands handed out, and nothing else.
 */
export class PoolDataTracks {
  readonly #host: PoolDataTracksHost;
  readonly #publications = new Map<ConnectionId, Publication>();
  /** Receiver that no engine has yet → the publishers whose routes name it. */
  readonly #awaited = new Map<ConnectionId, Set<ConnectionId>>();
  #lastSource = 0;

  constructor(host: PoolDataTracksHost) {
    this.#host = host;
  }

  /**
   * Gives each engine the routes to its own receivers, and the publisher's the way to the others.
   */
  setRoutes({ connection, routes }: SetRoutes): void {
    this.#stopAwaiting(connection);
    const known = this.#publications.get(connection);
    const source = known?.source ?? ++this.#lastSource;
    const publication = { source, routes, engines: known?.engines ?? new Set<number>() };
    if (routes.length === 0) this.#publications.delete(connection);
    else this.#publications.set(connection, publication);
    this.#route(connection, publication);
  }

  /** A connection was opened: routes that name it can be completed. */
  opened(connection: ConnectionId): void {
    const publishers = new Set(this.#awaited.get(connection));
    if (this.#publications.has(connection)) publishers.add(connection);
    for (const publisher of publishers) {
      const publication = this.#publications.get(publisher);
      if (publication === undefined) continue;
      this.#stopAwaiting(publisher);
      this.#route(publisher, publication);
    }
  }

  /** A connection is gone: what it publishes ends. */
  gone(connection: ConnectionId): void {
    const publication = this.#publications.get(connection);
    this.#publications.delete(connection);
    this.#stopAwaiting(connection);
    for (const engine of publication?.engines ?? []) {
      this.#host.send(engine, { type: "set_data_track_routes", connection, routes: [] });
    }
  }

  /** An engine was lost, with its receivers, which are told as gone by themselves. */
  engineLost(engine: number): void {
    for (const { engines } of this.#publications.values()) engines.delete(engine);
  }

  #route(publisher: ConnectionId, { routes, engines, source }: Publication): void {
    const home = this.#host.engineOf(publisher);
    if (home === undefined) return;
    const own: DataTrackRoute[] = [];
    const elsewhere = new Map<number, DataTrackRoute[]>();
    for (const { handle, receivers } of routes) {
      const byEngine = groupByEngine(receivers, ({ connection }) => {
        const engine = this.#host.engineOf(connection);
        if (engine === undefined) this.#await(connection, publisher);
        return engine;
      });
      const others = [...byEngine.keys()].filter((engine) => engine !== home);
      own.push({
        handle,
        receivers: byEngine.get(home) ?? [],
        ...(others.length === 0 ? {} : { engines: others }),
      });
      for (const engine of others) {
        const route = { handle, receivers: byEngine.get(engine)! };
        elsewhere.set(engine, [...elsewhere.get(engine) ?? [], route]);
      }
    }
    const type = "set_data_track_routes";
    for (const engine of [...engines]) {
      if (elsewhere.has(engine)) continue;
      engines.delete(engine);
      this.#host.send(engine, { type, connection: publisher, routes: [] });
    }
    for (const [engine, routes] of elsewhere) {
      engines.add(engine);
      this.#host.join(home, engine);
      this.#host.send(engine, { type, connection: publisher, routes, source });
    }
    const named = elsewhere.size === 0 ? {} : { source };
    this.#host.send(home, { type, connection: publisher, routes: own, ...named });
  }

  #await(receiver: ConnectionId, publisher: ConnectionId): void {
    const publishers = this.#awaited.get(receiver);
    if (publishers === undefined) this.#awaited.set(receiver, new Set([publisher]));
    else publishers.add(publisher);
  }

  #stopAwaiting(publisher: ConnectionId): void {
    for (const [receiver, publishers] of this.#awaited) {
      if (publishers.delete(publisher) && publishers.size === 0) this.#awaited.delete(receiver);
    }
  }
}

/** Items by the engine they are on; those on none are left out. */
function groupByEngine<T>(
  items: readonly T[],
  engineOf: (item: T) => number | undefined,
): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const engine = engineOf(item);
    if (engine === undefined) continue;
    const group = groups.get(engine);
    if (group === undefined) groups.set(engine, [item]);
    else group.push(item);
  }
  return groups;
}
