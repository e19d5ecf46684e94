/**
 * Writes packet captures in the pcapng format (draft-ietf-opsawg-pcapng), as Wireshark and tcpdump
 * read it: each packet in IPv4 and UDP between two addresses for documentation (RFC 5737), with its
 * direction.
 *
 * @module
 */
import { joinBytes } from "../base/joined_bytes.ts";

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Packets begin with a header of IPv4. */
const LINKTYPE_IPV4 = 228;

const END_OF_OPTIONS = 0;
const COMMENT = 1;
const INTERFACE_NAME = 2;
const PACKET_FLAGS = 2;
const USER_APPLICATION = 4;
/** Of the flags: which way it went. */
const INBOUND = 1;
const OUTBOUND = 2;

const IPV4_BYTES = 20;
const UDP_BYTES = 8;
/** The longest UDP datagram of IPv4. */
const MAX_PAYLOAD_BYTES = 65_535 - IPV4_BYTES - UDP_BYTES;
const SERVER_ADDRESS = [192, 0, 2, 1] as const;
const CLIENT_ADDRESS = [198, 51, 100, 1] as const;

type Bytes = Uint8Array<ArrayBuffer>;

/** A datagram between server and client, of which the beginning is there. */
export interface PcapngDatagram {
  /** Index among the interfaces that were described. */
  readonly interfaceId: number;
  readonly isSent: boolean;
  /** Unix time, µs. */
  readonly timeUs: number;
  readonly serverPort: number;
  readonly clientPort: number;
  /** Bytes of its payload, of which `bytes` are the first. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** The beginning of a file: what wrote it, what is to be said of it, and its interfaces by name. */
export function pcapngHeader(
  application: string,
  comment: string,
  interfaces: readonly string[],
): Bytes {
  const head = new Uint8Array(16);
  const view = new DataView(head.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  // How long the section is nobody knows yet.
  view.setBigInt64(8, -1n, true);
  return joinBytes([
    block(SECTION_HEADER, [
      head,
      ...options([[COMMENT, textBytes(comment)], [USER_APPLICATION, textBytes(application)]]),
    ]),
    ...interfaces.map((name) => {
      const description = new Uint8Array(8);
      new DataView(description.buffer).setUint16(0, LINKTYPE_IPV4, true);
      return block(INTERFACE_DESCRIPTION, [
        description,
        ...options([[INTERFACE_NAME, textBytes(name)]]),
      ]);
    }),
  ]);
}

/** One datagram as a block of the file. @throws {RangeError} if none can be so long. */
export function pcapngDatagram(datagram: PcapngDatagram): Bytes {
  const { interfaceId, isSent, timeUs, length, bytes } = datagram;
  if (length > MAX_PAYLOAD_BYTES || bytes.length > length) throw new RangeError("no UDP datagram");
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  view.setUint32(0, interfaceId, true);
  view.setUint32(4, Math.floor(timeUs / 2 ** 32), true);
  view.setUint32(8, timeUs % 2 ** 32, true);
  view.setUint32(12, IPV4_BYTES + UDP_BYTES + bytes.length, true);
  view.setUint32(16, IPV4_BYTES + UDP_BYTES + length, true);
  const flags = new Uint8Array(4);
  new DataView(flags.buffer).setUint32(0, isSent ? OUTBOUND : INBOUND, true);
  const packet = padded(joinBytes([udpHeaders(datagram), bytes]));
  return block(ENHANCED_PACKET, [head, packet, ...options([[PACKET_FLAGS, flags]])]);
}

/** RFC 791 and 768; without a checksum of UDP, whose data is not all there. */
function udpHeaders({ isSent, serverPort, clientPort, length }: PcapngDatagram): Bytes {
  const bytes = new Uint8Array(IPV4_BYTES + UDP_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x45;
  view.setUint16(2, bytes.length + length);
  // It was not in fragments.
  view.setUint16(6, 0x4000);
  bytes[8] = 64;
  bytes[9] = 17;
  bytes.set(isSent ? SERVER_ADDRESS : CLIENT_ADDRESS, 12);
  bytes.set(isSent ? CLIENT_ADDRESS : SERVER_ADDRESS, 16);
  let sum = 0;
  for (let at = 0; at < IPV4_BYTES; at += 2) sum += view.getUint16(at);
  view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)));
  view.setUint16(20, isSent ? serverPort : clientPort);
  view.setUint16(22, isSent ? clientPort : serverPort);
  view.setUint16(24, UDP_BYTES + length);
  return bytes;
}

/** A block: its type, its length before and behind what is in it. */
function block(type: number, parts: readonly Uint8Array[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 12);
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  return joinBytes([head, ...parts, head.subarray(4)]);
}

function options(list: readonly (readonly [code: number, value: Uint8Array])[]): Uint8Array[] {
  return [...list, [END_OF_OPTIONS, new Uint8Array(0)] as const].flatMap(([code, value]) => {
    const head = new Uint8Array(4);
    const view = new DataView(head.buffer);
    view.setUint16(0, code, true);
    view.setUint16(2, value.length, true);
    return [head, padded(value)];
  });
}

/** Up to a whole number of 32 bits. */
function padded(bytes: Uint8Array): Uint8Array {
  const missing = -bytes.length & 3;
  return missing === 0 ? bytes : joinBytes([bytes, new Uint8Array(missing)]);
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
