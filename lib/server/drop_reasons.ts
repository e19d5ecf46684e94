/**
 * Why the HTTP listener does not take a connection, and what reaches the root of the program.
 *
 * @module
 */
import type { RoutesDrop } from "../../routes/drop_reasons.ts";
import type { DropReasons } from "../base/drop_counters.ts";
import type { ClusterDrop } from "../cluster/drop_reasons.ts";
import type { EngineDrop } from "../engine/drop_reasons.ts";
import type { RoomDrop } from "../room/drop_reasons.ts";
import type { SignallingDrop } from "../signalling/drop_reasons.ts";

/** By counter name. */
export const SERVER_DROPS = {
  http_connection_refused: "too many HTTP connections, and none that gives way",
  http_connection_gave_way: "an idle HTTP connection gave way to a new one",
  http_connection_timed_out: "an HTTP connection was too slow",
  http_malformed: "an HTTP request cannot be read",
  http_listener_reopened: "the HTTP listener failed and was opened again",
  unhandled_error: "something was thrown that nobody caught",
  unhandled_rejection: "a promise was rejected and nobody caught it",
} as const satisfies DropReasons;

/** One of {@linkcode SERVER_DROPS}. */
export type ServerDrop = keyof typeof SERVER_DROPS;

/** Everything a server counts. */
export type AnyDrop =
  | EngineDrop
  | RoomDrop
  | SignallingDrop
  | ClusterDrop
  | RoutesDrop
  | ServerDrop;
