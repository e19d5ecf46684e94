/**
 * The addresses of this machine, and which of them an operator lets media use.
 *
 * A socket for each address, in place of one for all of them, because an answer has to come from
 * the address that was asked: otherwise the system picks the source by its routes, and a client
 * that asked another one drops the answer. (The kernel can tell the asked address with each
 * datagram, but the runtime keeps that to itself for those it receives.)
 *
 * @module
 */
import { parseIpAddress } from "../../wire/ip_address.ts";
import { type IpNetwork, isInNetwork, parseIpNetwork } from "../../wire/ip_network.ts";

/** The part of `Deno.networkInterfaces()` used here. */
export interface InterfaceAddress {
  readonly family: "IPv4" | "IPv6";
  readonly address: string;
  /** Of the interface; absent where it does not matter. */
  readonly name?: string;
}

/** What is let in: with `includes` only these, else all but `excludes`. */
export interface NameFilter {
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
}

/** Which addresses media may use; plain data. */
export interface AddressRule {
  /** Names of interfaces. */
  readonly interfaces: NameFilter;
  /** Ranges in CIDR notation. */
  readonly ips: NameFilter;
  /** Addresses that were asked for by name, whatever the filters say; first where order matters. */
  readonly always: readonly string[];
}

/** Lets everything in. */
export const ANY_ADDRESS: AddressRule = {
  interfaces: { includes: [], excludes: [] },
  ips: { includes: [], excludes: [] },
  always: [],
};

/** Whether the rule leaves anything out. */
export function isFilter({ interfaces, ips }: AddressRule): boolean {
  return [interfaces, ips].some(({ includes, excludes }) => includes.length + excludes.length > 0);
}

/** What the rule lets in, without those that need a zone to be bound (fe80::/10). */
export function allowedAddresses(
  interfaces: readonly InterfaceAddress[],
  rule: AddressRule,
): readonly string[] {
  const includes = networks(rule.ips.includes);
  const excludes = networks(rule.ips.excludes);
  const isLetIn = ({ address, name = "" }: InterfaceAddress): boolean => {
    if (rule.always.includes(address)) return true;
    const names = rule.interfaces;
    const byName = names.includes.length > 0
      ? names.includes.includes(name)
      : !names.excludes.includes(name);
    const bytes = parseIpAddress(address);
    if (!byName || bytes === undefined) return false;
    const isIn = (network: IpNetwork) => isInNetwork(network, bytes);
    return rule.ips.includes.length > 0 ? includes.some(isIn) : !excludes.some(isIn);
  };
  const allowed = interfaces.filter((entry) => isLetIn(entry) && !isLinkLocal6(entry.address))
    .map(({ address }) => address);
  const rank = (address: string) => rule.always.includes(address) ? 0 : 1;
  return [...new Set(allowed)].sort((one, other) => rank(one) - rank(other));
}

/** The machine's addresses now; `undefined` without the permission to ask. */
export function readInterfaces(): readonly InterfaceAddress[] | undefined {
  try {
    return Deno.networkInterfaces();
  } catch {
    return undefined;
  }
}

/** fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal6(address: string): boolean {
  return /^fe[89ab][\da-f]:/i.test(address);
}

function networks(texts: readonly string[]): readonly IpNetwork[] {
  return texts.map(parseIpNetwork).filter((network) => network !== undefined);
}
