/**
 * STUN messages as TURN uses them (RFC 8489, RFC 8656): reading what clients send, and writing the
 * answers and indications of a server.
 *
 * Reading is total: bytes that are no well-formed message give `undefined`. Nothing here proves who
 * sent a message; `verifyIntegrity` does. What is kept of a message is bounded.
 *
 * @module
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from "./big_endian.ts";
import {
  appendFingerprint,
  appendIntegrity,
  hasFingerprint,
  MAGIC_COOKIE,
  STUN_HEADER_BYTES,
  type StunMac,
} from "./stun.ts";

/** Low bits of a message's type (RFC 8489 §5, RFC 8656 §17). */
export const TURN_METHOD = {
  binding: 1,
  allocate: 3,
  refresh: 4,
  send: 6,
  data: 7,
  createPermission: 8,
  channelBind: 9,
} as const;

/** The bits of a message's type that say what it is. */
export const STUN_CLASS = {
  request: 0x0000,
  indication: 0x0010,
  success: 0x0100,
  error: 0x0110,
} as const;
const CLASS_BITS = 0x0110;

/**
 * Numbers that a channel may have. RFC 8656 §12 ends at 0x4fff, so that DTLS can share the port,
 * which it does not here; clients of RFC 5766 choose among all of these.
 */
const FIRST_CHANNEL = 0x4000;
const LAST_CHANNEL = 0x7fff;
/** Number and length before what a channel carries. */
export const CHANNEL_HEADER_BYTES = 4;
/** Before the payload of a Data indication to an IPv6 peer; an IPv4 peer's is shorter. */
export const MAX_DATA_HEADER_BYTES = STUN_HEADER_BYTES + 24 + 4;
/** Whether a message that begins so is a channel's. */
export function isChannelByte(first: number): boolean {
  return first >= FIRST_CHANNEL >> 8 && first <= LAST_CHANNEL >> 8;
}

export function isChannelNumber(number: number): boolean {
  return number >= FIRST_CHANNEL && number <= LAST_CHANNEL;
}

/** Room for any answer that {@linkcode TurnWriter} writes here. */
const MAX_TURN_ANSWER_BYTES = 512;

/** REQUESTED-TRANSPORT for UDP, the one protocol that is relayed. */
export const TRANSPORT_UDP = 17;
/** Address families (RFC 8656 §18.6). */
export const FAMILY_IPV4 = 1;
export const FAMILY_IPV6 = 2;

const ATTRIBUTE = {
  username: 0x0006,
  integrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  peerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  relayedAddress: 0x0016,
  requestedFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  mappedAddress: 0x0020,
  reservationToken: 0x0022,
  additionalFamily: 0x8000,
  addressError: 0x8001,
  fingerprint: 0x8028,
} as const;

/** Required ones that mean nothing to a server, or nothing here, and hurt nobody. */
const HARMLESS: ReadonlySet<number> = new Set([
  0x0001, // MAPPED-ADDRESS
  ATTRIBUTE.errorCode,
  ATTRIBUTE.unknownAttributes,
  0x001c, // MESSAGE-INTEGRITY-SHA256
  ATTRIBUTE.mappedAddress,
  0x0024, // PRIORITY
  0x0025, // USE-CANDIDATE
]);
/** RFC 8489 §14.3, §14.9, §14.10: in bytes of UTF-8. */
const MAX_TEXT_BYTES = 763;
/** Peers of one CreatePermission; more are not read, as this server has few that may be named. */
const MAX_PEERS = 16;
const MAX_UNKNOWN_NAMED = 8;
const INTEGRITY_VALUE_BYTES = 20;

