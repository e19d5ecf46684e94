/**
 * Runs one server as a process: listens, waits for a signal, tells everybody, ends.
 *
 * The first SIGINT, SIGTERM or SIGQUIT drains: nobody new comes in, and who is here stays until the
 * end, or until `drain_timeout`, and is then told to join elsewhere. A second one does not wait any
 * longer. SIGUSR2 drains as well, but the process stays; the next one, or one while it waits for
 * its end, lets it serve again (`process_signals.ts`). Once it closes, it is closed within
 * {@linkcode STOP_WITHIN_MS}. Errors that nobody handled are logged and counted, and the process
 * lives.
 *
 * @module
 */
import { denoPlatform } from "../base/deno_platform.ts";
import type { Socket } from "node:net";
import type { Log } from "../base/platform.ts";
import { descriptorLimit } from "../transport/datagrams/descriptor_limit.ts";
import type { Config } from "./config/config_parsing.ts";
import { MIN_SECRET_LENGTH } from "./config/config_loading.ts";
import { idleKeys, recordReads } from "./config/config_effects.ts";
import {
  type HttpConnectionLimits,
  httpConnectionLimits,
  HttpConnections,
} from "./http/http_connections.ts";
import type { HttpListener } from "./http/http_front.ts";
import { type HttpPlace, listenHttp } from "./http/http_listeners.ts";
import { ownAddress } from "./log/redaction.ts";
import { ProcessSignals, SECOND_SIGNAL_STATUS } from "./process_signals.ts";
import { createServer, type ServerParts, type SfuServer } from "./server.ts";
import { VERSION } from "./version.ts";

/** The promise is 5 s; the rest is for the runtime. */
const STOP_WITHIN_MS = 4500;
/** What a second signal leaves for clients to be told. */
const HURRIED_STOP_WITHIN_MS = 300;

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
  const platform = denoPlatform(log);
  const server = createServer(config, platform, parts);
  const stopCatching = catchStrayErrors(server, log);
  const signals = new ProcessSignals();
  warnOfWeakSecrets(config, log);
  const { main, metrics, limits, drainTimeoutMs: timeoutMs } = servePlan(config);
  for (const { path, instead } of idleKeys(recorded, hooks.written ?? new Set())) {
    log.warn(`${path} is set and has no effect`, { instead });
  }
  const { counters } = server;
  const connections = new HttpConnections<Socket>(limits);
  const http: HttpListener[] = [];
  try {
    // Media first: who sees the port open, or gets a healthy answer on it, can join.
    const addresses = await server.listenMedia();
    collectGarbage();
    const listening = { connections, platform, counters };
    http.push(...await listenHttp({ ...main, ...listening, handler: server.handler }));
    const { metricsHandler: handler } = server;
    if (handler !== undefined) {
      http.push(...await listenHttp({ ...metrics, ...listening, handler }));
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
    await drained(server, signals, log, timeoutMs);
    log.info("stopping", { participants: server.occupants });
  } finally {
    const closed = within(STOP_WITHIN_MS, closeAll(server, http));
    // The second signal may come now, too: to an end that takes its time.
    const hurried = signals.hurried.then(() => within(HURRIED_STOP_WITHIN_MS, closed));
    await Promise.race([closed, hurried]);
    if (signals.isHurried) Deno.exit(SECOND_SIGNAL_STATUS);
    signals.ignore();
    stopCatching();
  }
  log.info("stopped");
}

/** What running a server as a process takes of the configuration. */
export interface ServePlan {
  readonly main: HttpPlace;
  readonly metrics: HttpPlace;
  /** Of both together. */
  readonly limits: HttpConnectionLimits;
  /** How long participants may stay after a signal; without end if absent. */
  readonly drainTimeoutMs: number | undefined;
}

/** Reads it. */
export function servePlan(
  { bind_addresses, development, port, prometheus, drain_timeout, limit }: Config,
): ServePlan {
  const where = {
    addresses: bind_addresses,
    // What development mode binds is the same on machines without IPv6.
    optional: development ? ["::1"] : [],
  };
  return {
    main: { ...where, port },
    metrics: { ...where, port: prometheus.port },
    limits: httpConnectionLimits(descriptorLimit(), {
      connections: limit.max_http_connections,
      ofAddress: limit.max_http_connections_per_address,
    }),
    drainTimeoutMs: drain_timeout,
  };
}

/** Leave messages first; then HTTP, whose `shutdown` waits for the sockets to be closed. */
async function closeAll(server: SfuServer, http: readonly HttpListener[]): Promise<void> {
  await server.close({ rejoin: true });
  await Promise.all(http.map((listener) => listener.shutdown()));
}

/** Resolves when it is to end, and nobody is here any more or has to be waited for. */
async function drained(
  server: SfuServer,
  signals: ProcessSignals,
  log: Log,
  timeoutMs: number | undefined,
): Promise<void> {
  for (;;) {
    await signals.changed("serve");
    if (server.occupants > 0) {
      const hint = "a second signal ends the wait";
      log.info("draining", { participants: server.occupants, timeoutMs, hint });
    }
    await server.quiesce({ timeoutMs, hurry: signals.endOfWait() });
    if (signals.wish === "drain") {
      log.info("drained, and stays", { participants: server.occupants });
      server.leadAway();
      await signals.changed("drain");
    }
    if (signals.isToStop) return;
    log.info("serves again");
    server.serveAgain();
  }
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

/**
 * Gives back what only starting needed, before anybody is here to wait for it; V8 would do so in
 * half a minute. Possible if the runtime was started with V8's `--expose-gc`, as by the tasks.
 */
function collectGarbage(): void {
  const { gc } = globalThis as { gc?: (how: Readonly<Record<string, string>>) => void };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
