/**
 * Data between connections of one engine: who waits for whom, and where data tracks go.
 *
 * Contract: while a reader that keeps up at least somewhat has too much waiting, the connections whose
 * messages it did not take yet are not read, so that SCTP stops the clients behind them. Nobody waits
 * for a connection that is gone. Packets of data tracks never leave the media plane: each is sent on
 * by the routes of the connection it came on, with another handle and nothing else changed.
 *
 * @module
 */
import type { DropCounters } from "../base/drop_counters.ts";
import type { ConnectionId } from "../base/ids.ts";
import type { DataKind } from "../base/media_vocabulary.ts";
import { dataTrackHandle, withDataTrackHandle } from "../wire/data_track_packet.ts";
import type { DataTrackRoute } from "./engine_messages.ts";

/** The data side of one connection. */
export interface DataEndpoint {
  /** Sends one message; counted if it was not taken. */
  sendData(kind: DataKind | "data_track" | "raw", bytes: Uint8Array): void;
  /** Whether its writers should wait for its reader (`waits`: whether they do already). */
  isDataBacklogged(waits: boolean): boolean;
  /** Stops, or goes on, reading the reliable messages it is sent. */
  holdData(held: boolean): void;
}

/** See the module text. */
export class DataFlow {
  /** Writer → the readers it waits for. */
  readonly #waits = new Map<ConnectionId, Set<ConnectionId>>();
  /** Publisher → handle → where its packets go. */
  readonly #routes = new Map<ConnectionId, ReadonlyMap<number, DataTrackRoute["receivers"]>>();

  constructor(
    readonly endpoint: (id: ConnectionId) => DataEndpoint | undefined,
    readonly drops: DropCounters,
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
    const writer = this.endpoint(from);
    if (writer === undefined) return;
    if (waitsFor === undefined) {
      this.#waits.set(from, new Set([to]));
      writer.holdData(true);
      this.drops.count("data_writer_held");
    } else {
      waitsFor.add(to);
    }
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
      guard(from, () => this.endpoint(from)?.holdData(false));
    }
  }

  /** Replaces all routes of the data tracks published on `connection`. */
  setRoutes(connection: ConnectionId, routes: readonly DataTrackRoute[]): void {
    if (routes.length === 0) this.#routes.delete(connection);
    else {
      const byHandle = routes.map(({ handle, receivers }) => [handle, receivers] as const);
      this.#routes.set(connection, new Map(byHandle));
    }
  }

  /** Sends a packet of a data track on to its subscribers. */
  forward(from: ConnectionId, packet: Uint8Array): void {
    const handle = dataTrackHandle(packet);
    if (handle === 0) return this.drops.count("data_track_malformed");
    const receivers = this.#routes.get(from)?.get(handle);
    if (receivers === undefined) return this.drops.count("data_track_unknown_handle");
    for (const receiver of receivers) {
      const copy = withDataTrackHandle(packet, receiver.handle);
      this.endpoint(receiver.connection)?.sendData("data_track", copy);
    }
  }

  /** The connection is gone. */
  forget(connection: ConnectionId): void {
    this.#routes.delete(connection);
    this.#waits.delete(connection);
  }
}
