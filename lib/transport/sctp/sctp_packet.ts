/**
 * SCTP packets (RFC 9260 §3): what one is made of, which ones are sound, and the writer of ours.
 *
 * Contract: {@linkcode packetRefusal} is total. In a packet that it does not refuse, the checksum
 * is right, or zero where that was agreed on, chunks are whole, and those that we know, and their
 * parameters, have at least the lengths their types ask for: a reader may trust lengths.
 *
 * @module
 */
import { packetChecksum } from "./crc32c.ts";

/** Chunk types we know. */
export const CHUNK = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  reconfig: 130,
  forwardTsn: 192,
} as const;

/** Parameters of RE-CONFIG (RFC 6525 §4): requests and the response to them. */
export const RECONFIG = {
  outgoingReset: 13,
  incomingReset: 14,
  associationReset: 15,
  response: 16,
  addOutgoing: 17,
  addIncoming: 18,
} as const;

export const PACKET_HEADER_BYTES = 12;
export const CHUNK_HEADER_BYTES = 4;
/** DATA with its header (§3.3.1). */
export const DATA_HEADER_BYTES = 16;
/** INIT and INIT ACK without parameters (§3.3.2). */
export const INIT_BYTES = 20;
/**
 * The longest packet of ours: with a DTLS record (37 bytes) and UDP's header it stays under 1,200
 * bytes, which every path carries.
 */
export const MAX_PACKET_BYTES = 1152;
/** Payload of the longest chunk that fits into a packet of its own. */
export const MAX_FRAGMENT_BYTES = MAX_PACKET_BYTES - PACKET_HEADER_BYTES - DATA_HEADER_BYTES;
/** `a=sctp-port` of ours. */
const LOCAL_SCTP_PORT = 5000;

/** Flags of DATA. */
export const DATA_FLAG = { last: 1, first: 2, unordered: 4, immediate: 8 } as const;

const CHECKSUM_AT = 8;
/** A packet of browsers has up to a few dozen small chunks. */
const MAX_CHUNKS = 256;
/** Chunks of unknown types with this bit are passed over; others end the packet (§3.2). */
const SKIP_UNKNOWN = 0x80;

/** Why a packet is not taken; a name for the drop counters. */
export type PacketRefusal =
  | "sctp_too_short"
  | "sctp_bad_checksum"
  | "sctp_bad_chunk"
  | "sctp_no_chunk";

/**
 * Why the packet in `view[0, length)` must not be read, if there is a reason.
 *
 * @param bytes The same bytes as `view`.
 * @param zeroChecksum Whether a zero stands for the checksum (RFC 9653).
 */
export function packetRefusal(
  bytes: Uint8Array,
  view: DataView,
  length: number,
  zeroChecksum: boolean,
): PacketRefusal | undefined {
  if (length < PACKET_HEADER_BYTES) return "sctp_too_short";
  const checksum = view.getUint32(CHECKSUM_AT, true);
  if ((checksum !== 0 || !zeroChecksum) && checksum !== packetChecksum(bytes, length)) {
    return "sctp_bad_checksum";
  }
  let known = 0;
  let seen = 0;
  for (let at = PACKET_HEADER_BYTES; at < length;) {
    if (at + CHUNK_HEADER_BYTES > length || seen++ === MAX_CHUNKS) return "sctp_bad_chunk";
    const type = view.getUint8(at);
    const size = view.getUint16(at + 2);
    if (size < CHUNK_HEADER_BYTES || at + size > length) return "sctp_bad_chunk";
    if (isKnown(type)) {
      if (!isSound(view, type, at, size)) return "sctp_bad_chunk";
      known++;
    } else if ((type & SKIP_UNKNOWN) === 0) break;
    at += padded(size);
  }
  return known === 0 ? "sctp_no_chunk" : undefined;
}

/** Where the chunk behind the one at `at` begins; `length` if the packet ends there. */
export function nextChunk(view: DataView, at: number, length: number): number {
  const type = view.getUint8(at);
  if (!isKnown(type) && (type & SKIP_UNKNOWN) === 0) return length;
  return at + padded(view.getUint16(at + 2));
}

/** A length with the padding behind it. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}

/** A copy of `bytes[from, to)`: `slice` of a Node buffer would be no copy. */
export function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const copy = new Uint8Array(to - from);
  if (to - from > 32) copy.set(bytes.subarray(from, to));
  else for (let i = from; i < to; i++) copy[i - from] = bytes[i]!;
  return copy;
}

