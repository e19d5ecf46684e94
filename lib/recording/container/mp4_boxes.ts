/**
 * Boxes of MP4 files as bytes (ISO/IEC 14496-12 §4.2).
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export function uint16(value: number): Bytes {
  return Uint8Array.from([(value >> 8) & 0xff, value & 0xff]);
}

export function uint32(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function uint64(value: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export function zeros(count: number): Bytes {
  return new Uint8Array(count);
}

/** @param type Four characters. */
export function box(type: string, ...parts: readonly Uint8Array[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 8);
  return joinBytes([uint32(length), new TextEncoder().encode(type), ...parts]);
}

/** A box with a version and 24 bits of flags. */
export function fullBox(
  type: string,
  version: number,
  flags: number,
  ...parts: readonly Uint8Array[]
): Bytes {
  return box(type, uint32(version * 0x100_0000 + flags), ...parts);
}
