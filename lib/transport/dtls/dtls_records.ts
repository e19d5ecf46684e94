/**
 * DTLS 1.2 records and handshake headers, bytes to values and back (RFC 6347 §4.1, §4.2.2).
 *
 * Contract: readers are total; what does not parse is left out, and nothing is allocated by a
 * length the sender claims, only views on the bytes that came.
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";
import { readUint16, readUint24 } from "../../wire/big_endian.ts";
import { RECORD_HEADER_BYTES, RECORD_OVERHEAD_BYTES } from "../crypto/record_cipher.ts";

/** Content types of RFC 5246 §6.2.1. */
export const CONTENT_TYPE = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

/** Handshake types that DTLS 1.2 needs (RFC 5246 §7.4, RFC 6347 §4.3.2). */
export const HANDSHAKE_TYPE = {
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** Alerts we send or act on (RFC 5246 §7.2). */
export const ALERT = { closeNotify: 0, handshakeFailure: 40, badCertificate: 42 } as const;
export const ALERT_LEVEL = { warning: 1, fatal: 2 } as const;

export { RECORD_HEADER_BYTES };
export const HANDSHAKE_HEADER_BYTES = 12;
/** Largest plaintext of one record (RFC 5246 §6.2.1). */
export const MAX_PLAINTEXT_BYTES = 16_384;
/** Sequence numbers have 48 bits (RFC 6347 §4.1). */
export const SEQUENCE_LIMIT = 2 ** 48;
/** Fragments read from one record; a flight of five messages needs no more than eight. */
const MAX_FRAGMENTS = 32;
const VERSION_HIGH = 0xfe;
/** Of DTLS 1.2. */
const VERSION_LOW = 0xfd;

/** One fragment of a handshake message; `bytes` is a view. */
export interface HandshakeFragment {
  readonly type: number;
  /** Length of the whole message, as claimed. */
  readonly length: number;
  readonly messageSeq: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Flights are packed into datagrams that pass any path (IPv6 minimum 1,280, less headers). */
const MAX_FLIGHT_DATAGRAM_BYTES = 1200;

/** Joins whole records into as few datagrams of at most 1,200 bytes as fit. */
export function packDatagrams(records: readonly Uint8Array[]): Uint8Array[] {
  const datagrams: Uint8Array[][] = [];
  let length = Infinity;
  for (const record of records) {
    length += record.length;
    if (length <= MAX_FLIGHT_DATAGRAM_BYTES) datagrams.at(-1)!.push(record);
    else {
      datagrams.push([record]);
      length = record.length;
    }
  }
  return datagrams.map(joinBytes);
}

/**
 * Where the whole record that begins at `at` ends within `bytes[0, length)`; -1 if there is none.
 */
export function recordEnd(bytes: Uint8Array, at: number, length: number): number {
  // Major version 254 is every DTLS; the minor one is 255 in first hellos and 253 afterwards.
  if (at + RECORD_HEADER_BYTES > length || bytes[at + 1] !== VERSION_HIGH) return -1;
  const bodyLength = readUint16(bytes, at + 11);
  const end = at + RECORD_HEADER_BYTES + bodyLength;
  return end > length || bodyLength > MAX_PLAINTEXT_BYTES + RECORD_OVERHEAD_BYTES ? -1 : end;
}

/** The epoch of the record at `at`. */
export function recordEpoch(bytes: Uint8Array, at: number): number {
  return readUint16(bytes, at + 3);
}

/** The sequence number, 48 bits, of the record at `at`. */
export function recordSequence(bytes: Uint8Array, at: number): number {
  return readUint24(bytes, at + 5) * 0x100_0000 + readUint24(bytes, at + 8);
}

/** Writes the header of a record that begins at index 0; `sequence` up to 48 bits. */
export function writeRecordHeader(
  bytes: Uint8Array,
  type: number,
  epoch: number,
  sequence: number,
  bodyLength: number,
): void {
  const high = Math.floor(sequence / 0x100_0000);
  bytes[0] = type;
  bytes[1] = VERSION_HIGH;
  bytes[2] = VERSION_LOW;
  bytes[3] = epoch >> 8;
  bytes[4] = epoch;
  bytes[5] = high >> 16;
  bytes[6] = high >> 8;
  bytes[7] = high;
  bytes[8] = sequence >> 16;
  bytes[9] = sequence >> 8;
  bytes[10] = sequence;
  bytes[11] = bodyLength >> 8;
  bytes[12] = bodyLength;
}

/** A record with a plain body; `sequence` up to 48 bits. */
export function writeRecord(
  type: number,
  epoch: number,
  sequence: number,
  body: Uint8Array,
): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + body.length);
  writeRecordHeader(record, type, epoch, sequence, body.length);
  record.set(body, RECORD_HEADER_BYTES);
  return record;
}

/** The handshake fragments of a plain record body; `undefined` if it is not made of whole ones. */
export function readHandshakeFragments(body: Uint8Array): HandshakeFragment[] | undefined {
  const fragments: HandshakeFragment[] = [];
  let at = 0;
  while (at < body.length) {
    if (at + HANDSHAKE_HEADER_BYTES > body.length || fragments.length === MAX_FRAGMENTS) {
      return undefined;
    }
    const length = readUint24(body, at + 1);
    const offset = readUint24(body, at + 6);
    const fragmentLength = readUint24(body, at + 9);
    const end = at + HANDSHAKE_HEADER_BYTES + fragmentLength;
    if (end > body.length || offset + fragmentLength > length) return undefined;
    fragments.push({
      type: body[at]!,
      length,
      messageSeq: readUint16(body, at + 4),
      offset,
      bytes: body.subarray(at + HANDSHAKE_HEADER_BYTES, end),
    });
    at = end;
  }
  return fragments;
}

/** A whole handshake message in one fragment. */
export function writeHandshake(type: number, messageSeq: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(HANDSHAKE_HEADER_BYTES + body.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, (type << 24) | body.length);
  view.setUint16(4, messageSeq);
  view.setUint32(8, body.length);
  message.set(body, HANDSHAKE_HEADER_BYTES);
  return message;
}

/**
 * Whether two byte strings are the same. For what is no secret: its time tells where they differ.
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
