/**
 * Runs one server as a process: listens, waits for a signal, tells everybody, ends.
 *
 * The first SIGINT or SIGTERM stops in order within {@linkcode STOP_WITHIN_MS}; a second one ends the
 * process at once. Errors that nobody handled are logged and counted, and the process lives.
 *
 * @module
 */
import { denoPlatform } from "../base/deno_platform.ts";
import type { Log } from "../base/platform.ts";
import { bindError } from "../transport/bind_error.ts";
import type { Config } from "./config_parsing.ts";
import { MIN_SECRET_LENGTH } from "./config_loading.ts";
import { createServer, type ServerParts, type SfuServer } from "./server.ts";
import { VERSION } from "./version.ts";

/** The promise is 5 s; the rest is for the runtime. */
const STOP_WITHIN_MS = 4500;
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];
/** Shells report a process ended by a signal as 128 and its number; 2 is SIGINT. */
const SECOND_SIGNAL_STATUS = 130;

/** What the caller does when the server is up. */
export interface ServeHooks {
  /** `httpPort` is where the first address listens. */
  readonly onListening: (httpPort: number) => void | Promise<void>;
}

/**
 * Serves until a signal comes.
 *
 * @throws {SfuError} if an address cannot be listened on; everything opened before is closed again.
 */
export async function serve(
  config: Config,
  log: Log,
  hooks: ServeHooks,
  parts: ServerParts = {},
): Promise<void> {
  const server = createServer(config, denoPlatform(log), parts);
  const stopCatching = catchStrayErrors(server, log);
  const stop = new AbortController();
  const ignoreSignals = onSignals(() => stop.abort());
  warnOfWeakSecrets(config, log);
  let http: Deno.HttpServer[] = [];
  try {
    // Media first: who sees the port open, or gets a healthy answer on it, can join.
    const addresses = await server.listenMedia();
    http = listenHttp(config, config.port, server.handler, log);
    if (server.metricsHandler !== undefined) {
      http.push(...listenHttp(config, config.prometheus.port, server.metricsHandler, log));
    }
    log.info("listening", {
      version: VERSION,
      httpPort: config.port,
      media: [...new Set(addresses.map(({ protocol, port }) => `${protocol}/${port}`))],
      workers: server.media?.workers,
      engine: server.media?.ports,
    });
    if (server.media?.lacksPorts && !config.development) {
      const hint = "a range in rtc.udp_port lets media use every core";
      log.warn("fewer UDP ports than cores", { hint });
    }
    await hooks.onListening(config.port);
    if (!stop.signal.aborted) {
      await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
    }
    log.info("stopping");
  } finally {
    await within(STOP_WITHIN_MS, closeAll(server, http));
    ignoreSignals();
    stopCatching();
  }
  log.info("stopped");
}

/** Leave messages first; then HTTP, whose `shutdown` waits for the sockets to be closed. */
async function closeAll(server: SfuServer, http: readonly Deno.HttpServer[]): Promise<void> {
  await server.close();
  await Promise.all(http.map((listener) => listener.shutdown()));
}

/** An empty list means every interface; IPv6 is taken along where the machine has it. */
function listenHttp(
  config: Config,
  port: number,
  handler: (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>,
  log: Log,
): Deno.HttpServer[] {
  const everywhere = config.bind_addresses.length === 0;
  const hostnames = everywhere ? ["0.0.0.0", "::"] : config.bind_addresses;
  const listeners: Deno.HttpServer[] = [];
  for (const [index, hostname] of hostnames.entries()) {
    try {
      listeners.push(Deno.serve({
        hostname,
        port,
        onListen() {},
        onError: (error) => {
          log.error("HTTP request failed", { error });
          return new Response("internal error", { status: 500 });
        },
      }, handler));
    } catch (error) {
      // The second family is a bonus where the operator did not ask for it by name.
      const optional = index > 0 && (everywhere || (config.development && hostname === "::1"));
      if (!optional) {
        for (const listener of listeners) listener.shutdown().catch(() => {});
        throw bindError(error, "tcp", hostname, port);
      }
    }
  }
  return listeners;
}

function onSignals(first: () => void): () => void {
  let seen = 0;
  const listener = () => {
    if (seen++ > 0) Deno.exit(SECOND_SIGNAL_STATUS);
    first();
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, listener);
  return () => {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, listener);
  };
}

function catchStrayErrors(server: SfuServer, log: Log): () => void {
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    server.counters.count("unhandled_error");
    log.error("unhandled error", { error: event.error });
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    server.counters.count("unhandled_rejection");
    log.error("unhandled rejection", { error: event.reason });
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return () => {
    globalThis.removeEventListener("error", onError);
    globalThis.removeEventListener("unhandledrejection", onRejection);
  };
}

function warnOfWeakSecrets(config: Config, log: Log): void {
  if (config.development) return;
  const weak = Object.values(config.keys).filter((secret) => secret.length < MIN_SECRET_LENGTH);
  if (weak.length === 0) return;
  log.error(`secret is too short, should be at least ${MIN_SECRET_LENGTH} characters for security`);
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
