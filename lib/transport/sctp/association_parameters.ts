/**
 * What the two sides of an association tell each other in INIT and INIT ACK (RFC 9260 §3.3.2).
 *
 * @module
 */
import {
  CHUNK,
  CHUNK_HEADER_BYTES,
  copyOf,
  INIT_BYTES,
  MAX_PACKET_BYTES,
  type PacketWriter,
  padded,
} from "./sctp_packet.ts";
import { MAX_STREAMS, RECEIVE_WINDOW_BYTES } from "./inbound.ts";

const PARAMETER = {
  cookie: 7,
  zeroChecksum: 0x8001,
  extensions: 0x8008,
  forwardTsn: 0xc000,
} as const;
/** Packets of DTLS are protected by it (RFC 9653 §4). */
const PROTECTED_BY_DTLS = 1;
/** A longer cookie could not be sent back in one packet. */
const MAX_COOKIE_BYTES = MAX_PACKET_BYTES - 200;

/** What one side says of itself. */
export interface AssociationParameters {
  /** Signed, as all numbers that are only compared. */
  readonly tag: number;
  readonly initialTsn: number;
  readonly window: number;
  /** It understands FORWARD-TSN (RFC 3758). */
  readonly canForward: boolean;
  /** It takes a zero in place of the checksum (RFC 9653). */
  readonly zeroChecksum: boolean;
}

/** Reads a sound INIT or INIT ACK of `size` bytes at `at`; `undefined` if it cannot be. */
export function readParameters(
  view: DataView,
  at: number,
  size: number,
): AssociationParameters | undefined {
  let canForward = false;
  let zeroChecksum = false;
  for (let from = at + INIT_BYTES; from + CHUNK_HEADER_BYTES <= at + size;) {
    const length = view.getUint16(from + 2);
    switch (view.getUint16(from)) {
      case PARAMETER.forwardTsn:
        canForward = true;
        break;
      case PARAMETER.zeroChecksum:
        zeroChecksum = length === 8 && view.getUint32(from + 4) === PROTECTED_BY_DTLS;
        break;
      case PARAMETER.extensions:
        for (let i = from + CHUNK_HEADER_BYTES; i < from + length; i++) {
          if (view.getUint8(i) === CHUNK.forwardTsn) canForward = true;
        }
    }
    from += padded(length);
  }
  const tag = view.getInt32(at + 4);
  const hasStreams = view.getUint16(at + 12) > 0 && view.getUint16(at + 14) > 0;
  if (tag === 0 || !hasStreams) return undefined;
  return {
    tag,
    window: view.getUint32(at + 8),
    initialTsn: view.getInt32(at + 16),
    canForward,
    zeroChecksum,
  };
}

/** The cookie in a sound INIT ACK, a copy; `undefined` if there is none that can be sent back. */
export function readCookie(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  size: number,
): Uint8Array | undefined {
  for (let from = at + INIT_BYTES; from + CHUNK_HEADER_BYTES <= at + size;) {
    const length = view.getUint16(from + 2);
    if (view.getUint16(from) === PARAMETER.cookie) {
      if (length > MAX_COOKIE_BYTES) return undefined;
      return copyOf(bytes, from + CHUNK_HEADER_BYTES, from + length);
    }
    from += padded(length);
  }
  return undefined;
}

/**
 * Writes an INIT, or with a cookie an INIT ACK.
 *
 * @param zeroChecksum Whether to say that we do without checksums: older stacks refuse what they do
 *   not know, so an answer says it only to who said it.
 */
export function writeParameters(
  writer: PacketWriter,
  tag: number,
  initialTsn: number,
  zeroChecksum: boolean,
  cookie?: Uint8Array,
): void {
  const cookieBytes = cookie === undefined ? 0 : CHUNK_HEADER_BYTES + padded(cookie.length);
  const size = INIT_BYTES + 4 + 8 + (zeroChecksum ? 8 : 0) + cookieBytes;
  const type = cookie === undefined ? CHUNK.init : CHUNK.initAck;
  const at = writer.chunk(type, 0, size);
  const { view, bytes } = writer;
  view.setInt32(at + 4, tag);
  view.setUint32(at + 8, RECEIVE_WINDOW_BYTES);
  view.setUint16(at + 12, MAX_STREAMS);
  view.setUint16(at + 14, MAX_STREAMS);
  view.setInt32(at + 16, initialTsn);
  let next = at + INIT_BYTES;
  const parameter = (type: number, length: number) => {
    view.setUint16(next, type);
    view.setUint16(next + 2, length);
    next += padded(length);
    return next - padded(length) + CHUNK_HEADER_BYTES;
  };
  parameter(PARAMETER.forwardTsn, 4);
  const extensions = parameter(PARAMETER.extensions, 6);
  view.setUint8(extensions, CHUNK.reconfig);
  view.setUint8(extensions + 1, CHUNK.forwardTsn);
  view.setUint16(extensions + 2, 0);
  if (zeroChecksum) view.setUint32(parameter(PARAMETER.zeroChecksum, 8), PROTECTED_BY_DTLS);
  if (cookie === undefined) return;
  bytes.set(cookie, parameter(PARAMETER.cookie, CHUNK_HEADER_BYTES + cookie.length));
}
