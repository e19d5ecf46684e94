/**
 * Data between the connections of a pool's engines: messages and packets go to the engines that
 * have their receivers, once each, and a reader on one engine can hold up a writer on another.
 *
 * Synchronous and without effects but the commands it hands out.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { EngineCommand, EngineEvent } from "../messages/engine_messages.ts";
import type { DataTrackRoute } from "../messages/media_messages.ts";

type CommandOf<T extends EngineCommand["type"]> = Extract<EngineCommand, { type: T }>;
type EventOf<T extends EngineEvent["type"]> = Extract<EngineEvent, { type: T }>;

/** The pool as its data sees it. */
export interface PoolDataHost {
  engineOf(connection: ConnectionId): number | undefined;
  /** Brings a command to one engine; keeps the order. */
  send(engine: number, command: EngineCommand): void;
}

/** Routes of the data tracks of one connection. */
interface Publication {
  readonly routes: readonly DataTrackRoute[];
  /** Engines other than the publisher's that were given routes. */
  readonly engines: Set<number>;
}

/**
 * A pool's data: a message goes once to each engine that has receivers. Effects are the commands
 * handed out, and nothing else.
 */
export class PoolData {
  readonly #host: PoolDataHost;
  readonly #publications = new Map<ConnectionId, Publication>();
  /** Receiver that no engine has yet → the publishers whose routes name it. */
  readonly #awaited = new Map<ConnectionId, Set<ConnectionId>>();
  /** Writer → the engines whose readers hold it up. */
  readonly #holds = new Map<ConnectionId, Set<number>>();

  constructor(host: PoolDataHost) {
    this.#host = host;
  }

  /** Brings a message to the engines that have its receivers. */
  sendData(command: CommandOf<"send_data">): void {
    const byEngine = groupByEngine(command.connections, (id) => this.#host.engineOf(id));
    for (const [engine, connections] of byEngine) {
      const isWhole = connections.length === command.connections.length;
      this.#host.send(engine, isWhole ? command : { ...command, connections });
    }
  }

  /**
   * Gives each engine the routes to its own receivers, and the publisher's the way to the others.
   */
  setRoutes({ connection, routes }: CommandOf<"set_data_track_routes">): void {
    this.#stopAwaiting(connection);
    const engines = this.#publications.get(connection)?.engines ?? new Set();
    if (routes.length === 0) this.#publications.delete(connection);
    else this.#publications.set(connection, { routes, engines });
    this.#route(connection, routes, engines);
  }

  /** A connection was opened: routes that name it can be completed. */
  opened(connection: ConnectionId): void {
    const publishers = new Set(this.#awaited.get(connection));
    if (this.#publications.has(connection)) publishers.add(connection);
    for (const publisher of publishers) {
      const publication = this.#publications.get(publisher);
      if (publication === undefined) continue;
      this.#stopAwaiting(publisher);
      this.#route(publisher, publication.routes, publication.engines);
    }
  }

  /** A connection is gone: what it publishes ends, and nobody holds it. */
  gone(connection: ConnectionId): void {
    const publication = this.#publications.get(connection);
    this.#publications.delete(connection);
    this.#holds.delete(connection);
    this.#stopAwaiting(connection);
    for (const engine of publication?.engines ?? []) {
      this.#host.send(engine, { type: "set_data_track_routes", connection, routes: [] });
    }
  }

  /** A reader on `engine` holds up a writer elsewhere, or no longer does. */
  writerHeld(engine: number, { connection, held }: EventOf<"data_writer_held">): void {
    const home = this.#host.engineOf(connection);
    const holds = this.#holds.get(connection) ?? new Set();
    const before = holds.size;
    if (held && home !== undefined) holds.add(engine);
    else holds.delete(engine);
    if (holds.size > 0) this.#holds.set(connection, holds);
    else this.#holds.delete(connection);
    if (home === undefined || (before > 0) === (holds.size > 0)) return;
    this.#host.send(home, { type: "hold_data", connection, held: holds.size > 0 });
  }

  /** A packet of a data track goes on to receivers on other engines. */
  passOn({ connection, engines, bytes }: EventOf<"data_track_packet">): void {
    for (const engine of engines) {
      this.#host.send(engine, { type: "forward_data_track", connection, bytes });
    }
  }

  /** An engine was lost, with its readers. Those connections are told as gone by themselves. */
  engineLost(engine: number): void {
    for (const [connection, holds] of [...this.#holds]) {
      if (!holds.has(engine)) continue;
      this.writerHeld(engine, { type: "data_writer_held", connection, held: false });
    }
    for (const { engines } of this.#publications.values()) engines.delete(engine);
  }

  #route(
    publisher: ConnectionId,
    routes: readonly DataTrackRoute[],
    engines: Set<number>,
  ): void {
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
      this.#host.send(engine, { type, connection: publisher, routes });
    }
    this.#host.send(home, { type, connection: publisher, routes: own });
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
