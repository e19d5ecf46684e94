/**
 * RTP packets written from fields, for tests: an independent writer beside the code under test.
 *
 * @module
 */
import type { WrittenPacket } from "../../../lib/base/packet_sink.ts";

/** Fields of a packet; what is left out is zero, unset or empty. */
export interface RtpFields {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly sequenceNumber?: number;
  readonly timestamp?: number;
  readonly marker?: boolean;
  /** One-byte header extensions by id. */
  readonly extensions?: Readonly<Record<number, Uint8Array | string>>;
  readonly payload?: Uint8Array;
  /** Padding bytes to add, the count included. */
  readonly padding?: number;
}

/** The packet's bytes, with 64 bytes of unused room behind it in the same buffer. */
export function rtpPacket(fields: RtpFields): Uint8Array {
  const extension = extensionBlock(fields.extensions ?? {});
  const payload = fields.payload ?? new Uint8Array(0);
  const padding = fields.padding ?? 0;
  const length = 12 + extension.length + payload.length + padding;
  const bytes = new Uint8Array(length + 64).subarray(0, length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x80 | (extension.length > 0 ? 0x10 : 0) | (padding > 0 ? 0x20 : 0);
  bytes[1] = (fields.marker === true ? 0x80 : 0) | fields.payloadType;
  view.setUint16(2, (fields.sequenceNumber ?? 0) & 0xffff);
  view.setUint32(4, (fields.timestamp ?? 0) >>> 0);
  view.setUint32(8, fields.ssrc);
  bytes.set(extension, 12);
  bytes.set(payload, 12 + extension.length);
  if (padding > 0) bytes[length - 1] = padding;
  return bytes;
}

/**
 * The packet whose header and first bytes are `bytes[0, written)`, as a writer hands it to a sink:
 * what is in the header is read here, whether it is one or not.
 */
export function writtenPacket(
  bytes: Uint8Array,
  written: number,
  source: Uint8Array,
  sourceAt: number,
  sourceLength: number,
) {
  const at = (index: number) => bytes[index] ?? 0;
  const fixed = 12 + (at(0) & 0x0f) * 4;
  const extension = (at(0) & 0x10) === 0 ? 0 : 4 + ((at(fixed + 2) << 8) | at(fixed + 3)) * 4;
  return {
    isVideo: false,
    ssrc: ((at(8) << 24) | (at(9) << 16) | (at(10) << 8) | at(11)) >>> 0,
    sequence: (at(2) << 8) | at(3),
    headerLength: fixed + extension,
    written,
    source,
    sourceAt,
    sourceLength,
  } satisfies WrittenPacket;
}

function extensionBlock(extensions: Readonly<Record<number, Uint8Array | string>>): Uint8Array {
  const parts: number[] = [];
  for (const [id, value] of Object.entries(extensions)) {
    const data = typeof value === "string" ? new TextEncoder().encode(value) : value;
    parts.push((Number(id) << 4) | (data.length - 1), ...data);
  }
  if (parts.length === 0) return new Uint8Array(0);
  while (parts.length % 4 !== 0) parts.push(0);
  return Uint8Array.of(0xbe, 0xde, 0, parts.length / 4, ...parts);
}
