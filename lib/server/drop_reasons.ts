/**
 * Why the HTTP listener does not take a connection, and what reaches the root of the program.
 *
 * @module
 */
import type { RoutesDrop } from "../../routes/drop_reasons.ts";
import type { DropReasons } from "../base/drop_counters.ts";
import type { ClusterDrop } from "../cluster/drop_reasons.ts";
import type { EngineDrop } from "../engine/drop_reasons.ts";
import type { IngressDrop } from "../ingress/drop_reasons.ts";
import type { RoomDrop } from "../room/drop_reasons.ts";
import type { SignallingDrop } from "../signalling/drop_reasons.ts";
import type { WatchDrop } from "../watch/drop_reasons.ts";

/** By counter name. */
export const SERVER_DROPS = {
  http_connection_refused: "too many HTTP connections, and none that gives way",
  http_connection_gave_way: "an idle HTTP connection gave way to a new one",
  http_connection_timed_out: "an HTTP connection was too slow",
  http_answer_not_taken: "an HTTP connection ended that took none of too much it was answered",
  http_too_many_requests_ahead: "an HTTP connection brought request upon request before answers",
  http_malformed: "an HTTP request cannot be read",
  http_proxy_header_ignored: "a PROXY header came from where no proxy is configured",
  socket_inflate_failed: "a compressed WebSocket message cannot be inflated",
  socket_inflates_too_much: "a compressed WebSocket message would become too long",
  socket_inflates_too_often: "compressed WebSocket messages of one peer became too much in all",
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
  | WatchDrop
  | IngressDrop
  | RoutesDrop
  | ServerDrop;
