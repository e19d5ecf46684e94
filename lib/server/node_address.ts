/**
 * Chooses the addresses this node advertises to clients as candidates, out of the configuration and
 * the machine's network interfaces. Pure.
 *
 * @module
 */

import {
  type AddressRule,
  allowedAddresses,
  ANY_ADDRESS,
  type InterfaceAddress,
} from "../transport/datagrams/local_addresses.ts";

const LOOPBACK = "127.0.0.1";

/** What the choice depends on. */
export interface NodeAddressOptions {
  /** `rtc.node_ip`; empty to find out. */
  readonly nodeIp: readonly string[];
  /** Also advertise `127.0.0.1`, so that a client on the same machine works without a network. */
  readonly loopback: boolean;
  /** Which of the machine's addresses may be used; all if absent. */
  readonly rule?: AddressRule;
}

/**
 * @returns Literal addresses in order of preference, never empty: the configured ones; if those are
 * none, or loopback alone, the first IPv4 address that is neither loopback nor link-local, else
 * such an IPv6 address; if there is none, loopback.
 */
export function chooseNodeAddresses(
  interfaces: readonly InterfaceAddress[],
  { nodeIp, loopback, rule = ANY_ADDRESS }: NodeAddressOptions,
): readonly string[] {
  const chosen = [...nodeIp];
  const allowed = allowedAddresses(interfaces, rule);
  // Firefox pairs none of its addresses with a loopback one, and has none on loopback itself.
  if (chosen.every(isLoopback)) {
    const usable = allowed.filter((address) => !isLoopback(address) && !isLinkLocal(address));
    const best = usable.find((address) => !address.includes(":")) ?? usable[0];
    if (best !== undefined) chosen.push(best);
  }
  const entry = interfaces.find(({ address }) => address === LOOPBACK) ??
    { family: "IPv4", address: LOOPBACK };
  const asked = loopback && allowedAddresses([entry], rule).length > 0;
  if ((asked || chosen.length === 0) && !chosen.includes(LOOPBACK)) chosen.push(LOOPBACK);
  return chosen;
}

/** 127.0.0.0/8 and `::1`. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab][\da-f]:/i.test(address);
}
