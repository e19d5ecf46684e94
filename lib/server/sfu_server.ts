/**
 * A server as whoever runs or embeds it sees it, and what can be put in place of its parts.
 *
 * @module
 */
import type { RoomAdmin } from "../admin/room_admin.ts";
import type { DropCounters } from "../base/drop_counters.ts";
import type { MediaAddress } from "../base/media_vocabulary.ts";
import type { ClusterDirectory } from "../cluster/directory/cluster_directory.ts";
import type { LocalEngineOptions } from "../engine/local/local_engine_options.ts";
import type { MediaEngine } from "../engine/messages/media_messages.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { InterfaceAddress } from "../transport/datagrams/local_addresses.ts";
import type { HttpHandler } from "../../routes/http_handler.ts";
import type { AnyDrop } from "./drop_reasons.ts";
import type { MediaSummary } from "./media_listeners.ts";
import type { WebhookFetch } from "./webhooks/webhook_attempt.ts";

/** A running server. */
export interface SfuServer extends AsyncDisposable {
  /** Pass to `Deno.serve`, mount under any router, or call in a test. Binds nothing. */
  readonly handler: HttpHandler;
  /** Answers Prometheus; absent unless `prometheus.port` is set. Binds nothing. */
  readonly metricsHandler: ((request: Request) => Promise<Response>) | undefined;
  /** Opens the UDP and TCP media sockets; idempotent. Rejects with `SfuError`. */
  listenMedia(): Promise<readonly MediaAddress[]>;
  /** What carries media; absent until it listens. */
  readonly media: MediaSummary | undefined;
  readonly rooms: LocalRooms;
  /** The functions behind the server API. */
  readonly admin: RoomAdmin;
  /** What came in and was not used, by reason. */
  readonly counters: DropCounters<AnyDrop>;
  /** Participants that are here, agents and recorders not counted. */
  readonly occupants: number;
  /** Refuses newcomers and waits until everybody has left; resolves even on time-out. */
  quiesce(options?: QuiesceOptions): Promise<void>;
  /** Takes newcomers again after {@linkcode SfuServer.quiesce}; nothing once it closes. */
  serveAgain(): void;
  /** Tells everybody who is here to join elsewhere, and stays. */
  leadAway(): void;
  /** {@linkcode SfuServer.quiesce}, then tells who is left to join elsewhere, and closes. */
  drain(options?: QuiesceOptions): Promise<void>;
  /**
   * Tells every participant, then closes all sockets. Idempotent: the first call's words are said.
   */
  close(options?: CloseOptions): Promise<void>;
}

/** How long draining waits. */
export interface QuiesceOptions {
  /** No longer than this; as long as it takes if absent. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait at once. */
  readonly hurry?: AbortSignal;
}

/** What participants are told. */
export interface CloseOptions {
  /** To join anew, which is elsewhere; else that this is the end. */
  readonly rejoin?: boolean;
}

/** What tests and special deployments replace. */
export interface ServerParts {
  /** `amongNodes`: tracks may cross to other nodes and come from there. */
  readonly createEngine?: (options: LocalEngineOptions, amongNodes: boolean) => MediaEngine;
  readonly networkInterfaces?: () => readonly InterfaceAddress[];
  /** How many cores the machine has. */
  readonly cores?: number;
  /** The last lines of the log, for reports. */
  readonly recentLog?: () => readonly string[];
  /** Delivers webhooks. */
  readonly fetch?: WebhookFetch;
  /** What all nodes know of each other, in place of the Redis that the configuration names. */
  readonly directory?: ClusterDirectory;
}
