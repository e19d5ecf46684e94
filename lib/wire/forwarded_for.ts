/**
 * Whom HTTP proxies say a request is from: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
 *
 * Anybody may write such headers, and each proxy adds whom it got the request from at the right.
 * So what counts is the hop furthest to the right that is no proxy of ours; what stands left of it
 * may be anything.
 *
 * @module
 */
import { formatIpAddress, parseIpAddress } from "./ip_address.ts";

/** Which of the two our proxies write. The other one may be the client's own. */
export type ForwardedHeader = "X-Forwarded-For" | "Forwarded";

/** More proxies than this stand in no row. */
const MAX_HOPS = 32;

/**
 * The address a request is from.
 *
 * @param peer Who sent it to us; one of our proxies.
 * @param isOurs Whether an address (4 or 16 bytes) is one of our proxies.
 * @param value The header's, with several of them joined by commas.
 * @returns A literal address; `peer` if the header says nothing of use.
 */
export function forwardedFor(
  peer: string,
  isOurs: (address: Uint8Array) => boolean,
  header: ForwardedHeader,
  value: string,
): string {
  const hops = header === "Forwarded" ? forwardedHops(value) : value.split(",");
  let address = peer;
  for (const hop of hops.slice(-MAX_HOPS).reverse()) {
    const bytes = hopAddress(hop.trim());
    // A name or nonsense: who stands to the right of it is the last of whom something is known.
    if (bytes === undefined) break;
    address = formatIpAddress(bytes);
    if (!isOurs(bytes)) break;
  }
  return address;
}

/** `192.0.2.1`, `2001:db8::1`, and the same with a port. */
function hopAddress(text: string): Uint8Array | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return parseIpAddress(bracketed[1]!);
  const withPort = /^([\d.]+):\d{1,5}$/.exec(text);
  return parseIpAddress(withPort === null ? text : withPort[1]!);
}

/** Of each element the `for`; empty where it has none, or more than one. */
function forwardedHops(value: string): string[] {
  return splitOutside(value, ",").map((element) => {
    const named = splitOutside(element, ";").map((pair) => /^\s*for\s*=(.*)$/is.exec(pair)?.[1])
      .filter((node) => node !== undefined);
    const node = named.length === 1 ? named[0]!.trim() : "";
    return node.startsWith('"') && node.endsWith('"') && node.length > 1
      ? node.slice(1, -1).replace(/\\(.)/g, "$1")
      : node;
  });
}

/**
 * Splits at `separator` outside of quoted strings (RFC 9110 §5.6.4). What our proxies write is
 * whole, so a quote that nobody closes is the client's, and must not swallow what stands to the
 * right of it.
 */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted;
    else if (text[at] === "\\" && isQuoted) at++;
    else if (text[at] === separator && !isQuoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return isQuoted ? text.split(separator) : parts;
}
