/**
 * Packets of LiveKit's data tracks, as they travel on the `_data_track` channel (LiveKit's server
 * 1.13.5, `pkg/rtc/datatrack/packet.go`).
 *
 * A header of 12 bytes, big endian: version (3 bits), start and end of a frame, extensions follow,
 * 10 reserved bits; handle; sequence number; frame number; timestamp. Extensions are a 16-bit count
 * of 32-bit words less one, which counts itself, then `id, size, data` each, padded with zeros.
 *
 * Contract: readers are total. A server looks only at the handle and writes another one for each
 * receiver; everything else belongs to the participants, who may encrypt it.
 *
 * @module
 */

/** Bytes before the extensions or the payload. */
const DATA_TRACK_HEADER_BYTES = 12;
const HANDLE_AT = 2;
const START_BIT = 0x10;
const FINAL_BIT = 0x08;
const EXTENSIONS_BIT = 0x04;
const MAX_EXTENSION_BYTES = 255;
/** Of the extensions, the count itself included: a 16-bit count of words. */
const MAX_EXTENSIONS_BYTES = 0x10000 * 4;

/** Extension ids the protocol has given out. */
export const DATA_TRACK_EXTENSION = { participantSid: 1 } as const;

/** One header extension. */
export interface DataTrackExtension {
  /** 1–255; 0 is padding. */
  readonly id: number;
  /** At most 255 bytes. */
  readonly data: Uint8Array;
}

/** One packet; all numbers are unsigned and as wide as on the wire. */
export interface DataTrackPacket {
  readonly version: number;
  readonly startOfFrame: boolean;
  readonly finalOfFrame: boolean;
  /** The publisher's on the way in, the subscriber's on the way out; 0 is not used. */
  readonly handle: number;
  readonly sequence: number;
  readonly frameNumber: number;
  readonly timestamp: number;
  readonly extensions: readonly DataTrackExtension[];
  readonly payload: Uint8Array;
}

/** Reads a packet, whose parts are views of `bytes`; `undefined` if it is malformed. */
export function readDataTrackPacket(bytes: Uint8Array): DataTrackPacket | undefined {
  const extensions: DataTrackExtension[] = [];
  const payloadAt = walkHeader(bytes, (id, from, to) => {
    extensions.push({ id, data: bytes.subarray(from, to) });
  });
  if (payloadAt === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint8(0);
  return {
    version: first >> 5,
    startOfFrame: (first & START_BIT) !== 0,
    finalOfFrame: (first & FINAL_BIT) !== 0,
    handle: view.getUint16(HANDLE_AT),
    sequence: view.getUint16(4),
    frameNumber: view.getUint16(6),
    timestamp: view.getUint32(8),
    extensions,
    payload: bytes.subarray(payloadAt),
  };
}

/** Writes a packet; `undefined` if an extension has no id or does not fit. */
export function writeDataTrackPacket(packet: DataTrackPacket): Uint8Array | undefined {
  const { extensions, payload } = packet;
  let size = extensions.length === 0 ? 0 : 2;
  for (const { id, data } of extensions) {
    if (id < 1 || id > 255 || data.length > MAX_EXTENSION_BYTES) return undefined;
    size += 2 + data.length;
  }
  size = Math.ceil(size / 4) * 4;
  if (size > MAX_EXTENSIONS_BYTES) return undefined;
  const bytes = new Uint8Array(DATA_TRACK_HEADER_BYTES + size + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(
    0,
    (packet.version << 5) | (packet.startOfFrame ? START_BIT : 0) |
      (packet.finalOfFrame ? FINAL_BIT : 0) | (size > 0 ? EXTENSIONS_BIT : 0),
  );
  view.setUint16(HANDLE_AT, packet.handle);
  view.setUint16(4, packet.sequence);
  view.setUint16(6, packet.frameNumber);
  view.setUint32(8, packet.timestamp);
  let at = DATA_TRACK_HEADER_BYTES;
  if (size > 0) view.setUint16(at, size / 4 - 1);
  at += 2;
  for (const { id, data } of extensions) {
    bytes[at] = id;
    bytes[at + 1] = data.length;
    bytes.set(data, at + 2);
    at += 2 + data.length;
  }
  bytes.set(payload, DATA_TRACK_HEADER_BYTES + size);
  return bytes;
}

/** The handle of a well-formed packet, 0 for anything else. Allocates nothing. */
export function dataTrackHandle(bytes: Uint8Array): number {
  if (walkHeader(bytes) === undefined) return 0;
  return (bytes[HANDLE_AT]! << 8) | bytes[HANDLE_AT + 1]!;
}

/** A copy of a well-formed packet with another handle. */
export function withDataTrackHandle(bytes: Uint8Array, handle: number): Uint8Array {
  const copy = bytes.slice();
  copy[HANDLE_AT] = handle >> 8;
  copy[HANDLE_AT + 1] = handle;
  return copy;
}

/** The extension that names a participant; `undefined` if the sid is empty or too long. */
export function participantSidExtension(sid: string): DataTrackExtension | undefined {
  const data = new TextEncoder().encode(sid);
  if (data.length === 0 || data.length > MAX_EXTENSION_BYTES) return undefined;
  return { id: DATA_TRACK_EXTENSION.participantSid, data };
}

/** The participant sid a packet carries, if it does. */
export function participantSidOf(packet: Pick<DataTrackPacket, "extensions">): string | undefined {
  const found = packet.extensions.find(({ id }) => id === DATA_TRACK_EXTENSION.participantSid);
  if (found === undefined || found.data.length === 0) return undefined;
  return new TextDecoder().decode(found.data);
}

/** Where the payload begins; `undefined` if the header, with its extensions, does not fit. */
function walkHeader(
  bytes: Uint8Array,
  onExtension?: (id: number, from: number, to: number) => void,
): number | undefined {
  if (bytes.length < DATA_TRACK_HEADER_BYTES) return undefined;
  if ((bytes[0]! & EXTENSIONS_BIT) === 0) return DATA_TRACK_HEADER_BYTES;
  let at = DATA_TRACK_HEADER_BYTES + 2;
  if (bytes.length < at) return undefined;
  const words = ((bytes[at - 2]! << 8) | bytes[at - 1]!) + 1;
  const end = DATA_TRACK_HEADER_BYTES + words * 4;
  if (bytes.length < end) return undefined;
  while (at < end) {
    const id = bytes[at]!;
    if (id === 0) return end;
    if (at + 2 > end) return undefined;
    const from = at + 2;
    at = from + bytes[at + 1]!;
    if (at > end) return undefined;
    onExtension?.(id, from, at);
  }
  return end;
}
