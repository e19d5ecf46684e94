/**
 * Checks SCTP packets before an SCTP stack sees them (RFC 9260 §3).
 *
 * Contract: {@linkcode readSctpPacket} is total. What it accepts has a right checksum, whole chunks
 * and parameters of the lengths they claim, so a stack that trusts lengths can read it. Chunks the
 * stack does not know are taken out, as their type's upper bits allow (§3.2).
 *
 * @module
 */
import { crc32c } from "werift";

/** Chunk types the stack knows. */
export const CHUNK_TYPE = {
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

export const SCTP_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 4;
const CHECKSUM_AT = 8;
/** A packet of browsers has up to a few dozen small chunks. */
const MAX_CHUNKS = 256;
/**
 * Parameters an outgoing stream reset, a response, and an added-streams request must have (RFC 6525
 * §4).
 */
const RECONFIG_PARAMETER_BYTES: ReadonlyMap<number, number> = new Map([[13, 16], [16, 12], [
  17,
  12,
]]);

/** One chunk; `at` is where it starts in the packet. */
export interface SctpChunk {
  readonly type: number;
  readonly flags: number;
  readonly at: number;
  /** With header, without padding. */
  readonly length: number;
}

/** A checked packet. `bytes` is the packet, or a copy without the chunks that were taken out. */
export interface SctpPacket {
  readonly bytes: Uint8Array;
  readonly verificationTag: number;
  readonly chunks: readonly SctpChunk[];
}

/** The packet, or the reason why it is not taken. */
export function readSctpPacket(bytes: Uint8Array): SctpPacket | SctpRefusal {
  if (bytes.length < SCTP_HEADER_BYTES) return "sctp_too_short";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(CHECKSUM_AT, true) !== checksum(bytes)) return "sctp_bad_checksum";
  const chunks: SctpChunk[] = [];
  let unknown = false;
  let at = SCTP_HEADER_BYTES;
  while (at < bytes.length) {
    if (at + CHUNK_HEADER_BYTES > bytes.length || chunks.length === MAX_CHUNKS) {
      return "sctp_bad_chunk";
    }
    const length = view.getUint16(at + 2);
    const chunk = { type: bytes[at]!, flags: bytes[at + 1]!, at, length };
    if (length < CHUNK_HEADER_BYTES || at + length > bytes.length) return "sctp_bad_chunk";
    const known = checkChunk(view, chunk);
    if (known === false) return "sctp_bad_chunk";
    if (known) chunks.push(chunk);
    else {
      unknown = true;
      if ((chunk.type & 0x80) === 0) break; // stop reading here (§3.2)
    }
    at += (length + 3) & ~3;
  }
  if (chunks.length === 0) return "sctp_no_chunk";
  const verificationTag = view.getUint32(4);
  if (!unknown) return { bytes, verificationTag, chunks };
  return { ...withOnly(bytes, chunks), verificationTag };
}

/** Why a packet is not taken; a name for the drop counters. */
export type SctpRefusal =
  | "sctp_too_short"
  | "sctp_bad_checksum"
  | "sctp_bad_chunk"
  | "sctp_no_chunk";

/** CRC32c over the packet with a zero checksum field (RFC 9260 §6.8). */
export function checksum(bytes: Uint8Array): number {
  const copy = Uint8Array.from(bytes);
  copy.fill(0, CHECKSUM_AT, CHECKSUM_AT + 4);
  return crc32c(copy) >>> 0;
}

/** `true` for a sound chunk, `false` for a broken one, `undefined` for one of unknown type. */
function checkChunk(view: DataView, { type, at, length }: SctpChunk): boolean | undefined {
  switch (type) {
    case CHUNK_TYPE.data:
      return length > 16; // a chunk without user data is an error (§6.2)
    case CHUNK_TYPE.init:
    case CHUNK_TYPE.initAck:
      return length >= 20 && checkParameters(view, at + 20, at + length);
    case CHUNK_TYPE.sack: {
      if (length < 16) return false;
      const blocks = view.getUint16(at + 12) + view.getUint16(at + 14);
      return length >= 16 + 4 * blocks;
    }
    case CHUNK_TYPE.heartbeat:
    case CHUNK_TYPE.heartbeatAck:
    case CHUNK_TYPE.abort:
    case CHUNK_TYPE.error:
      return checkParameters(view, at + CHUNK_HEADER_BYTES, at + length);
    case CHUNK_TYPE.reconfig:
      return checkParameters(view, at + CHUNK_HEADER_BYTES, at + length, RECONFIG_PARAMETER_BYTES);
    case CHUNK_TYPE.shutdown:
      return length === 8;
    case CHUNK_TYPE.forwardTsn:
      return length >= 8 && length % 4 === 0;
    case CHUNK_TYPE.cookieEcho:
    case CHUNK_TYPE.cookieAck:
    case CHUNK_TYPE.shutdownAck:
    case CHUNK_TYPE.shutdownComplete:
      return true;
    default:
      return undefined;
  }
}

/** Whether `from..to` is a list of whole parameters (§3.2.1), with at least the named lengths. */
function checkParameters(
  view: DataView,
  from: number,
  to: number,
  minimum?: ReadonlyMap<number, number>,
): boolean {
  let at = from;
  while (at + CHUNK_HEADER_BYTES <= to) {
    const length = view.getUint16(at + 2);
    if (length < CHUNK_HEADER_BYTES || at + length > to) return false;
    if (minimum !== undefined) {
      // The list of streams is made of 16-bit numbers.
      if (length < (minimum.get(view.getUint16(at)) ?? 0) || length % 2 !== 0) return false;
    }
    at += (length + 3) & ~3;
  }
  return true;
}

function withOnly(
  bytes: Uint8Array,
  chunks: readonly SctpChunk[],
): Omit<SctpPacket, "verificationTag"> {
  const padded = (chunk: SctpChunk) => (chunk.length + 3) & ~3;
  const size = chunks.reduce((sum, chunk) => sum + padded(chunk), SCTP_HEADER_BYTES);
  const copy = new Uint8Array(size);
  copy.set(bytes.subarray(0, SCTP_HEADER_BYTES));
  const moved: SctpChunk[] = [];
  let at = SCTP_HEADER_BYTES;
  for (const chunk of chunks) {
    copy.set(bytes.subarray(chunk.at, chunk.at + chunk.length), at);
    moved.push({ ...chunk, at });
    at += padded(chunk);
  }
  new DataView(copy.buffer).setUint32(CHECKSUM_AT, checksum(copy), true);
  return { bytes: copy, chunks: moved };
}
