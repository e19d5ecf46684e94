/**
 * MessagePack, the encoding of what nodes of a cluster say to each other.
 *
 * Contract: decoding is total. What it would take to hold a message is known before any of it is
 * built: nothing is allocated by a count that its sender claims, nothing nests deeper than
 * {@linkcode MAX_DEPTH}, and extensions, and names that are not text, are refused.
 *
 * @module
 */
import { decode, encode } from "@msgpack/msgpack";

/** What a message can hold; whole numbers beyond 2^53 lose their last digits. */
export type PackedValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly PackedValue[]
  | PackedRecord;

/** By name; absent and `undefined` are the same. */
export interface PackedRecord {
  readonly [name: string]: PackedValue | undefined;
}

/** Levels of arrays and records inside each other. */
const MAX_DEPTH = 24;
/** Names of records are words of ours or identities. */
const MAX_NAME_BYTES = 1024;

const ENCODING = { ignoreUndefined: true, maxDepth: MAX_DEPTH + 1 };
const DECODING = { keyDecoder: null };

/**
 * Encodes a value of ours.
 *
 * @throws for what nests too deep, or is none of {@linkcode PackedValue}: a bug.
 */
export function packMessage(value: PackedValue): Uint8Array<ArrayBuffer> {
  return encode(value, ENCODING);
}

/**
 * Decodes one message.
 *
 * @param maxElements Values and names in it, however they nest.
 * @returns A value whose `Uint8Array`s are views of `bytes`; `undefined` if it is none, or too
 *   heavy.
 */
export function unpackMessage(bytes: Uint8Array, maxElements: number): PackedValue | undefined {
  if (!isSound(bytes, maxElements)) return undefined;
  try {
    return decode(bytes, DECODING) as PackedValue;
  } catch {
    return undefined;
  }
}

/** Whether {@linkcode unpackMessage} would take a message. */
export function isUnpackable(bytes: Uint8Array, maxElements: number): boolean {
  return isSound(bytes, maxElements);
}

/** Whether a value is a record, and not an array or bytes. */
export function isRecord(value: PackedValue | undefined): value is PackedRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** Walks over a message without building anything. */
function isSound(bytes: Uint8Array, maxElements: number): boolean {
  const walk = new Walk(bytes, maxElements);
  return walk.value(0) && walk.at === bytes.length;
}

class Walk {
  at = 0;
  #left: number;

  constructor(readonly bytes: Uint8Array, maxElements: number) {
    this.#left = maxElements;
  }

  /** Goes over one value; `false` if there is none, or it is too heavy. */
  value(depth: number): boolean {
    if (--this.#left < 0 || this.at >= this.bytes.length) return false;
    const head = this.bytes[this.at++]!;
    if (head <= 0x7f || head >= 0xe0) return true;
    if (head <= 0x8f) return this.#record(head & 0x0f, depth);
    if (head <= 0x9f) return this.#array(head & 0x0f, depth);
    if (head <= 0xbf) return this.#skip(head & 0x1f);
    switch (head) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return true;
      case 0xc4: // bytes
      case 0xd9: // text
        return this.#skip(this.#number(1));
      case 0xc5:
      case 0xda:
        return this.#skip(this.#number(2));
      case 0xc6:
      case 0xdb:
        return this.#skip(this.#number(4));
      case 0xcc: // numbers
      case 0xd0:
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.#skip(8);
      case 0xdc:
        return this.#array(this.#number(2), depth);
      case 0xdd:
        return this.#array(this.#number(4), depth);
      case 0xde:
        return this.#record(this.#number(2), depth);
      case 0xdf:
        return this.#record(this.#number(4), depth);
      default: // extensions, and 0xc1, which is never used
        return false;
    }
  }

  #array(count: number, depth: number): boolean {
    // Each element takes a byte at least.
    if (depth >= MAX_DEPTH || count > this.bytes.length - this.at || count > this.#left) {
      return false;
    }
    for (let i = 0; i < count; i++) if (!this.value(depth + 1)) return false;
    return true;
  }

  #record(count: number, depth: number): boolean {
    if (depth >= MAX_DEPTH || 2 * count > this.bytes.length - this.at || count > this.#left) {
      return false;
    }
    for (let i = 0; i < count; i++) if (!this.#name() || !this.value(depth + 1)) return false;
    return true;
  }

  #name(): boolean {
    if (--this.#left < 0 || this.at >= this.bytes.length) return false;
    const head = this.bytes[this.at++]!;
    let length = Infinity;
    if (head >= 0xa0 && head <= 0xbf) length = head & 0x1f;
    else if (head === 0xd9) length = this.#number(1);
    else if (head === 0xda) length = this.#number(2);
    return length <= MAX_NAME_BYTES && this.#skip(length);
  }

  /** A big-endian number of so many bytes; `Infinity` if they are not there. */
  #number(length: number): number {
    if (length > this.bytes.length - this.at) return Infinity;
    let value = 0;
    for (let i = 0; i < length; i++) value = value * 256 + this.bytes[this.at++]!;
    return value;
  }

  #skip(length: number): boolean {
    if (length > this.bytes.length - this.at) return false;
    this.at += length;
    return true;
  }
}
