/**
 * STUN binding messages as ICE uses them (RFC 8489, RFC 8445 §7): reading what comes, and writing
 * the answers and requests of a controlled agent.
 *
 * Reading is total: bytes that are no well-formed STUN message give `undefined`. Nothing here
 * proves who sent a message; {@linkcode verifyIntegrity} does, given the password as a
 * {@linkcode StunMac}. Writers fill a buffer of the caller's and return the length, at most
 * {@linkcode MAX_ANSWER_BYTES}.
 *
 * @module
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from "./big_endian.ts";

/**
 * HMAC-SHA1 over `bytes[0..length)` with the short-term password already bound as its key (RFC 8489
 * §14.5): 20 bytes, which need to stay valid only until the next call. A function, because this
 * folder holds no cryptography; binding the key lets its owner prepare it once.
 */
export type StunMac = (bytes: Uint8Array, length: number) => Uint8Array;

/** `messageType` values: method Binding with each class (RFC 8489 §5). */
export const BINDING_REQUEST = 0x0001;
export const BINDING_INDICATION = 0x0011;
export const BINDING_SUCCESS = 0x0101;
export const BINDING_ERROR = 0x0111;

/** Room every writer needs: the largest is an error response with eight unknown attributes. */
export const MAX_ANSWER_BYTES = 128;

/**
 * Room for a request whose USERNAME has {@linkcode MAX_REQUEST_NAME} characters, the most there may
 * be.
 */
export const MAX_REQUEST_BYTES = 384;
/** Two ufrags of at most 256 characters need more than is ever seen; longer ones are not asked. */
export const MAX_REQUEST_NAME = 304;
export const TRANSACTION_BYTES = 12;

/** Type, length, cookie and transaction id. */
export const STUN_HEADER_BYTES = 20;
export const MAGIC_COOKIE = 0x2112a442;
const MAC_BYTES = 20;
const INTEGRITY_BYTES = 4 + MAC_BYTES;
const FINGERPRINT_BYTES = 8;
/** XORed onto the CRC, so that it differs from one of a protocol inside STUN (RFC 8489 §14.7). */
const FINGERPRINT_XOR = 0x5354554e;
/** RFC 8489 §14.3: shorter than 509 bytes, rounded up for padding. */
const MAX_USERNAME_BYTES = 512;
/** Unknown attributes named in a 420 answer; the rest add nothing. */
const MAX_UNKNOWN_NAMED = 8;

const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
const MESSAGE_INTEGRITY_SHA256 = 0x001c;
const XOR_MAPPED_ADDRESS = 0x0020;
const PRIORITY = 0x0024;
const USE_CANDIDATE = 0x0025;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLED = 0x8029;
const ICE_CONTROLLING = 0x802a;
/** Understood or harmless in a Binding message, so never reported as unknown. */
const KNOWN_REQUIRED: ReadonlySet<number> = new Set([
  0x0001, // MAPPED-ADDRESS
  USERNAME,
  MESSAGE_INTEGRITY,
  ERROR_CODE,
  UNKNOWN_ATTRIBUTES,
  0x0014, // REALM
  0x0015, // NONCE
  MESSAGE_INTEGRITY_SHA256,
  XOR_MAPPED_ADDRESS,
  PRIORITY,
  USE_CANDIDATE,
]);
const NO_ATTRIBUTES: readonly number[] = [];

/** A well-formed STUN message. Offsets index the bytes it was parsed from. */
export interface StunMessage {
  /** Class and method, for example {@linkcode BINDING_REQUEST}. */
  readonly messageType: number;
  /** First 32 bits of the transaction id: enough to tell a retransmission from a new request. */
  readonly transactionTag: number;
  /** `USERNAME`, one character per byte; in a request to us `local ufrag:remote ufrag`. */
  readonly username: string | undefined;
  /** `PRIORITY`, 0 if absent. */
  readonly priority: number;
  readonly useCandidate: boolean;
  /** Has `ICE-CONTROLLING`. */
  readonly controlling: boolean;
  /** Has `ICE-CONTROLLED`. */
  readonly controlled: boolean;
  /**
   * Where the `MESSAGE-INTEGRITY` attribute starts, or -1. What follows it is not authenticated.
   */
  readonly integrityOffset: number;
  /** Comprehension-required attributes not known here (RFC 8489 §6.3.1), at most eight. */
  readonly unknownRequired: readonly number[];
}

