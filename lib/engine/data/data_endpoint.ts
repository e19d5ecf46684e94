/**
 * The data plane's view of the engine around it.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { DataEvent } from "../messages/data_messages.ts";
import type { DataLane } from "../relay/data_lane.ts";

/** The data side of one connection. */
export interface DataEndpoint {
  /**
   * Sends one message; counted if it was not taken. `bytes` may be kept, and never change.
   *
   * @param sender Whose it is: what one sends of a kind stays in order, and senders take turns.
   * @param holdable Whether he is held where {@linkcode DataEndpoint.isDataBacklogged} says so.
   */
  sendData(
    kind: DataKind | "data_track" | "raw",
    bytes: Uint8Array,
    now: number,
    sender: number,
    holdable: boolean,
  ): void;
  /** Whether messages can be sent: reliably, or on a channel of the client's own. */
  isDataOpen(kind: "reliable" | "raw"): boolean;
  /** Whether `sender` should wait for its reader (`waits`: whether it does already). */
  isDataBacklogged(waits: boolean, now: number, sender: number): boolean;
  /** Stops, or goes on, reading the reliable messages it is sent, from the next one on. */
  holdData(held: boolean): void;
}

/** The engine as its data plane sees it. */
export interface DataWorld {
  readonly clock: Pick<Clock, "now">;
  readonly drops: DropSink<EngineDrop>;
  endpoint(connection: ConnectionId): DataEndpoint | undefined;
  emit(event: DataEvent): void;
  /** A bug of ours was hit on behalf of this connection alone. */
  failed(connection: ConnectionId, error: unknown): void;
  /** There is timed work at `at`, monotonic ms, perhaps sooner than before. */
  timed(at: number): void;
  /** The way to another engine; `undefined` if it is gone. */
  lane(engine: number): DataLane | undefined;
}
