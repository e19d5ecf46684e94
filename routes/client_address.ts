/**
 * Which address a request is from: its socket's, or what a proxy of ours has written about it.
 * Anybody may write such headers, so those of others are counted and not read.
 *
 * @module
 */
import type { DropSink } from "../lib/base/drop_counters.ts";
import { forwardedFor, type ForwardedHeader } from "../lib/wire/forwarded_for.ts";
import { parseIpAddress } from "../lib/wire/ip_address.ts";
import { type IpNetwork, isInNetwork } from "../lib/wire/ip_network.ts";
import type { RoutesDrop } from "./drop_reasons.ts";

/** Whose headers are read, and which one. */
export interface ForwardedRule {
  readonly proxies: readonly IpNetwork[];
  readonly header: ForwardedHeader;
}

const HEADERS: readonly ForwardedHeader[] = ["X-Forwarded-For", "Forwarded"];

/**
 * The client's address.
 *
 * @param peer The socket's; empty if it is not known.
 * @param rule Absent: there are no proxies.
 */
export function clientAddress(
  headers: Headers,
  peer: string,
  rule: ForwardedRule | undefined,
  counters: DropSink<RoutesDrop>,
): string {
  const isOurs = (address: Uint8Array) =>
    rule?.proxies.some((network) => isInNetwork(network, address)) ?? false;
  const address = parseIpAddress(peer);
  if (rule === undefined || address === undefined || !isOurs(address)) {
    if (HEADERS.some((name) => headers.has(name))) counters.count("forwarded_header_ignored");
    return peer;
  }
  return forwardedFor(peer, isOurs, rule.header, headers.get(rule.header) ?? "");
}
