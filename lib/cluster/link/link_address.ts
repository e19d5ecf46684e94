/**
 * Where others dial a node whose addresses change.
 *
 * @module
 */
import { isLoopback } from "../../engine/messages/advertised_hosts.ts";
import type { RelayEndpoint } from "../../engine/messages/node_messages.ts";

/**
 * The address of this node's `/cluster` from now on.
 *
 * @param current The one that others have.
 * @param hosts Literal addresses of the machine, in order of preference.
 * @param others More of them, at which it is reached as well.
 * @param at The address at one of them.
 */
export function followedLinkAddress(
  current: string,
  hosts: readonly string[],
  others: readonly string[],
  at: (host: string) => string,
): string {
  const [first] = hosts;
  // Without a network there is nowhere to go: the loopback is where everybody dials itself.
  if (first === undefined || isLoopback(first)) return current;
  const reached = [...hosts, ...others].filter((host) => !isLoopback(host));
  return reached.some((host) => at(host) === current) ? current : at(first);
}

/**
 * Where other nodes are told to send media. An address of the loopback leads everybody back to its
 * own machine, so it is told only where nodes of this machine are all there are: where others dial
 * this one there.
 *
 * @param endpoints Where each engine listens.
 * @param link The address of this node's `/cluster` that others have.
 */
export function toldEndpoints(
  endpoints: readonly RelayEndpoint[],
  link: string,
): readonly RelayEndpoint[] {
  const host = URL.parse(link)?.hostname.replace(/^\[|\]$/g, "") ?? "";
  if (host === "localhost" || isLoopback(host)) return endpoints;
  return endpoints.map(({ addresses }) => ({
    addresses: addresses.filter(({ hostname }) => !isLoopback(hostname)),
  }));
}
