/**
 * DTLS 1.2 records and handshake headers, bytes to values and back (RFC 6347 §4.1, §4.2.2).
 *
 * Contract: readers are total; what does not parse is left out, and nothing is allocated by a
 * length the sender claims, only views on the bytes that came.
 *
 * @module
 */

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

export const RECORD_HEADER_BYTES = 13;
export const HANDSHAKE_HEADER_BYTES = 12;
/** Largest plaintext of one record (RFC 5246 §6.2.1). */
export const MAX_PLAINTEXT_BYTES = 16_384;
/** Explicit nonce and tag that AES-128-GCM adds to a record (RFC 5288 §3). */
const GCM_OVERHEAD_BYTES = 24;
/** Records read from one datagram; a flight of five messages needs no more than eight. */
const MAX_RECORDS = 32;

/** One record; `body` is a view on the datagram. */
export interface DtlsRecord {
  readonly type: number;
  readonly epoch: number;
  /** 48 bits. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

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
  const datagrams: number[][] = [];
  for (const record of records) {
    const last = datagrams.at(-1);
    if (last !== undefined && last.length + record.length <= MAX_FLIGHT_DATAGRAM_BYTES) {
      last.push(...record);
    } else datagrams.push([...record]);
  }
  return datagrams.map((bytes) => Uint8Array.from(bytes));
}

/** The whole records of a datagram, in order; stops at the first thing that is none. */
export function readRecords(datagram: Uint8Array): DtlsRecord[] {
  const records: DtlsRecord[] = [];
  let at = 0;
  while (at + RECORD_HEADER_BYTES <= datagram.length && records.length < MAX_RECORDS) {
    const length = read16(datagram, at + 11);
    const end = at + RECORD_HEADER_BYTES + length;
    // Major version 254 is every DTLS; the minor one is 255 in first hellos and 253 afterwards.
    if (datagram[at + 1] !== 254 || end > datagram.length) break;
    if (length > MAX_PLAINTEXT_BYTES + GCM_OVERHEAD_BYTES) break;
    records.push({
      type: datagram[at]!,
      epoch: read16(datagram, at + 3),
      sequence: read48(datagram, at + 5),
      body: datagram.subarray(at + RECORD_HEADER_BYTES, end),
    });
    at = end;
  }
  return records;
}

/** A record with a plain body; `sequence` up to 48 bits. */
export function writeRecord(
  type: number,
  epoch: number,
  sequence: number,
  body: Uint8Array,
): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + body.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, type);
  view.setUint16(1, 0xfefd);
  view.setUint16(3, epoch);
  view.setUint16(5, Math.floor(sequence / 0x1_0000_0000));
  view.setUint32(7, sequence >>> 0);
  view.setUint16(11, body.length);
  record.set(body, RECORD_HEADER_BYTES);
  return record;
}

/** The handshake fragments of a plain record body; `undefined` if it is not made of whole ones. */
export function readHandshakeFragments(body: Uint8Array): HandshakeFragment[] | undefined {
  const fragments: HandshakeFragment[] = [];
  let at = 0;
  while (at < body.length) {
    if (at + HANDSHAKE_HEADER_BYTES > body.length || fragments.length === MAX_RECORDS) {
      return undefined;
    }
    const length = read24(body, at + 1);
    const offset = read24(body, at + 6);
    const fragmentLength = read24(body, at + 9);
    const end = at + HANDSHAKE_HEADER_BYTES + fragmentLength;
    if (end > body.length || offset + fragmentLength > length) return undefined;
    fragments.push({
      type: body[at]!,
      length,
      messageSeq: read16(body, at + 4),
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

/** The cookie of a ClientHello, and the same hello without it (RFC 6347 §4.2.1). */
export function readClientHello(
  body: Uint8Array,
): { cookie: Uint8Array; withoutCookie: Uint8Array } | undefined {
  // client_version (2) and random (32) come before the session id.
  const sessionIdLength = body[34];
  if (sessionIdLength === undefined || sessionIdLength > 32) return undefined;
  const cookieAt = 35 + sessionIdLength;
  const cookieLength = body[cookieAt];
  if (cookieLength === undefined) return undefined;
  const end = cookieAt + 1 + cookieLength;
  if (end > body.length) return undefined;
  const withoutCookie = new Uint8Array(body.length - cookieLength);
  withoutCookie.set(body.subarray(0, cookieAt));
  withoutCookie.set(body.subarray(end), cookieAt + 1);
  return { cookie: body.subarray(cookieAt + 1, end), withoutCookie };
}

/**
 * Whether two byte strings are the same. For what is no secret: its time tells where they differ.
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function read24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

function read48(bytes: Uint8Array, at: number): number {
  return read24(bytes, at) * 0x100_0000 + read24(bytes, at + 3);
}
