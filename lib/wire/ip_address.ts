/**
 * Literal IP addresses as bytes, the way STUN carries them.
 *
 * Names are never resolved: whatever is not a literal address gives `undefined`.
 *
 * @module
 */
import { readUint16 } from "./big_endian.ts";

/**
 * Parses a literal address into 4 (IPv4) or 16 (IPv6, RFC 4291 §2.2) bytes in network order.
 *
 * An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) gives its 4 IPv4 bytes: a dual-stack socket
 * reports IPv4 peers in that form, while the peer knows itself by the plain one. A zone (`%eth0`)
 * is ignored.
 */
export function parseIpAddress(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length > 15) return undefined;
  const bytes = new Uint8Array(4);
  let index = 0;
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e) {
      if (value < 0 || index > 3) return undefined;
      bytes[index++] = value;
      value = -1;
    } else {
      if (code < 0x30 || code > 0x39) return undefined;
      value = (value < 0 ? 0 : value * 10) + code - 0x30;
      if (value > 255) return undefined;
    }
  }
  return index === 4 ? bytes : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const zone = text.indexOf("%");
  const literal = zone < 0 ? text : text.slice(0, zone);
  if (literal.length > 45) return undefined;
  const halves = literal.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const given = head.length + tail.length;
  if (halves.length === 2 ? given > 14 : given !== 16) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** The bytes of colon-separated groups; the last of an address may be dotted IPv4. */
function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i]!;
    if (mayEndDotted && i === groups.length - 1 && group.includes(".")) {
      const dotted = parseIpv4(group);
      if (dotted === undefined) return undefined;
      bytes.push(...dotted);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes.length <= 16 ? bytes : undefined;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/**
 * The literal address of 4 or 16 bytes (RFC 5952 §4); an IPv4-mapped one as the runtime's own
 * sockets show it.
 */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, i) => readUint16(bytes, 2 * i).toString(16));
  let longest = 0;
  let start = -1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === "0") end++;
    if (end - i > Math.max(longest, 1)) [start, longest] = [i, end - i];
    i = Math.max(i, end - 1);
  }
  if (start < 0) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + longest).join(":")}`;
}

/**
 * What one customer of a network usually has: an IPv4 address, or the /64 of an IPv6 address. Equal
 * texts are equal blocks; `undefined` if `text` is no literal address.
 */
export function addressBlock(text: string): string | undefined {
  return parseIpAddress(text)?.subarray(0, 8).join(".");
}

/** As {@linkcode addressBlock}; what is no literal address is a block of its own. */
export function peerBlock(hostname: string): string {
  return addressBlock(hostname) ?? hostname;
}

/**
 * Whether an address is of the public internet: not of this machine, a private network or a link.
 */
export function isPublicAddress(text: string): boolean {
  const bytes = parseIpAddress(text);
  if (bytes === undefined) return false;
  const [a = 0, b = 0] = bytes;
  if (bytes.length === 4) {
    const isPrivate = a === 10 || a === 172 && (b & 0xf0) === 16 || a === 192 && b === 168;
    const isShared = a === 100 && (b & 0xc0) === 64; // carriers' and overlays' networks
    return a !== 0 && a !== 127 && !isPrivate && !isShared && !(a === 169 && b === 254);
  }
  const isUniqueLocal = (a & 0xfe) === 0xfc;
  const isLinkLocal = a === 0xfe && (b & 0xc0) === 0x80;
  const isUnspecified = bytes.subarray(0, 15).every((byte) => byte === 0); // and loopback
  return !isUniqueLocal && !isLinkLocal && !isUnspecified;
}
