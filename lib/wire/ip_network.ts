/**
 * Ranges of IP addresses, as operators write them (CIDR, RFC 4632, RFC 4291 §2.3).
 *
 * @module
 */
import { parseIpAddress } from "./ip_address.ts";

/** All addresses that share their first `bits` bits with `address`. */
export interface IpNetwork {
  /** 4 or 16 bytes, as `parseIpAddress` gives them. */
  readonly address: Uint8Array;
  readonly bits: number;
}

/** Reads `192.0.2.0/24` or `2001:db8::/32`; an address alone is the range of itself. */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const slash = text.indexOf("/");
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const most = 8 * address.length;
  if (slash < 0) return { address, bits: most };
  const suffix = text.slice(slash + 1);
  const bits = /^\d{1,3}$/.test(suffix) ? Number(suffix) : Infinity;
  return bits <= most ? { address, bits } : undefined;
}

/** Whether a literal address is in one of the ranges. */
export function isInNetworks(networks: readonly IpNetwork[], text: string): boolean {
  const address = networks.length === 0 ? undefined : parseIpAddress(text);
  return address !== undefined && networks.some((network) => isInNetwork(network, address));
}

/** Whether the address (4 or 16 bytes) is in the range; the families are apart. */
export function isInNetwork({ address, bits }: IpNetwork, bytes: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  for (let at = 0, left = bits; left > 0; at++, left -= 8) {
    const mask = left >= 8 ? 0xff : 0xff << 8 - left & 0xff;
    if (((bytes[at]! ^ address[at]!) & mask) !== 0) return false;
  }
  return true;
}
