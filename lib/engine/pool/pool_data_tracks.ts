/**
 * The data tracks published on a pool's connections, and those of other nodes that somebody here
 * has: each engine is given the routes to its own receivers, and the one where packets first are
 * the way to the others.
 *
 * Contract: a packet goes once to each engine that has receivers, and once to each other node that
 * wants it. A track of another node is taken by one engine here, while somebody here has it.
 *
 * Synchronous and without effects but the commands and events it hands out.
 *
 * @module
 */
import type { ConnectionId, DataTrackId, NodeId } from "../../base/ids.ts";
import type { DataCommand, DataTrackRoute } from "../messages/data_messages.ts";
import type { EngineDataTrackRoute } from "../messages/engine_messages.ts";
import type { NodeCommand, NodeEvent } from "../messages/node_messages.ts";
import type { PoolDataHost } from "./pool_data.ts";

/** The pool as its data tracks see it. */
export interface PoolDataTracksHost extends Pick<PoolDataHost, "engineOf" | "send" | "join"> {
  /** Names an engine of another node among those that relays join; `undefined` if unknown. */
  distant(node: string, engine: number): number | undefined;
  emit(event: NodeEvent): void;
}

type SetRoutes = Extract<DataCommand, { readonly type: "set_data_track_routes" }>;
type CommandOf<T extends NodeCommand["type"]> = Extract<NodeCommand, { readonly type: T }>;

/** A publisher here, or a track of one of another node. */
type Publisher = ConnectionId | DataTrackId;

/** Routes of the data tracks of one connection, or of one track of another node. */
interface Publication {
  readonly publisher: Publisher;
  /** Names it between engines. */
  readonly source: number;
  routes: readonly DataTrackRoute[];
  /** Engines, but the first, that were given routes. */
  readonly engines: Set<number>;
  /** Of each track, the engines of other nodes that it goes to. */
  readonly nodes: Map<DataTrackId, Set<number>>;
  /** Of a track of another node: which engine takes it, and from which one. */
  readonly remote: { home: number | undefined; from: number | undefined } | undefined;
}

/**
 * A pool's data tracks: a packet goes once to each engine that has receivers, and to each node.
 * Effects are the commands and events handed out, and nothing else.
 */
export class PoolDataTracks {
  readonly #host: PoolDataTracksHost;
  readonly #publications = new Map<Publisher, Publication>();
  /** Tracks that are published here → on which connection. */
  readonly #tracks = new Map<DataTrackId, ConnectionId>();
  /** Receiver that no engine has yet → the publishers whose routes name it. */
  readonly #awaited = new Map<ConnectionId, Set<Publisher>>();
  #lastSource = 0;

  constructor(host: PoolDataTracksHost) {
    this.#host = host;
  }

  /**
   * Gives each engine the routes to its own receivers, and the publisher's the way to the others.
   */
  setRoutes({ connection, routes }: SetRoutes): void {
    const publication = this.#publication(connection, false);
    const named = new Map(routes.map((route) => [route.track, route]));
    for (const { track } of publication.routes) {
      if (track === undefined || named.has(track)) continue;
      this.#tracks.delete(track);
      this.#stopNodes(publication, track);
    }
    for (const track of named.keys()) if (track !== undefined) this.#tracks.set(track, connection);
    this.#setRoutes(publication, routes);
  }

  /** Has a track of another node brought to those who have it here, while somebody does. */
  setRemote({ track, handle, receivers }: CommandOf<"set_remote_data_track">): void {
    if (receivers.length === 0) return this.#endRemote(track);
    const publication = this.#publication(track, true);
    this.#setRoutes(publication, [{ handle, receivers }]);
  }

  /** Carries out a command about `track` and another node. */
  carryOutNode(
    { type, node, engine }: CommandOf<"relay_from" | "send_to_node" | "stop_to_node">,
    track: DataTrackId,
  ): void {
    switch (type) {
      case "relay_from":
        return this.#takeFrom(track, node, engine);
      case "send_to_node":
        return this.#sendToNode(track, node, engine);
      case "stop_to_node":
        return this.#stopToNode(track, node, engine);
    }
  }

