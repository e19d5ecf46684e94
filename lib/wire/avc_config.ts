/**
 * How H.264 comes in files and RTMP: `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, §5.3.3.1),
 * and pictures whose units each have their length before them.
 *
 * Total: what is malformed gives `undefined`.
 *
 * @module
 */
import { readUint16, readUint24, readUint32 } from "./big_endian.ts";

/** Parameter sets of one kind: encoders have one of each. */
const MAX_SETS = 32;

/** What a decoder has to be told first. */
export interface AvcConfig {
  /** Bytes of a unit's length: 1 to 4. */
  readonly lengthBytes: number;
  /** Sequence parameter sets, then picture parameter sets, each at least 4 and 1 bytes. */
  readonly sets: readonly Uint8Array<ArrayBuffer>[];
  /** Six hexadecimal digits (RFC 6184 §8.1). */
  readonly profileLevelId: string;
}

/** Reads a record; the sets lie within it. */
export function readAvcConfig(bytes: Uint8Array<ArrayBuffer>): AvcConfig | undefined {
  if (bytes.length < 7 || bytes[0] !== 1) return undefined;
  const sets: Uint8Array<ArrayBuffer>[] = [];
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    if (at >= bytes.length) return undefined;
    const count = bytes[at++]! & mask;
    if (count === 0 || count > MAX_SETS) return undefined;
    for (let i = 0; i < count; i++) {
      if (at + 2 > bytes.length) return undefined;
      const length = readUint16(bytes, at);
      at += 2;
      if (length === 0 || at + length > bytes.length) return undefined;
      sets.push(bytes.subarray(at, at + length));
      at += length;
    }
  }
  if (sets[0]!.length < 4) return undefined;
  const profileLevelId = [...sets[0]!.subarray(1, 4)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { lengthBytes: (bytes[4]! & 3) + 1, sets, profileLevelId };
}

/** The units of a picture, none of them empty. */
export function avcUnits(
  bytes: Uint8Array<ArrayBuffer>,
  lengthBytes: number,
  maxUnits: number,
): readonly Uint8Array<ArrayBuffer>[] | undefined {
  const units: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + lengthBytes > bytes.length) return undefined;
    const length = readLength(bytes, at, lengthBytes);
    at += lengthBytes;
    if (at + length > bytes.length || units.length >= maxUnits) return undefined;
    if (length > 0) units.push(bytes.subarray(at, at + length));
    at += length;
  }
  return units;
}

function readLength(bytes: Uint8Array, at: number, lengthBytes: number): number {
  switch (lengthBytes) {
    case 1:
      return bytes[at]!;
    case 2:
      return readUint16(bytes, at);
    case 3:
      return readUint24(bytes, at);
    default:
      return readUint32(bytes, at);
  }
}
