/**
 * How captured packets cross from the media plane: one behind the other, each behind a short head.
 *
 * ```
 *  0                   2           4       5               13
 * | bytes kept        | its length | flags | Unix time, µs  | the bytes …
 * ```
 *
 * @module
 */
import { readUint16, writeUint16 } from "./big_endian.ts";

/** Bytes before each packet. */
export const CAPTURED_HEAD_BYTES = 13;
const SENT = 1;
const RTCP = 2;
const TIME_AT = 5;

/** One captured packet. */
export interface CapturedPacket {
  /** To the client; else it came from there. */
  readonly isSent: boolean;
  readonly isRtcp: boolean;
  /** Unix time, µs. */
  readonly timeUs: number;
  /** What it had before it was cut short. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** Writes the head of a packet of which `kept` bytes follow; no allocation. */
export function writeCapturedHead(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  kept: number,
  length: number,
  isSent: boolean,
  isRtcp: boolean,
  timeUs: number,
): void {
  writeUint16(bytes, at, kept);
  writeUint16(bytes, at + 2, length);
  bytes[at + 4] = (isSent ? SENT : 0) | (isRtcp ? RTCP : 0);
  view.setFloat64(at + TIME_AT, timeUs);
}

/** The packets of a bundle. @throws {RangeError} for what the media plane did not write. */
export function* capturedPackets(bundle: Uint8Array): Generator<CapturedPacket> {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  for (let at = 0; at < bundle.length;) {
    const kept = readUint16(bundle, at);
    const flags = bundle[at + 4]!;
    const timeUs = view.getFloat64(at + TIME_AT);
    const begin = at + CAPTURED_HEAD_BYTES;
    if (begin + kept > bundle.length) throw new RangeError("a captured packet is cut off");
    yield {
      isSent: (flags & SENT) !== 0,
      isRtcp: (flags & RTCP) !== 0,
      timeUs,
      length: readUint16(bundle, at + 2),
      bytes: bundle.subarray(begin, begin + kept),
    };
    at = begin + kept;
  }
}
