/**
 * What running a server as a process takes of the configuration: where HTTP is spoken, how, and by
 * how many.
 *
 * @module
 */
import { descriptorLimit } from "../transport/datagrams/descriptor_limit.ts";
import type { Config } from "./config/config_parsing.ts";
import { type HttpConnectionLimits, httpConnectionLimits } from "./http/http_connections.ts";
import type { HttpListening, HttpPlace } from "./http/http_listeners.ts";
import { httpsRedirect } from "./http/https_redirect.ts";
import { type ProxyRules, proxyRules } from "./proxy_rules.ts";
import type { SfuServer } from "./sfu_server.ts";
import { type TlsPlan, tlsPlan } from "./tls_settings.ts";
import type { WatchedCertificate } from "./watched_certificate.ts";

/** What running a server as a process takes of the configuration. */
export interface ServePlan {
  readonly main: HttpPlace;
  readonly metrics: HttpPlace;
  /** Absent: HTTP is spoken in the clear. */
  readonly tls: TlsPlan | undefined;
  readonly proxies: ProxyRules;
  /** Of all listeners together. */
  readonly limits: HttpConnectionLimits;
  /** How long participants may stay after a signal; without end if absent. */
  readonly drainTimeoutMs: number | undefined;
}

/** Reads it. */
export function servePlan(config: Config): ServePlan {
  const { bind_addresses, development, port, prometheus, drain_timeout, limit } = config;
  const where = {
    addresses: bind_addresses,
    // What development mode binds is the same on machines without IPv6.
    optional: development ? ["::1"] : [],
  };
  return {
    main: { ...where, port },
    metrics: { ...where, port: prometheus.port },
    tls: tlsPlan(config),
    proxies: proxyRules(config),
    limits: httpConnectionLimits(descriptorLimit(), {
      connections: limit.max_http_connections,
      ofAddress: limit.max_http_connections_per_address,
    }),
    drainTimeoutMs: drain_timeout,
  };
}

/** Where HTTP is spoken, how, and who answers. */
export function entrances(
  { main, metrics, tls, proxies: { http: proxies, forwarded } }: ServePlan,
  { handler, metricsHandler }: Pick<SfuServer, "handler" | "metricsHandler">,
  certificate: WatchedCertificate | undefined,
): Omit<HttpListening, "connections" | "platform" | "counters">[] {
  const own = { handler, proxies, forwarders: forwarded?.proxies ?? [] };
  const figures = metricsHandler && { ...metrics, handler: metricsHandler };
  const measured = figures === undefined ? [] : [figures];
  if (tls === undefined || certificate === undefined) return [{ ...main, ...own }, ...measured];
  const port = tls.port === 0 ? main.port : tls.port;
  const redirect = { ...main, proxies, handler: httpsRedirect(certificate, port) };
  const redirects = tls.redirectPort === 0 ? [] : [{ ...redirect, port: tls.redirectPort }];
  if (tls.port !== 0) {
    return [{ ...main, ...own }, { ...main, ...own, port, certificate }, ...redirects, ...measured];
  }
  return [
    { ...main, ...own, certificate },
    ...redirects,
    ...measured.map((place) => ({ ...place, certificate })),
  ];
}
