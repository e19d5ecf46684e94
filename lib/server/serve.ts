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
import type { Config } from "./config_parsing.ts";
import { MIN_SECRET_LENGTH } from "./config_loading.ts";
import { idleKeys, recordReads } from "./config_effects.ts";
import { type HttpPlace, listenHttp } from "./http_listeners.ts";
import { ownAddress } from "./redaction.ts";
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
  /** Keys of the configuration that somebody set; those without an effect are warned of. */
  readonly written?: ReadonlySet<string>;
}

/**
 * Serves until a signal comes.
 *
 * @throws {SfuError} if an address cannot be listened on; everything opened before is closed again.
 */
export async function serve(
  given: Config,
  log: Log,
  hooks: ServeHooks,
  parts: ServerParts = {},
): Promise<void> {
  const recorded = recordReads(given);
  const { config } = recorded;
  const server = createServer(config, denoPlatform(log), parts);
  const stopCatching = catchStrayErrors(server, log);
  const stop = new AbortController();
  const ignoreSignals = onSignals(() => stop.abort());
  warnOfWeakSecrets(config, log);
  const places = httpPlaces(config);
  for (const { path, instead } of idleKeys(recorded, hooks.written ?? new Set())) {
    log.warn(`${path} is set and has no effect`, { instead });
  }
  let http: Deno.HttpServer[] = [];
  try {
    // Media first: who sees the port open, or gets a healthy answer on it, can join.
    const addresses = await server.listenMedia();
    const [main, metrics] = places;
    http = listenHttp({ ...main, handler: server.handler, log });
    if (server.metricsHandler !== undefined) {
      http.push(...listenHttp({ ...metrics, handler: server.metricsHandler, log }));
    }
    log.info("listening", {
      version: VERSION,
      httpPort: main.port,
      advertised: [...new Set(addresses.map(({ hostname }) => hostname))].map(ownAddress),
      media: [...new Set(addresses.map(({ protocol, port }) => `${protocol}/${port}`))],
      workers: server.media?.workers,
      engine: server.media?.ports,
    });
    if (server.media?.lacksPorts && !config.development) {
      const hint = "a range in rtc.udp_port lets media use every core";
      log.warn("fewer UDP ports than cores", { hint });
    }
    await hooks.onListening(main.port);
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

/** Where HTTP listens: the main listener, and that of the metrics. */
export function httpPlaces(
  { bind_addresses, development, port, prometheus }: Config,
): readonly [main: HttpPlace, metrics: HttpPlace] {
  const where = {
    addresses: bind_addresses,
    // What development mode binds is the same on machines without IPv6.
    optional: development ? ["::1"] : [],
  };
  return [{ ...where, port }, { ...where, port: prometheus.port }];
}

/** Leave messages first; then HTTP, whose `shutdown` waits for the sockets to be closed. */
async function closeAll(server: SfuServer, http: readonly Deno.HttpServer[]): Promise<void> {
  await server.close();
  await Promise.all(http.map((listener) => listener.shutdown()));
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
