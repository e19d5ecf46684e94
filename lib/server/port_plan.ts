/**
 * Every port that the configuration has this program listen on, and what for. Pure but for the
 * machine's addresses, which stand in place of wildcards where sockets are bound to each.
 *
 * @module
 */
import { everyAddress, isWildcard, withoutWildcards } from "../engine/messages/listen_address.ts";
import type { PortToCheck } from "./check/port_check.ts";
import type { Config } from "./config/config_parsing.ts";
import type { MediaListeners } from "./media_listeners.ts";

/** In the order in which a server binds them. */
export function portPlan(config: Config, listeners: MediaListeners): readonly PortToCheck[] {
  const { port, bind_addresses, prometheus, tls, turn, ingress } = config;
  const { udpOf, tcp, addressRule } = listeners;
  const http = bind_addresses.length === 0
    ? ["0.0.0.0"]
    : bind_addresses.map((bound) => bound || "0.0.0.0");
  const on = (number: number, use: string, key: string): PortToCheck[] =>
    number === 0 ? [] : [{ protocol: "tcp", port: number, hostnames: http, use, key }];
  const turnOn = (number: number) =>
    turn.enabled && number !== 0
      ? turn.bind_addresses.map((hostname) => ({ hostname, port: number }))
      : [];
  const named = (list: readonly { readonly hostname: string }[]) =>
    list.map(({ hostname }) => hostname);
  const media = udpOf.flat().map(({ hostname, port }): PortToCheck => ({
    protocol: "udp",
    port,
    hostnames: named(everyAddress([{ hostname, port }], { addressRule })),
    use: "media",
    key: "rtc.udp_port",
  }));
  const streams = tcp.map(({ hostname, port }): PortToCheck => ({
    protocol: "tcp",
    port,
    hostnames: named(withoutWildcards([{ hostname, port }], { addressRule })),
    use: "media over TCP",
    key: "rtc.tcp_port",
  }));
  const turnUdp = turnOn(turn.udp_port);
  const turnTls = turnOn(turn.tls_port);
  return [
    ...media,
    ...streams,
    ...(turnUdp.length === 0 ? [] : [{
      protocol: "udp" as const,
      port: turn.udp_port,
      hostnames: named(turnUdp),
      use: "TURN",
      key: "turn.udp_port",
    }]),
    ...(turnTls.length === 0 ? [] : [{
      protocol: "tcp" as const,
      port: turn.tls_port,
      hostnames: named(turnTls),
      use: turn.external_tls ? "TURN, behind TLS" : "TURN over TLS",
      key: "turn.tls_port",
    }]),
    ...on(port, "HTTP", "port"),
    ...on(tls.port, "HTTPS", "tls.port"),
    ...on(tls.redirect_port, "redirect to HTTPS", "tls.redirect_port"),
    ...on(prometheus.port, "metrics", "prometheus.port"),
    ...on(ingress.rtmp_port, "RTMP", "ingress.rtmp_port"),
  ];
}

/** Those that clients outside have to reach by connections. */
export function publicStreams(plan: readonly PortToCheck[]): readonly PortToCheck[] {
  const isPublic = ({ protocol, use, hostnames }: PortToCheck) =>
    protocol === "tcp" && (use.startsWith("media") || use.startsWith("TURN")) &&
    hostnames.some((hostname) => isWildcard(hostname) || !hostname.startsWith("127."));
  return plan.filter(isPublic);
}

/** Where a server with this configuration answers on this machine. */
export function ownOrigin({ port, bind_addresses, tls }: Config): string {
  const [bound = ""] = bind_addresses;
  const host = bound === "" || bound === "0.0.0.0" || bound === "::" ? "127.0.0.1" : bound;
  const scheme = tls.cert_file !== "" && tls.port === 0 ? "https" : "http";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
