/**
 * Chooses the addresses this node advertises to clients as candidates, out of the configuration and
 * the machine's network interfaces. Pure.
 *
 * @module
 */

/** The part of `Deno.networkInterfaces()` used here. */
export interface InterfaceAddress {
  readonly family: "IPv4" | "IPv6";
  readonly address: string;
}

/** What the choice depends on. */
export interface NodeAddressOptions {
  /** `rtc.node_ip`; empty to find out. */
  readonly nodeIp: readonly string[];
  /** Also advertise `127.0.0.1`, so that a client on the same machine works without a network. */
  readonly loopback: boolean;
}

/**
 * @returns Literal addresses in order of preference, never empty: the configured ones, else the
 * first IPv4 address that is neither loopback nor link-local, else such an IPv6 address, else
 * loopback.
 */
export function chooseNodeAddresses(
  interfaces: readonly InterfaceAddress[],
  { nodeIp, loopback }: NodeAddressOptions,
): readonly string[] {
  const chosen = [...nodeIp];
  if (chosen.length === 0) {
    const usable = interfaces.filter(({ address }) =>
      !isLoopback(address) && !isLinkLocal(address)
    );
    const best = usable.find(({ family }) => family === "IPv4") ?? usable[0];
    if (best !== undefined) chosen.push(best.address);
  }
  if ((loopback || chosen.length === 0) && !chosen.includes("127.0.0.1")) chosen.push("127.0.0.1");
  return chosen;
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab][\da-f]:/i.test(address);
}
