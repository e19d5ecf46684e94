/**
 * Which addresses clients are shown, out of what the operator says, what the machine has, and what
 * was found out about how those are seen from outside. Pure.
 *
 * @module
 */
const LOOPBACK = "127.0.0.1";
/** Every one costs each client some checks; a machine with many bridges has more. */
const MAX_HOSTS = 8;

/** How it is found out; plain data. */
export interface AddressDiscovery {
  /**
   * `rtc.node_ip`, shown in place of the machine's own; empty: those are, and are followed. With
   * `external` they are the last resort.
   */
  readonly nodeIp: readonly string[];
  /** Also 127.0.0.1, so that a client on the same machine works without a network. */
  readonly loopback: boolean;
  /** Absent: nobody outside is asked. */
  readonly external?: ExternalDiscovery;
}

/** `rtc.use_external_ip` and what goes with it. */
export interface ExternalDiscovery {
  /** STUN servers as `host:port`, in the order in which they are asked. */
  readonly servers: readonly string[];
  /** Whether an address has to prove that it leads back here. */
  readonly validates: boolean;
  /** IPv4 addresses that nobody outside sees are not shown. */
  readonly only: boolean;
  /** The machine's own are shown beside those found. */
  readonly internal: boolean;
}

/** What is known of one of the machine's addresses. */
export interface ExternalAddress {
  readonly address: string;
  /** Under which the socket that asked was seen there. */
  readonly port: number;
  /** Something that was sent there came back. */
  readonly isProven: boolean;
}

/**
 * The literal addresses that clients are shown, in order of preference, never empty.
 *
 * - What the operator named is shown as it is; with loopback alone, the machine's own as well:
 *   Firefox pairs none of its addresses with a loopback one, and has none on loopback itself.
 * - Else all of the machine's own, IPv4 first, but for loopback and those of a link.
 * - With `external`, those found in place of them. As soon as one is proven, only proven ones are
 *   believed, and the others are shown as they are, as by LiveKit's server (June 2026,
 *   livekit/mediatransportutil, `pkg/rtcconfig`). If nobody answers, what the operator named, or
 *   else the machine's own.
 * - Loopback where it is asked for, or nothing else is left.
 *
 * @param locals The machine's addresses that media may use.
 * @param found By the machine's own address.
 */
export function advertisedHosts(
  locals: readonly string[],
  { nodeIp, loopback, external }: AddressDiscovery,
  found: ReadonlyMap<string, ExternalAddress> = new Map(),
): readonly string[] {
  const usable = locals.filter(isBeyondLink);
  const isV6 = (address: string) => address.includes(":");
  const own = [...usable.filter((address) => !isV6(address)), ...usable.filter(isV6)];
  const chosen = external !== undefined && found.size > 0
    ? seenFromOutside(own, external, found)
    : [...nodeIp];
  if (chosen.every(isLoopback)) chosen.push(...own);
  const hosts = [...new Set(chosen)].slice(0, MAX_HOSTS);
  if ((loopback || hosts.length === 0) && !hosts.includes(LOOPBACK)) hosts.push(LOOPBACK);
  return hosts;
}

function seenFromOutside(
  own: readonly string[],
  { only, internal }: ExternalDiscovery,
  found: ReadonlyMap<string, ExternalAddress>,
): string[] {
  const isAnyProven = [...found.values()].some(({ isProven }) => isProven);
  return own.flatMap((address) => {
    const outside = found.get(address);
    if (outside === undefined || (isAnyProven && !outside.isProven)) {
      return only && !address.includes(":") ? [] : [address];
    }
    return internal ? [outside.address, address] : [outside.address];
  });
}

/** 127.0.0.0/8 and `::1`. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** Whether others than this machine and its neighbours may reach it. */
export function isBeyondLink(address: string): boolean {
  return !isLoopback(address) && !isLinkLocal(address);
}

/** 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab][\da-f]:/i.test(address);
}
