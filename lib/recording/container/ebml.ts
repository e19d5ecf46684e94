/**
 * EBML elements as bytes (RFC 8794).
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** An element id, whose length is in itself. */
export function elementId(id: number): Bytes {
  const bytes: number[] = [];
  for (let rest = id; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.from(bytes);
}

/** A size in eight bytes (§4); what holds more than 2^52 is not written here. */
export function elementSize(size: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(size));
  bytes[0]! |= 0x01;
  return bytes;
}

/** A size in as few bytes as it takes. */
export function shortSize(size: number): Bytes {
  for (let length = 1; length < 5; length++) {
    // All ones mean that it is unknown.
    if (size >= 2 ** (7 * length) - 1) continue;
    const bytes = new Uint8Array(length);
    for (let i = length - 1, rest = size; i >= 0; i--, rest = Math.floor(rest / 256)) {
      bytes[i] = rest % 256;
    }
    bytes[0]! |= 0x80 >> (length - 1);
    return bytes;
  }
  return elementSize(size);
}

/** The size of what has no end yet. */
export const UNKNOWN_SIZE: Bytes = Uint8Array.from([0x01, ...new Array(7).fill(0xff)]);

/** An element that holds `parts`. */
export function element(id: number, ...parts: readonly Uint8Array[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return joinBytes([elementId(id), shortSize(length), ...parts]);
}

export function unsigned(id: number, value: number): Bytes {
  const bytes: number[] = [];
  for (let rest = value; bytes.length === 0 || rest > 0; rest = Math.floor(rest / 256)) {
    bytes.unshift(rest % 256);
  }
  return element(id, Uint8Array.from(bytes));
}

export function float(id: number, value: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return element(id, bytes);
}

export function text(id: number, value: string): Bytes {
  return element(id, new TextEncoder().encode(value));
}

/** Fills up `length` bytes, at least 9. */
export function voidOf(length: number): Bytes {
  return joinBytes([elementId(0xec), elementSize(length - 9), new Uint8Array(length - 9)]);
}
