/**
 * The server as `mod.ts` gives it to other programs: what it promises to keep, and nothing of what
 * is inside.
 *
 * @module
 */
import type { RoomAdmin } from "../admin/room_admin.ts";
import type { MediaAddress } from "../base/media_vocabulary.ts";
import type { Platform } from "../base/platform.ts";
import type { HttpHandler } from "../../routes/http_handler.ts";
import {
  type Config,
  parseConfig as parsedConfig,
  parseConfigText as parsedText,
} from "./config/config_parsing.ts";
import { createServer as createWholeServer } from "./whole_server.ts";
import type { CloseOptions, QuiesceOptions } from "./sfu_server.ts";

declare const CHECKED: unique symbol;

/** A configuration that has been checked; only {@linkcode parseConfig} and its twin make one. */
export interface ServerConfig {
  readonly [CHECKED]: true;
}

/** A running server. Disposing closes it. */
export interface EmbeddedServer extends AsyncDisposable {
  /** Pass to `Deno.serve`, mount under any router, or call in a test. Binds nothing. */
  readonly handler: HttpHandler;
  /** Answers Prometheus; absent unless `prometheus.port` is set. Binds nothing. */
  readonly metricsHandler: ((request: Request) => Promise<Response>) | undefined;
  /** Opens the UDP and TCP media sockets; idempotent. Rejects with `SfuError`. */
  listenMedia(): Promise<readonly MediaAddress[]>;
  /** The functions behind the server API, without HTTP and tokens. */
  readonly admin: RoomAdmin;
  /** Participants that are here, agents and recorders not counted. */
  readonly occupants: number;
  /** Refuses newcomers and waits until everybody has left; resolves even on time-out. */
  quiesce(options?: QuiesceOptions): Promise<void>;
  /** Takes newcomers again after {@linkcode EmbeddedServer.quiesce}. */
  serveAgain(): void;
  /** {@linkcode EmbeddedServer.quiesce}, then tells who is left to join elsewhere, and closes. */
  drain(options?: QuiesceOptions): Promise<void>;
  /** Tells every participant, then closes all sockets. Idempotent. */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Checks a configuration that is a plain object, with the keys of `docs/configuration.md`.
 *
 * @throws {ConfigError} with every problem.
 */
export function parseConfig(raw: unknown): ServerConfig {
  return sealed(parsedConfig(raw));
}

/**
 * Checks a configuration in YAML.
 *
 * @param source Name of the text for problems, which name its lines, too.
 * @throws {ConfigError} with every problem.
 */
export function parseConfigText(text: string, source: string): ServerConfig {
  return sealed(parsedText(text, source));
}

/**
 * Builds a server. It binds nothing by itself.
 *
 * @param platform Clock, timers, randomness and log; the runtime's by default.
 * @throws {SfuError} `missing_keys`, or `invalid_config` for what cannot work.
 */
export function createServer(config: ServerConfig, platform?: Platform): EmbeddedServer {
  return createWholeServer(config as unknown as Config, platform);
}

function sealed(config: Config): ServerConfig {
  return config as unknown as ServerConfig;
}