  #takeFrom(track: DataTrackId, node: NodeId, engine: number): void {
    const publication = this.#publications.get(track);
    const from = this.#host.distant(node, engine);
    if (from === undefined || publication?.remote === undefined) return;
    publication.remote.from = from;
    this.#route(publication);
  }

  /** Another node wants a track that is published here. */
  #sendToNode(track: DataTrackId, node: NodeId, engine: number): void {
    const publication = this.#publications.get(this.#tracks.get(track)!);
    const to = this.#host.distant(node, engine);
    const from = publication && this.#homeOf(publication);
    if (publication === undefined || to === undefined || from === undefined) return;
    const nodes = publication.nodes.get(track) ?? new Set();
    publication.nodes.set(track, nodes.add(to));
    this.#host.send(from, { type: "send_relay", upTrack: track, to });
    this.#route(publication);
    this.#host.emit({ type: "relay_sending", upTrack: track, from, node, engine });
  }

  /** Another node wants it no longer. */
  #stopToNode(track: DataTrackId, node: NodeId, engine: number): void {
    const publication = this.#publications.get(this.#tracks.get(track)!);
    const to = this.#host.distant(node, engine);
    if (to === undefined || !publication?.nodes.get(track)?.delete(to)) return;
    this.#route(publication);
    this.#host.send(this.#homeOf(publication)!, { type: "stop_relay", upTrack: track, to });
  }

  /** A connection was opened: routes that name it can be completed. */
  opened(connection: ConnectionId): void {
    const publishers = new Set(this.#awaited.get(connection));
    if (this.#publications.has(connection)) publishers.add(connection);
    for (const publisher of publishers) {
      const publication = this.#publications.get(publisher);
      if (publication === undefined) continue;
      this.#stopAwaiting(publisher);
      this.#begin(publication);
      this.#route(publication);
    }
  }

  /** A connection is gone: what it publishes ends. */
  gone(connection: ConnectionId): void {
    const publication = this.#publications.get(connection);
    this.#stopAwaiting(connection);
    if (publication === undefined) return;
    for (const { track } of publication.routes) {
      if (track === undefined) continue;
      this.#tracks.delete(track);
      this.#stopNodes(publication, track);
    }
    this.#publications.delete(connection);
    for (const engine of publication.engines) {
      this.#host.send(engine, { type: "set_data_track_routes", connection, routes: [] });
    }
  }

  /**
   * An engine was lost, with its receivers, which are told as gone by themselves. What it took from
   * other nodes another takes.
   */
  engineLost(engine: number): void {
    for (const publication of this.#publications.values()) {
      const { engines, remote } = publication;
      engines.delete(engine);
      if (remote?.home !== engine) continue;
      remote.home = remote.from = undefined;
      this.#begin(publication, engine);
      if (remote.home === undefined) this.#unwanted(publication);
      else this.#route(publication);
    }
  }

  /** Engines of another node are gone, or begin anew: nothing comes from them or goes there. */
  distantGone(gone: ReadonlySet<number>): void {
    for (const publication of this.#publications.values()) {
      const { remote, nodes } = publication;
      let isChanged = false;
      for (const engines of nodes.values()) {
        for (const engine of engines) {
          if (gone.has(engine)) isChanged = engines.delete(engine) || isChanged;
        }
      }
      const isLost = remote?.from !== undefined && gone.has(remote.from);
      if (isLost) remote.from = undefined;
      if (isChanged || isLost) this.#route(publication);
      if (isLost) this.#wanted(publication);
    }
  }

  #publication(publisher: Publisher, isRemote: boolean): Publication {
    const known = this.#publications.get(publisher);
    if (known !== undefined) return known;
    const publication: Publication = {
      publisher,
      source: ++this.#lastSource,
      routes: [],
      engines: new Set(),
      nodes: new Map(),
      remote: isRemote ? { home: undefined, from: undefined } : undefined,
    };
    this.#publications.set(publisher, publication);
    return publication;
  }

  #setRoutes(publication: Publication, routes: readonly DataTrackRoute[]): void {
    const { publisher } = publication;
    publication.routes = routes;
    this.#stopAwaiting(publisher);
    if (routes.length === 0) this.#publications.delete(publisher);
    this.#begin(publication);
    this.#route(publication);
  }

  /** A track of another node that no engine takes is wanted by the first that has a receiver. */
  #begin(publication: Publication, notBy = -1): void {
    const { publisher, remote, routes, engines } = publication;
    if (remote === undefined || remote.home !== undefined) return;
    for (const { connection } of routes.flatMap(({ receivers }) => receivers)) {
      const engine = this.#host.engineOf(connection);
      if (engine === undefined) this.#await(connection, publisher);
      else if (engine !== notBy) remote.home ??= engine;
    }
    if (remote.home === undefined) return;
    engines.delete(remote.home);
    this.#wanted(publication);
  }

  #endRemote(track: DataTrackId): void {
    const publication = this.#publications.get(track);
    if (publication?.remote === undefined) return;
    const { home } = publication.remote;
    this.#publications.delete(track);
    this.#stopAwaiting(track);
    if (home === undefined) return;
    for (const engine of [home, ...publication.engines]) {
      this.#host.send(engine, { type: "set_relayed_data_track", track });
    }
    this.#unwanted(publication);
  }

  #wanted({ publisher, remote }: Publication): void {
    const upTrack = publisher as DataTrackId;
    this.#host.emit({ type: "relay_wanted", upTrack, engine: remote!.home! });
  }

  #unwanted({ publisher }: Publication): void {
    this.#host.emit({ type: "relay_unwanted", upTrack: publisher as DataTrackId });
  }

  #stopNodes(publication: Publication, track: DataTrackId): void {
    const home = this.#homeOf(publication);
    const nodes = publication.nodes.get(track);
    publication.nodes.delete(track);
    if (home === undefined) return;
    for (const to of nodes ?? []) {
      this.#host.send(home, { type: "stop_relay", upTrack: track, to });
    }
  }

  /** The engine where packets first are. */
  #homeOf({ publisher, remote }: Publication): number | undefined {
    return remote === undefined ? this.#host.engineOf(publisher as ConnectionId) : remote.home;
  }

  #route(publication: Publication): void {
    const { publisher, routes, engines, nodes } = publication;
    const home = this.#homeOf(publication);
    if (home === undefined) return;
    const own: EngineDataTrackRoute[] = [];
    const elsewhere = new Map<number, DataTrackRoute[]>();
    for (const { handle, receivers, track } of routes) {
      const byEngine = groupByEngine(receivers, ({ connection }) => {
        const engine = this.#host.engineOf(connection);
        if (engine === undefined) this.#await(connection, publisher);
        return engine;
      });
      const others = [...byEngine.keys()].filter((engine) => engine !== home);
      const distant = track === undefined ? undefined : nodes.get(track);
      own.push({
        handle,
        receivers: byEngine.get(home) ?? [],
        ...(others.length === 0 ? {} : { engines: others }),
        ...(track === undefined || !distant?.size ? {} : { nodes: [...distant], track }),
      });
      for (const engine of others) {
        const route = { handle, receivers: byEngine.get(engine)! };
        elsewhere.set(engine, [...elsewhere.get(engine) ?? [], route]);
      }
    }
    for (const engine of [...engines]) {
      if (elsewhere.has(engine)) continue;
      engines.delete(engine);
      this.#tell(publication, engine, [], false);
    }
    for (const [engine, routes] of elsewhere) {
      engines.add(engine);
      this.#host.join(home, engine);
      this.#tell(publication, engine, routes, true);
    }
    this.#tell(publication, home, own, elsewhere.size > 0);
  }

  /** @param isPassed Engines here pass it to each other. */
  #tell(
    { publisher, source, remote }: Publication,
    engine: number,
    routes: readonly EngineDataTrackRoute[],
    isPassed: boolean,
  ): void {
    const named = isPassed ? { source } : {};
    if (remote === undefined) {
      const connection = publisher as ConnectionId;
      this.#host.send(engine, { type: "set_data_track_routes", connection, routes, ...named });
      return;
    }
    const [route] = routes;
    this.#host.send(engine, {
      type: "set_relayed_data_track",
      track: publisher as DataTrackId,
      ...(engine === remote.home && remote.from !== undefined ? { from: remote.from } : {}),
      ...named,
      ...(route === undefined ? {} : { route }),
    });
  }

  #await(receiver: ConnectionId, publisher: Publisher): void {
    const publishers = this.#awaited.get(receiver);
    if (publishers === undefined) this.#awaited.set(receiver, new Set([publisher]));
    else publishers.add(publisher);
  }

  #stopAwaiting(publisher: Publisher): void {
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
