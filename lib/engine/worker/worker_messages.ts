/**
 * What passes between the main thread and a worker that runs a media engine: always a batch, an
 * array of these, so that a busy turn costs one message. Everything is structured-cloneable.
 *
 * @module
 */
import type { DropCounts } from "../../base/drop_counters.ts";
import type { SfuErrorCode } from "../../base/errors.ts";
import type { LogLevel } from "../../base/platform.ts";
import type { TcpFromSession, TcpToSession } from "../../transport/tcp/tcp_handover.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { EngineReady, MediaEvent } from "../messages/media_messages.ts";
import type { LocalEngineOptions } from "../local/local_engine_options.ts";
import type { EngineLoad } from "../pool/placement.ts";

/** What an engine in a worker is made of: all but what is of a thread's own. */
export type WorkerSetup = Omit<
  LocalEngineOptions,
  "platform" | "drops" | "tcp" | "distantTcp" | "networkInterfaces"
>;

/** To the worker. The first is `start`. */
export type ToWorker =
  | { readonly type: "start"; readonly setup: WorkerSetup }
  | { readonly type: "command"; readonly command: EngineCommand }
  | { readonly type: "tcp"; readonly message: TcpToSession }
  | { readonly type: "close" };

/** From the worker. */
export type FromWorker =
  | { readonly type: "started"; readonly ready: EngineReady }
  | { readonly type: "refused"; readonly code: SfuErrorCode; readonly message: string }
  | { readonly type: "event"; readonly event: MediaEvent }
  | { readonly type: "tcp"; readonly message: TcpFromSession }
  | LogLine
  /** Every {@linkcode REPORT_INTERVAL_MS}, also as a sign of life. */
  | { readonly type: "load"; readonly load: EngineLoad }
  /** What was dropped since the last time, by reason. */
  | { readonly type: "drops"; readonly drops: DropCounts<EngineDrop> }
  /** The last: goodbyes are said and sockets closed. */
  | { readonly type: "closed" };

/** One line of the worker's log. */
export interface LogLine {
  readonly type: "log";
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How often a worker reports, ms. */
export const REPORT_INTERVAL_MS = 500;
