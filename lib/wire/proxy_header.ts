/**
 * What a proxy says before the first byte of a connection that it passes on: whom it is from (PROXY
 * protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it).
 *
 * Total on hostile input, and bounded: whoever reads keeps {@linkcode MAX_PROXY_HEADER_BYTES}.
 *
 * @module
 */
import { readUint16 } from "./big_endian.ts";
import { formatIpAddress, parseIpAddress } from "./ip_address.ts";

/** A longer header is none: addresses take 52 bytes, and what may follow them is nothing to us. */
export const MAX_PROXY_HEADER_BYTES = 2_048;

/** A whole header. */
export interface ProxyHeader {
  /** Bytes that it takes; what is spoken begins behind it. */
  readonly length: number;
  /** Who connected to the proxy; absent where it speaks for itself or does not know. */
  readonly source?: { readonly hostname: string; readonly port: number };
}

const VERSION_1 = "PROXY ";
/** `\r\n\r\n\0\r\nQUIT\n`. */
const VERSION_2 = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** With the line's end. */
const MAX_LINE_BYTES = 107;
const FIXED_BYTES = 16;
/**
 * Where the address of each family that we know ends, and the source's port stands, behind those.
 */
const FAMILIES: Readonly<Record<number, { readonly address: number; readonly bytes: number }>> = {
  0x11: { address: 4, bytes: 12 },
  0x21: { address: 16, bytes: 36 },
};

/**
 * Reads the first bytes of a connection.
 *
 * @param length Of `bytes` that have come.
 * @returns `incomplete` while more has to come, `malformed` for what begins no header.
 */
export function parseProxyHeader(
  bytes: Uint8Array,
  length: number,
): ProxyHeader | "incomplete" | "malformed" {
  if (length === 0) return "incomplete";
  return bytes[0] === VERSION_2[0] ? parseBinary(bytes, length) : parseLine(bytes, length);
}

function parseLine(bytes: Uint8Array, length: number): ReturnType<typeof parseProxyHeader> {
  const seen = Math.min(length, MAX_LINE_BYTES);
  for (let at = 0; at < seen; at++) {
    const byte = bytes[at]!;
    if (at < VERSION_1.length && byte !== VERSION_1.charCodeAt(at)) return "malformed";
    if (byte !== 0x0d) continue;
    if (at + 1 === seen) break;
    if (bytes[at + 1] !== 0x0a) return "malformed";
    return readLine(String.fromCharCode(...bytes.subarray(VERSION_1.length, at)), at + 2);
  }
  return length < MAX_LINE_BYTES ? "incomplete" : "malformed";
}

function readLine(text: string, length: number): ProxyHeader | "malformed" {
  const [family, source = "", destination = "", ...ports] = text.split(" ");
  if (family === "UNKNOWN") return { length };
  const isFamily = (address: string) =>
    family === (address.includes(":") ? "TCP6" : "TCP4") && !address.includes("%");
  const from = parseIpAddress(source);
  if (from === undefined || parseIpAddress(destination) === undefined) return "malformed";
  if (!isFamily(source) || !isFamily(destination)) return "malformed";
  if (ports.length !== 2 || !ports.every(isPort)) return "malformed";
  return { length, source: { hostname: formatIpAddress(from), port: Number(ports[0]) } };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff;
}

function parseBinary(bytes: Uint8Array, length: number): ReturnType<typeof parseProxyHeader> {
  for (let at = 0; at < Math.min(length, VERSION_2.length); at++) {
    if (bytes[at] !== VERSION_2[at]) return "malformed";
  }
  if (length < FIXED_BYTES) return "incomplete";
  const [versionAndCommand = 0, familyAndProtocol = 0] = bytes.subarray(VERSION_2.length);
  const size = readUint16(bytes, VERSION_2.length + 2);
  const total = FIXED_BYTES + size;
  if (versionAndCommand >> 4 !== 2 || (versionAndCommand & 15) > 1) return "malformed";
  if (total > MAX_PROXY_HEADER_BYTES) return "malformed";
  const family = FAMILIES[familyAndProtocol];
  const isLocal = (versionAndCommand & 15) === 0;
  if (!isLocal && family !== undefined && size < family.bytes) return "malformed";
  if (length < total) return "incomplete";
  if (isLocal || family === undefined) return { length: total };
  const end = FIXED_BYTES + family.address;
  // As text and back: an IPv4 address in an IPv6 one is an IPv4 address.
  const address = parseIpAddress(formatIpAddress(bytes.subarray(FIXED_BYTES, end)))!;
  const port = readUint16(bytes, end + family.address);
  return { length: total, source: { hostname: formatIpAddress(address), port } };
}