/**
 * Parses `bytes[0..length)` as one STUN message.
 *
 * Only the first attribute of a kind counts, and attributes after `MESSAGE-INTEGRITY` are not read
 * (RFC 8489 §14.5). `FINGERPRINT` may be absent, but a wrong one makes the message malformed.
 */
export function parseStun(bytes: Uint8Array, length: number): StunMessage | undefined {
  if (length < STUN_HEADER_BYTES || length > bytes.length || bytes[0]! > 3) return undefined;
  if ((length & 3) !== 0 || readUint16(bytes, 2) !== length - STUN_HEADER_BYTES) return undefined;
  if (readUint32(bytes, 4) !== MAGIC_COOKIE) return undefined;
  let username: string | undefined;
  let priority = -1;
  let useCandidate = false;
  let controlling = false;
  let controlled = false;
  let integrityOffset = -1;
  let unknown: number[] | undefined;
  for (let at = STUN_HEADER_BYTES; at < length;) {
    // The length is a multiple of four, so a header of four bytes always fits here.
    const type = readUint16(bytes, at);
    const size = readUint16(bytes, at + 2);
    const value = at + 4;
    if (size > length - value) return undefined;
    const next = value + ((size + 3) & ~3);
    if (type === FINGERPRINT) {
      if (size !== 4 || next !== length || !hasFingerprint(bytes, at)) return undefined;
    } else if (integrityOffset < 0) {
      if (type === MESSAGE_INTEGRITY) {
        if (size !== MAC_BYTES) return undefined;
        integrityOffset = at;
      } else if (type === USERNAME) {
        if (size > MAX_USERNAME_BYTES) return undefined;
        username ??= readText(bytes, value, size);
      } else if (type === PRIORITY) {
        if (size !== 4) return undefined;
        if (priority < 0) priority = readUint32(bytes, value);
      } else if (type === USE_CANDIDATE) useCandidate = true;
      else if (type === ICE_CONTROLLING) controlling = true;
      else if (type === ICE_CONTROLLED) controlled = true;
      else if (type < 0x8000 && !KNOWN_REQUIRED.has(type)) {
        unknown ??= [];
        if (unknown.length < MAX_UNKNOWN_NAMED) unknown.push(type);
      }
    }
    at = next;
  }
  return {
    messageType: readUint16(bytes, 0),
    transactionTag: readUint32(bytes, 8),
    username,
    priority: Math.max(priority, 0),
    useCandidate,
    controlling,
    controlled,
    integrityOffset,
    unknownRequired: unknown ?? NO_ATTRIBUTES,
  };
}

/**
 * Whether `MESSAGE-INTEGRITY` is present and right.
 *
 * The length field is patched during the call, as RFC 8489 §14.5 wants it covered up to and
 * including the attribute, and restored before it returns. How long it takes does not tell where a
 * wrong MAC differs; `timingSafeEqual` of `node:crypto` would make four objects for 20 bytes.
 */
export function verifyIntegrity(
  bytes: Uint8Array,
  message: Pick<StunMessage, "integrityOffset">,
  mac: StunMac,
): boolean {
  const at = message.integrityOffset;
  if (at < 0) return false;
  const high = bytes[2]!;
  const low = bytes[3]!;
  writeUint16(bytes, 2, at + INTEGRITY_BYTES - STUN_HEADER_BYTES);
  const expected = mac(bytes, at);
  bytes[2] = high;
  bytes[3] = low;
  let difference = 0;
  for (let i = 0; i < MAC_BYTES; i++) difference |= expected[i]! ^ bytes[at + 4 + i]!;
  return difference === 0;
}

