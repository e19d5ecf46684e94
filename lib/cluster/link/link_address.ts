/**
 * Where others dial a node whose addresses change.
 *
 * @module
 */
import { isLoopback } from "../../engine/messages/advertised_hosts.ts";

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