/** Where datagrams go or come from. */
export interface TurnAddress {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** A well-formed message. Offsets index the bytes it was parsed from; absent is `undefined`. */
export interface TurnMessage {
  /** The whole type; see {@linkcode TurnMessage.method}. */
  readonly type: number;
  /** One of {@linkcode TURN_METHOD}, or another. */
  readonly method: number;
  /** One of {@linkcode STUN_CLASS}. */
  readonly messageClass: number;
  /** One character per byte. */
  readonly username: string | undefined;
  readonly realm: string | undefined;
  readonly nonce: string | undefined;
  /** Where MESSAGE-INTEGRITY starts, or -1. What follows it is not read. */
  readonly integrityOffset: number;
  /** Seconds. */
  readonly lifetime: number | undefined;
  /** Protocol number. */
  readonly requestedTransport: number | undefined;
  readonly requestedFamily: number | undefined;
  readonly additionalFamily: number | undefined;
  /** What is asked of the relayed port: to be even, and also that the next one is kept. */
  readonly evenPort: "even" | "even_and_next" | undefined;
  readonly hasReservationToken: boolean;
  readonly channel: number | undefined;
  readonly peers: readonly TurnAddress[];
  /** Where the value of DATA starts, or -1, and its length. */
  readonly dataOffset: number;
  readonly dataLength: number;
  readonly hasFingerprint: boolean;
  /** Comprehension-required attributes not known here, at most eight. */
  readonly unknownRequired: readonly number[];
}

/** While a message is being read. */
type Draft = { -readonly [K in keyof TurnMessage]: TurnMessage[K] } & {
  peers: TurnAddress[];
  unknownRequired: number[];
};

/**
 * Parses `bytes[0, length)` as one message. Only the first attribute of a kind counts, but for
 * peers, and attributes behind MESSAGE-INTEGRITY are not read (RFC 8489 §14.5).
 */
export function parseTurn(bytes: Uint8Array, length: number): TurnMessage | undefined {
  if (length < STUN_HEADER_BYTES || length > bytes.length || bytes[0]! > 3) return undefined;
  if ((length & 3) !== 0 || readUint16(bytes, 2) !== length - STUN_HEADER_BYTES) return undefined;
  if (readUint32(bytes, 4) !== MAGIC_COOKIE) return undefined;
  const draft = newDraft(readUint16(bytes, 0));
  for (let at = STUN_HEADER_BYTES; at < length;) {
    const type = readUint16(bytes, at);
    const size = readUint16(bytes, at + 2);
    const value = at + 4;
    if (size > length - value) return undefined;
    const next = value + ((size + 3) & ~3);
    if (type === ATTRIBUTE.fingerprint) {
      if (size !== 4 || next !== length || !hasFingerprint(bytes, at)) return undefined;
      draft.hasFingerprint = true;
    } else if (draft.integrityOffset < 0) {
      if (type === ATTRIBUTE.integrity) {
        if (size !== INTEGRITY_VALUE_BYTES) return undefined;
        draft.integrityOffset = at;
      } else if (!readAttribute(draft, type, bytes, value, size)) return undefined;
    }
    at = next;
  }
  return draft;
}

function newDraft(type: number): Draft {
  return {
    type,
    method: type & ~CLASS_BITS,
    messageClass: type & CLASS_BITS,
    username: undefined,
    realm: undefined,
    nonce: undefined,
    integrityOffset: -1,
    lifetime: undefined,
    requestedTransport: undefined,
    requestedFamily: undefined,
    additionalFamily: undefined,
    evenPort: undefined,
    hasReservationToken: false,
    channel: undefined,
    peers: [],
    dataOffset: -1,
    dataLength: 0,
    hasFingerprint: false,
    unknownRequired: [],
  };
}

/** `false` if the attribute is malformed, and with it the message. */
function readAttribute(
  draft: Draft,
  type: number,
  bytes: Uint8Array,
  at: number,
  size: number,
): boolean {
  switch (type) {
    case ATTRIBUTE.username:
      if (size > MAX_TEXT_BYTES) return false;
      draft.username ??= readText(bytes, at, size);
      return true;
    case ATTRIBUTE.realm:
      if (size > MAX_TEXT_BYTES) return false;
      draft.realm ??= readText(bytes, at, size);
      return true;
    case ATTRIBUTE.nonce:
      if (size > MAX_TEXT_BYTES) return false;
      draft.nonce ??= readText(bytes, at, size);
      return true;
    case ATTRIBUTE.peerAddress: {
      const peer = readAddress(bytes, at, size);
      if (peer !== undefined && draft.peers.length < MAX_PEERS) draft.peers.push(peer);
      return peer !== undefined;
    }
    case ATTRIBUTE.data:
      if (draft.dataOffset >= 0) return true;
      draft.dataOffset = at;
      draft.dataLength = size;
      return true;
    case ATTRIBUTE.evenPort:
      draft.evenPort = (bytes[at]! & 0x80) === 0 ? "even" : "even_and_next";
      return size === 1;
    case ATTRIBUTE.reservationToken:
      draft.hasReservationToken = true;
      return size === 8;
    default:
      return readWord(draft, type, bytes, at, size);
  }
}

/** Attributes of four bytes; the others are unknown. */
function readWord(
  draft: Draft,
  type: number,
  bytes: Uint8Array,
  at: number,
  size: number,
): boolean {
  switch (type) {
    case ATTRIBUTE.channelNumber:
      draft.channel ??= size === 4 ? readUint16(bytes, at) : undefined;
      return size === 4;
    case ATTRIBUTE.lifetime:
      draft.lifetime ??= size === 4 ? readUint32(bytes, at) : undefined;
      return size === 4;
    case ATTRIBUTE.requestedTransport:
      draft.requestedTransport ??= size === 4 ? bytes[at] : undefined;
      return size === 4;
    case ATTRIBUTE.requestedFamily:
      draft.requestedFamily ??= size === 4 ? bytes[at] : undefined;
      return size === 4;
    case ATTRIBUTE.additionalFamily:
      draft.additionalFamily ??= size === 4 ? bytes[at] : undefined;
      return size === 4;
    case ATTRIBUTE.dontFragment:
      // Nothing is sent on that could be fragmented: what comes ends in this process.
      return size === 0;
  }
  if (type < 0x8000 && !HARMLESS.has(type) && draft.unknownRequired.length < MAX_UNKNOWN_NAMED) {
    draft.unknownRequired.push(type);
  }
  return true;
}

/** An XORed address (RFC 8489 §14.2). */
function readAddress(bytes: Uint8Array, at: number, size: number): TurnAddress | undefined {
  const family = size >= 4 ? bytes[at + 1] : undefined;
  const length = family === FAMILY_IPV4 ? 4 : family === FAMILY_IPV6 ? 16 : 0;
  if (length === 0 || size !== 4 + length) return undefined;
  const address = new Uint8Array(length);
  // Cookie and transaction id stand next to each other in the header: that is the whole mask.
  for (let i = 0; i < length; i++) address[i] = bytes[at + 4 + i]! ^ bytes[4 + i]!;
  return { address, port: readUint16(bytes, at + 2) ^ (MAGIC_COOKIE >>> 16) };
}

function readText(bytes: Uint8Array, at: number, size: number): string {
  let text = "";
  for (let i = 0; i < size; i++) text += String.fromCharCode(bytes[at + i]!);
  return text;
}

/** Codes of refusals, and their reason phrases (RFC 8489 §14.8, RFC 8656 §19). */
const REASONS = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  420: "Unknown Attribute",
  437: "Allocation Mismatch",
  438: "Stale Nonce",
  440: "Address Family not Supported",
  441: "Wrong Credentials",
  442: "Unsupported Transport Protocol",
  443: "Peer Address Family Mismatch",
  486: "Allocation Quota Reached",
  508: "Insufficient Capacity",
} as const;