/**
 * Writes a Binding success response with `XOR-MAPPED-ADDRESS`, `MESSAGE-INTEGRITY`, `FINGERPRINT`.
 *
 * @param out At least {@linkcode MAX_ANSWER_BYTES} long; must not be the request's own buffer.
 * @param request The bytes of the request, for its transaction id.
 * @param address 4 or 16 bytes, as `parseIpAddress` gives them.
 * @returns Bytes written: 64 for IPv4, 76 for IPv6.
 */
export function writeBindingSuccess(
  out: Uint8Array,
  request: Uint8Array,
  address: Uint8Array,
  port: number,
  mac: StunMac,
): number {
  writeHeader(out, BINDING_SUCCESS, request);
  const isV4 = address.length === 4;
  writeUint16(out, 20, XOR_MAPPED_ADDRESS);
  writeUint16(out, 22, isV4 ? 8 : 20);
  out[24] = 0;
  out[25] = isV4 ? 1 : 2;
  writeUint16(out, 26, port ^ (MAGIC_COOKIE >>> 16));
  // Cookie and transaction id stand next to each other in the header: that is the whole mask.
  for (let i = 0; i < address.length; i++) out[28 + i] = address[i]! ^ out[4 + i]!;
  return finish(out, 28 + address.length, mac);
}

/**
 * Codes an authenticated request can be refused with, and their reason phrases (RFC 8489 §14.8, RFC
 * 8445 §7.3.1.1).
 */
const REASONS = {
  400: "Bad Request",
  420: "Unknown Attribute",
  487: "Role Conflict",
} as const;

/** 400 malformed, 420 unknown attribute (RFC 8489 §14.8), 487 role conflict (RFC 8445 §7.3.1.1). */
export type StunErrorCode = keyof typeof REASONS;

/**
 * Writes a Binding error response with `ERROR-CODE`, for 420 also `UNKNOWN-ATTRIBUTES`, and then
 * `MESSAGE-INTEGRITY` and `FINGERPRINT`.
 *
 * @returns Bytes written, at most {@linkcode MAX_ANSWER_BYTES}.
 */
export function writeBindingError(
  out: Uint8Array,
  request: Uint8Array,
  code: StunErrorCode,
  unknownRequired: readonly number[],
  mac: StunMac,
): number {
  writeHeader(out, BINDING_ERROR, request);
  const reason = REASONS[code];
  writeUint16(out, 20, ERROR_CODE);
  writeUint16(out, 22, 4 + reason.length);
  writeUint16(out, 24, 0);
  out[26] = Math.trunc(code / 100);
  out[27] = code % 100;
  let at = 28;
  for (let i = 0; i < reason.length; i++) out[at++] = reason.charCodeAt(i);
  while ((at & 3) !== 0) out[at++] = 0;
  if (code === 420) {
    const named = Math.min(unknownRequired.length, MAX_UNKNOWN_NAMED);
    writeUint16(out, at, UNKNOWN_ATTRIBUTES);
    writeUint16(out, at + 2, 2 * named);
    at += 4;
    for (let i = 0; i < named; i++, at += 2) writeUint16(out, at, unknownRequired[i]!);
    while ((at & 3) !== 0) out[at++] = 0;
  }
  return finish(out, at, mac);
}

/** What a request of ours says. */
export interface BindingRequestFields {
  /** `TRANSACTION_BYTES`, drawn for this request. */
  readonly transaction: Uint8Array;
  /**
   * `remote ufrag:local ufrag`, as the one who is asked knows it; at most `MAX_REQUEST_NAME` long.
   */
  readonly username: string;
  readonly priority: number;
  /** 8 bytes, the same for all requests of an agent (RFC 8445 §7.1.3). */
  readonly tieBreaker: Uint8Array;
}

/**
 * Writes a connectivity check of a controlled agent (RFC 8445 §7.2.2).
 *
 * @param out At least {@linkcode MAX_REQUEST_BYTES} long.
 * @param mac Of the remote password.
 * @returns Bytes written.
 */
