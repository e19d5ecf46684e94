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
import { buildIdentity, shortCommit } from "./build_identity.ts";
import type { Config } from "./config/config_parsing.ts";
import { isPasswordInClear } from "./admin_settings.ts";
import { MIN_SECRET_LENGTH } from "./config/config_loading.ts";
import { idleKeys, recordReads } from "./config/config_effects.ts";
import { HttpConnections } from "./http/http_connections.ts";
import type { HttpListener } from "./http/http_front.ts";
import { listenHttp } from "./http/http_listeners.ts";
import { ownAddress } from "./log/redaction.ts";
import { loadOptionalParts } from "./optional_parts.ts";
import { ProcessSignals, SECOND_SIGNAL_STATUS } from "./process_signals.ts";
import { composeServer } from "./composed_server.ts";
import type { ServerParts, SfuServer } from "./sfu_server.ts";
import { entrances, servePlan } from "./serve_plan.ts";
import { giveBackStartLeftovers } from "./start_leftovers.ts";
import { WatchedCertificate } from "./watched_certificate.ts";

/** The promise is 5 s; the rest is for the runtime. */
const STOP_WITHIN_MS = 4500;
/** What a second signal leaves for clients to be told. */
const HURRIED_STOP_WITHIN_MS = 300;

/** What the caller does when the server is up. */
export interface ServeHooks {
  /** `httpPort` is where the first address listens. */
  readonly onListening: (httpPort: number) => void | Promise<void>;
  /** Variables of the environment. */
  readonly env?: (name: string) => string | undefined;
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
  const plan = servePlan(config);
  const certificate = plan.tls && new WatchedCertificate("tls", plan.tls.files, platform);
  const exportsTraces = hooks.env?.("OTEL_DENO") === "true";
  const optional = await loadOptionalParts(config, parts.directory !== undefined, exportsTraces);
  const server = composeServer(config, platform, parts, optional);
  const stopCatching = catchStrayErrors(server, log);
  const signals = new ProcessSignals();
  warnOfWeakSecrets(config, log);
  const { main, limits, drainTimeoutMs: timeoutMs } = plan;
  for (const { path, instead } of idleKeys(recorded, hooks.written ?? new Set())) {
    log.warn(`${path} is set and has no effect`, { instead });
  }
  const { counters } = server;
  const connections = new HttpConnections<Socket>(limits);
  const http: HttpListener[] = [];
  try {
    // Media first: who sees the port open, or gets a healthy answer on it, can join.
    const addresses = await server.listenMedia();
    giveBackStartLeftovers(config.native);
    for (const entrance of entrances(plan, server, certificate)) {
      http.push(...await listenHttp({ ...entrance, connections, platform, counters }));
    }
    const { version, commit } = buildIdentity();
    log.info("listening", {
      version,
      commit: commit && shortCommit(commit),
      httpPort: main.port,
      tlsPort: plan.tls && (plan.tls.port || main.port),
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
  if (isPasswordInClear(config)) {
    const hint = "set tls.cert_file, or let a proxy speak TLS and name it in proxies";
    log.warn("the operators' password comes without TLS", { hint });
  }
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