/** See {@linkcode REASONS}. */
export type TurnErrorCode = keyof typeof REASONS;

/** Writes one answer after another into its own buffer. */
export class TurnWriter {
  readonly bytes: Uint8Array = new Uint8Array(MAX_TURN_ANSWER_BYTES);
  #end = 0;

  /**
   * Begins an answer to `request`.
   *
   * @param messageClass Of {@linkcode STUN_CLASS}: success or error.
   */
  begin(request: Uint8Array, method: number, messageClass: number): this {
    writeUint16(this.bytes, 0, method | messageClass);
    for (let i = 4; i < STUN_HEADER_BYTES; i++) this.bytes[i] = request[i]!;
    this.#end = STUN_HEADER_BYTES;
    return this;
  }

  error(code: TurnErrorCode): this {
    return this.#refusal(ATTRIBUTE.errorCode, 0, code);
  }

  unknownAttributes(types: readonly number[]): this {
    const at = this.#attribute(ATTRIBUTE.unknownAttributes, 2 * types.length);
    for (let i = 0; i < types.length; i++) writeUint16(this.bytes, at + 2 * i, types[i]!);
    return this;
  }

  realm(text: string): this {
    this.#text(this.#attribute(ATTRIBUTE.realm, text.length), text);
    return this;
  }