export function writeBindingRequest(
  out: Uint8Array,
  { transaction, username, priority, tieBreaker }: BindingRequestFields,
  mac: StunMac,
): number {
  writeUint16(out, 0, BINDING_REQUEST);
  writeUint16(out, 4, MAGIC_COOKIE >>> 16);
  writeUint16(out, 6, MAGIC_COOKIE);
  for (let i = 0; i < TRANSACTION_BYTES; i++) out[8 + i] = transaction[i]!;
  let at = STUN_HEADER_BYTES;
  writeUint16(out, at, USERNAME);
  writeUint16(out, at + 2, username.length);
  at += 4;
  for (let i = 0; i < username.length; i++) out[at++] = username.charCodeAt(i);
  while ((at & 3) !== 0) out[at++] = 0;
  writeUint16(out, at, PRIORITY);
  writeUint16(out, at + 2, 4);
  writeUint16(out, at + 4, priority >>> 16);
  writeUint16(out, at + 6, priority);
  at += 8;
  writeUint16(out, at, ICE_CONTROLLED);
  writeUint16(out, at + 2, tieBreaker.length);
  for (let i = 0; i < tieBreaker.length; i++) out[at + 4 + i] = tieBreaker[i]!;
  return finish(out, at + 4 + tieBreaker.length, mac);
}

/** Whether `bytes`, a STUN message, is of this transaction. */
export function isOfTransaction(bytes: Uint8Array, transaction: Uint8Array): boolean {
  for (let i = 0; i < TRANSACTION_BYTES; i++) if (bytes[8 + i] !== transaction[i]) return false;
  return true;
}

function writeHeader(out: Uint8Array, messageType: number, request: Uint8Array): void {
  writeUint16(out, 0, messageType);
  for (let i = 4; i < STUN_HEADER_BYTES; i++) out[i] = request[i]!;
}

/**
 * Appends integrity and fingerprint to the message that ends at `end`; returns its final length.
 */
function finish(out: Uint8Array, end: number, mac: StunMac): number {
  return appendFingerprint(out, appendIntegrity(out, end, mac));
}

/** Appends MESSAGE-INTEGRITY (RFC 8489 §14.5) to what ends at `end`. @returns Its new end. */
export function appendIntegrity(out: Uint8Array, end: number, mac: StunMac): number {
  writeUint16(out, 2, end + INTEGRITY_BYTES - STUN_HEADER_BYTES);
  const digest = mac(out, end);
  writeUint16(out, end, MESSAGE_INTEGRITY);
  writeUint16(out, end + 2, MAC_BYTES);
  for (let i = 0; i < MAC_BYTES; i++) out[end + 4 + i] = digest[i]!;
  return end + INTEGRITY_BYTES;
}

/** Appends FINGERPRINT (RFC 8489 §14.7) to what ends at `end`. @returns Its new end. */
export function appendFingerprint(out: Uint8Array, end: number): number {
  writeUint16(out, 2, end + FINGERPRINT_BYTES - STUN_HEADER_BYTES);
  writeUint16(out, end, FINGERPRINT);
  writeUint16(out, end + 2, 4);
  writeUint32(out, end + 4, crc32(out, end) ^ FINGERPRINT_XOR);
  return end + FINGERPRINT_BYTES;
}

/** Whether the FINGERPRINT at `at` is right. */
export function hasFingerprint(bytes: Uint8Array, at: number): boolean {
  return ((crc32(bytes, at) ^ FINGERPRINT_XOR) >>> 0) === readUint32(bytes, at + 4);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of `bytes[0..end)` (ITU V.42, RFC 8489 §14.7), as a signed 32-bit number. */
function crc32(bytes: Uint8Array, end: number): number {
  let crc = -1;
  for (let i = 0; i < end; i++) crc = CRC_TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc;
}

function readText(bytes: Uint8Array, at: number, size: number): string {
  const end = at + size;
  let text = "";
  // Each addition is an object.
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    );
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}
