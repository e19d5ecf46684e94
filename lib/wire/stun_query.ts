/**
 * What a STUN client asks a public server, and what it reads of the answer: under which address a
 * socket is seen from outside (RFC 8489 §6, §14.2). Without credentials, as such servers want none.
 *
 * Reading is total. Nothing proves who answered but the transaction id, which the caller compares.
 *
 * @module
 */
import { readUint16, writeUint16 } from "./big_endian.ts";
import {
  BINDING_REQUEST,
  BINDING_SUCCESS,
  MAGIC_COOKIE,
  parseStun,
  STUN_HEADER_BYTES,
  TRANSACTION_BYTES,
} from "./stun.ts";

/** Length of a request: a header and nothing else, which the oldest servers understand. */
const STUN_QUERY_BYTES = STUN_HEADER_BYTES;

const XOR_MAPPED_ADDRESS = 0x0020;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

/** Where a datagram of ours came from, as its receiver saw it. */
export interface MappedAddress {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/**
 * A Binding request without attributes.
 *
 * @param transaction `TRANSACTION_BYTES`, drawn for this request.
 */
export function stunQuery(transaction: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(STUN_QUERY_BYTES);
  writeUint16(out, 0, BINDING_REQUEST);
  writeUint16(out, 4, MAGIC_COOKIE >>> 16);
  writeUint16(out, 6, MAGIC_COOKIE);
  out.set(transaction.subarray(0, TRANSACTION_BYTES), 8);
  return out;
}

/**
 * Reads the first XOR-MAPPED-ADDRESS of `bytes[0..length)`; `undefined` if that is no success
 * response, or names no address.
 */
export function readMappedAddress(bytes: Uint8Array, length: number): MappedAddress | undefined {
  if (parseStun(bytes, length)?.messageType !== BINDING_SUCCESS) return undefined;
  // The parser has seen that every attribute ends within the message.
  for (let at = STUN_HEADER_BYTES; at < length;) {
    const size = readUint16(bytes, at + 2);
    if (readUint16(bytes, at) === XOR_MAPPED_ADDRESS) return mappedAt(bytes, at + 4, size);
    at += 4 + ((size + 3) & ~3);
  }
  return undefined;
}

function mappedAt(bytes: Uint8Array, at: number, size: number): MappedAddress | undefined {
  const family = bytes[at + 1];
  const length = family === FAMILY_IPV4 ? 4 : family === FAMILY_IPV6 ? 16 : 0;
  if (length === 0 || size !== 4 + length) return undefined;
  // Cookie and transaction id stand next to each other in the header: that is the whole mask.
  const address = Uint8Array.from({ length }, (_, i) => bytes[at + 4 + i]! ^ bytes[4 + i]!);
  return { address, port: readUint16(bytes, at + 2) ^ (MAGIC_COOKIE >>> 16) };
}