/** How far `tsn` is behind `reference` in 32-bit serial arithmetic; negative before it. */
export function tsnDistance(tsn: number, reference: number): number {
  return (tsn - reference) | 0;
}

function isKnown(type: number): boolean {
  return type <= CHUNK.cookieAck || type === CHUNK.shutdownComplete || type === CHUNK.reconfig ||
    type === CHUNK.forwardTsn;
}

function isSound(view: DataView, type: number, at: number, size: number): boolean {
  switch (type) {
    case CHUNK.data:
      return size > DATA_HEADER_BYTES; // a chunk without user data is an error (§6.2)
    case CHUNK.init:
    case CHUNK.initAck:
      return size >= INIT_BYTES && areParameters(view, at + INIT_BYTES, at + size);
    case CHUNK.sack:
      return size >= 16 && size >= 16 + 4 * (view.getUint16(at + 12) + view.getUint16(at + 14));
    case CHUNK.heartbeat:
    case CHUNK.heartbeatAck:
    case CHUNK.abort:
    case CHUNK.error:
    case CHUNK.reconfig:
      return areParameters(view, at + CHUNK_HEADER_BYTES, at + size, type === CHUNK.reconfig);
    case CHUNK.shutdown:
      return size === 8;
    case CHUNK.forwardTsn:
      return size >= 8 && size % 4 === 0;
    default:
      return true;
  }
}

/** Whether `from..to` is a list of whole parameters (§3.2.1), or those of a RE-CONFIG. */
function areParameters(view: DataView, from: number, to: number, reconfig = false): boolean {
  for (let at = from; at + CHUNK_HEADER_BYTES <= to;) {
    const size = view.getUint16(at + 2);
    if (size < CHUNK_HEADER_BYTES || at + size > to) return false;
    if (reconfig && size < minimumReconfigBytes(view.getUint16(at))) return false;
    at += padded(size);
  }
  return true;
}

/** What a parameter of RE-CONFIG has at least. */
function minimumReconfigBytes(parameter: number): number {
  switch (parameter) {
    case RECONFIG.outgoingReset:
      return 16;
    case RECONFIG.incomingReset:
    case RECONFIG.associationReset:
      return 8;
    case RECONFIG.response:
    case RECONFIG.addOutgoing:
    case RECONFIG.addIncoming:
      return 12;
    default:
      return CHUNK_HEADER_BYTES;
  }
}

const NO_BYTES = new Uint8Array(0);
/** Of no bytes, in place of one of a buffer that is not there yet. */
export const NO_VIEW: DataView = new DataView(NO_BYTES.buffer);

/** Writes one packet into a buffer of its caller's. */
export class PacketWriter {
  bytes: Uint8Array = NO_BYTES;
  view: DataView = NO_VIEW;
  /** Bytes written. */
  length = 0;

  /** Begins a packet in `out`, which has room for {@linkcode MAX_PACKET_BYTES}. */
  begin(out: Uint8Array, remotePort: number, verificationTag: number): void {
    if (this.bytes !== out) {
      this.bytes = out;
      this.view = new DataView(out.buffer, out.byteOffset, out.length);
    }
    this.view.setUint16(0, LOCAL_SCTP_PORT);
    this.view.setUint16(2, remotePort);
    this.view.setInt32(4, verificationTag);
    this.view.setUint32(CHECKSUM_AT, 0);
    this.length = PACKET_HEADER_BYTES;
  }

  get isEmpty(): boolean {
    return this.length === PACKET_HEADER_BYTES;
  }

  /** Bytes that still fit. */
  get room(): number {
    return MAX_PACKET_BYTES - this.length;
  }

  /** Begins a chunk of `size` bytes, header included. Returns where it is. */
  chunk(type: number, flags: number, size: number): number {
    const at = this.length;
    this.view.setUint8(at, type);
    this.view.setUint8(at + 1, flags);
    this.view.setUint16(at + 2, size);
    this.length = at + padded(size);
    for (let i = at + size; i < this.length; i++) this.bytes[i] = 0;
    return at;
  }

  /** Writes the checksum, unless the peer does without. Returns the packet's length. */
  end(zeroChecksum: boolean): number {
    if (!zeroChecksum) {
      this.view.setUint32(CHECKSUM_AT, packetChecksum(this.bytes, this.length), true);
    }
    return this.length;
  }
}