  nonce(text: string): this {
    this.#text(this.#attribute(ATTRIBUTE.nonce, text.length), text);
    return this;
  }

  lifetime(seconds: number): this {
    writeUint32(this.bytes, this.#attribute(ATTRIBUTE.lifetime, 4), seconds);
    return this;
  }

  mappedAddress(address: Uint8Array, port: number): this {
    return this.#address(ATTRIBUTE.mappedAddress, address, port);
  }

  relayedAddress(address: Uint8Array, port: number): this {
    return this.#address(ATTRIBUTE.relayedAddress, address, port);
  }

  /** Why there is no second address (RFC 8656 §18.13). */
  addressError(family: number, code: TurnErrorCode): this {
    return this.#refusal(ATTRIBUTE.addressError, family, code);
  }

  /**
   * Ends the answer.
   *
   * @param mac Signs it; absent for those who have not proved who they are.
   * @param fingerprint Whether the request had one.
   * @returns Its length.
   */
  end(mac: StunMac | undefined, fingerprint: boolean): number {
    writeUint16(this.bytes, 2, this.#end - STUN_HEADER_BYTES);
    if (mac !== undefined) this.#end = appendIntegrity(this.bytes, this.#end, mac);
    if (fingerprint) this.#end = appendFingerprint(this.bytes, this.#end);
    return this.#end;
  }

  #refusal(type: number, family: number, code: TurnErrorCode): this {
    const reason = REASONS[code];
    const at = this.#attribute(type, 4 + reason.length);
    writeUint16(this.bytes, at, family << 8);
    this.bytes[at + 2] = Math.trunc(code / 100);
    this.bytes[at + 3] = code % 100;
    this.#text(at + 4, reason);
    return this;
  }

  #address(type: number, address: Uint8Array, port: number): this {
    const at = this.#attribute(type, 4 + address.length);
    writeAddress(this.bytes, at, address, port);
    return this;
  }

  /** Where the value begins, which is padded with zeros. */
  #attribute(type: number, size: number): number {
    const at = this.#end;
    writeUint16(this.bytes, at, type);
    writeUint16(this.bytes, at + 2, size);
    this.#end = at + 4 + ((size + 3) & ~3);
    this.bytes.fill(0, at + 4 + size, this.#end);
    return at + 4;
  }

  #text(at: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }
}

function writeAddress(out: Uint8Array, at: number, address: Uint8Array, port: number): void {
  out[at] = 0;
  out[at + 1] = address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  writeUint16(out, at + 2, port ^ (MAGIC_COOKIE >>> 16));
  for (let i = 0; i < address.length; i++) out[at + 4 + i] = address[i]! ^ out[4 + i]!;
}

/** Bytes before the payload of a Data indication from such a peer. */
export function dataHeaderBytes(peer: TurnAddress): number {
  return STUN_HEADER_BYTES + 8 + peer.address.length + 4;
}

/**
 * Writes a Data indication around `length` bytes that stand at `dataHeaderBytes(peer)` in `out`
 * (RFC 8656 §11.3). There is room for up to three bytes of padding behind them.
 *
 * @param number Makes the transaction id, which nobody answers.
 * @returns Its length.
 */
export function writeDataIndication(
  out: Uint8Array,
  peer: TurnAddress,
  length: number,
  number: number,
): number {
  const at = dataHeaderBytes(peer);
  const end = at + ((length + 3) & ~3);
  writeUint16(out, 0, TURN_METHOD.data | STUN_CLASS.indication);
  writeUint16(out, 2, end - STUN_HEADER_BYTES);
  writeUint32(out, 4, MAGIC_COOKIE);
  writeUint32(out, 8, 0);
  writeUint32(out, 12, 0);
  writeUint32(out, 16, number);
  writeUint16(out, 20, ATTRIBUTE.peerAddress);
  writeUint16(out, 22, 4 + peer.address.length);
  writeAddress(out, 24, peer.address, peer.port);
  writeUint16(out, at - 4, ATTRIBUTE.data);
  writeUint16(out, at - 2, length);
  out.fill(0, at + length, end);
  return end;
}

/** Writes what stands before `length` bytes of a channel at the start of `out` (RFC 8656 §12.4). */
export function writeChannelHeader(out: Uint8Array, channel: number, length: number): void {
  writeUint16(out, 0, channel);
  writeUint16(out, 2, length);
}
