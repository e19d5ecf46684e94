/**
 * Data between connections: who waits for whom, and where data tracks go. Where several engines
 * share rooms, a reader here may hold up a writer elsewhere, and packets of data tracks go on to
 * others.
 *
 * Contract: while a reader that keeps up at least somewhat has too much waiting, the connections
 * whose messages it did not take yet are not read, so that SCTP stops the clients behind them.
 * Nobody waits for a connection that is gone. Packets of data tracks never leave the media plane:
 * each is sent on by the routes of the connection it came on, with another handle and nothing else
 * changed.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import { dataTrackHandle, withDataTrackHandle } from "../../wire/data_track_packet.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { EngineDataTrackRoute } from "../messages/engine_messages.ts";

/** The data side of one connection. */
export interface DataEndpoint {
  /** Sends one message; counted if it was not taken. */
  sendData(kind: DataKind | "data_track" | "raw", bytes: Uint8Array): void;
  /** Whether its writers should wait for its reader (`waits`: whether they do already). */
  isDataBacklogged(waits: boolean): boolean;
  /** Stops, or goes on, reading the reliable messages it is sent. */
  holdData(held: boolean): void;
}

/** The other engines. */
export interface DataNeighbours {
  /** A writer that is not here is to wait, or need not any longer. */
  hold(writer: ConnectionId, held: boolean): void;
  /** A packet of a data track goes to receivers on these engines. */
  pass(from: ConnectionId, engines: readonly number[], packet: Uint8Array): void;
}

/**
 * One engine's data: nobody waits for a connection that is gone, and a connection that waits for
 * nobody is read.
 */
export class DataFlow {
  /** Writer → the readers here that it waits for. */
  readonly #waits = new Map<ConnectionId, Set<ConnectionId>>();
  /** Writers here that wait for readers elsewhere. */
  readonly #heldFromAfar = new Set<ConnectionId>();
  /** Publisher → handle → where its packets go. */
  readonly #routes = new Map<ConnectionId, ReadonlyMap<number, EngineDataTrackRoute>>();

  constructor(
    readonly endpoint: (id: ConnectionId) => DataEndpoint | undefined,
    readonly drops: DropSink<EngineDrop>,
    readonly neighbours?: DataNeighbours,
  ) {}

  /** Sends a message that came from `from`, if it came from anyone here. */
  send(
    to: ConnectionId,
    kind: DataKind | "raw",
    bytes: Uint8Array,
    from: ConnectionId | undefined,
  ): void {
    const reader = this.endpoint(to);
    if (reader === undefined) return;
    reader.sendData(kind, bytes);
    if (kind !== "reliable" || from === undefined || from === to) return;
    const waitsFor = this.#waits.get(from);
    if (waitsFor?.has(to) || !reader.isDataBacklogged(false)) return;
    if (waitsFor !== undefined) return void waitsFor.add(to);
    if (this.endpoint(from) === undefined && this.neighbours === undefined) return;
    this.#waits.set(from, new Set([to]));
    this.drops.count("data_writer_held");
    this.#updateHold(from);
  }

  /** A reader on another engine holds `writer`, or does so no longer. */
  holdFromAfar(writer: ConnectionId, held: boolean): void {
    if (!held) this.#heldFromAfar.delete(writer);
    else if (this.endpoint(writer) !== undefined) this.#heldFromAfar.add(writer);
    this.#updateHold(writer);
  }

  /** Whether somebody waits, so that {@linkcode DataFlow.tick} is needed soon. */
  get isWaiting(): boolean {
    return this.#waits.size > 0;
  }

  /**
   * Lets those go on whose readers have caught up, or have turned out to be too slow.
   *
   * @param guard Runs a step on behalf of a connection, so that a throw ends that one alone.
   */
  tick(guard: (id: ConnectionId, step: () => void) => void): void {
    for (const [from, waitsFor] of this.#waits) {
      for (const to of waitsFor) {
        if (!this.endpoint(to)?.isDataBacklogged(true)) waitsFor.delete(to);
      }
      if (waitsFor.size > 0) continue;
      this.#waits.delete(from);
      guard(from, () => this.#updateHold(from));
    }
  }

  /** Replaces all routes of the data tracks published on `connection`. */
  setRoutes(connection: ConnectionId, routes: readonly EngineDataTrackRoute[]): void {
    if (routes.length === 0) this.#routes.delete(connection);
    else {
      const byHandle = routes.map((route) => [route.handle, route] as const);
      this.#routes.set(connection, new Map(byHandle));
    }
  }

  /** Sends a packet of a data track on to its subscribers. */
  forward(from: ConnectionId, packet: Uint8Array): void {
    const handle = dataTrackHandle(packet);
    if (handle === 0) return this.drops.count("data_track_malformed");
    const route = this.#routes.get(from)?.get(handle);
    if (route === undefined) return this.drops.count("data_track_unknown_handle");
    for (const receiver of route.receivers) {
      const copy = withDataTrackHandle(packet, receiver.handle);
      this.endpoint(receiver.connection)?.sendData("data_track", copy);
    }
    if (route.engines !== undefined) this.neighbours?.pass(from, route.engines, packet);
  }

  /** The connection is gone. */
  forget(connection: ConnectionId): void {
    this.#routes.delete(connection);
    this.#waits.delete(connection);
    this.#heldFromAfar.delete(connection);
  }

  #updateHold(writer: ConnectionId): void {
    const endpoint = this.endpoint(writer);
    const waits = this.#waits.has(writer);
    if (endpoint !== undefined) endpoint.holdData(waits || this.#heldFromAfar.has(writer));
    else this.neighbours?.hold(writer, waits);
  }
}
