/**
 * The literal addresses behind the names of hosts, as the system resolves them.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { parseIpAddress } from "../../wire/ip_address.ts";

/** A host and one of its ports. */
export interface HostPort {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Reads `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`; the port may be left out.
 *
 * @returns `undefined` if it is none of them.
 */
export function parseHostPort(text: string, usualPort: number): HostPort | undefined {
  const whole = /^(?:\[([\da-f:.]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  const bare = parseIpAddress(text.trim());
  if (whole === null) {
    return bare === undefined ? undefined : { hostname: text.trim(), port: usualPort };
  }
  const [, v6, host, digits] = whole;
  const port = digits === undefined ? usualPort : Number(digits);
  if (port < 1 || port > 65_535 || (v6 !== undefined && parseIpAddress(v6) === undefined)) {
    return undefined;
  }
  return { hostname: v6 ?? host!, port };
}

/**
 * Every address of a host, in the system's order; itself if it is a literal one. Empty if nobody
 * knows it. Never rejects.
 */
export async function addressesOfHost(hostname: string): Promise<readonly string[]> {
  if (parseIpAddress(hostname) !== undefined) return [hostname];
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
