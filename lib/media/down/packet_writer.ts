/**
 * Writes one outgoing packet from a cached one: the same function for the first sending and for
 * every resending, which is why they agree byte for byte.
 *
 * @module
 */
import { SEAL_BYTES } from "../../base/packet_sink.ts";
import { writeUint32 } from "../../wire/big_endian.ts";
import { packetTrailerLength } from "../../wire/packet_trailer.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import { type Vp8Descriptor, writeVp8Descriptor } from "../../wire/vp8_descriptor.ts";
import type { ExtensionMap } from "./extension_map.ts";
import type { OutgoingPacket } from "../packet/outgoing_packet.ts";
import type { PacketCache } from "../layer/packet_cache.ts";

const FIXED_HEADER_BYTES = 12;
/** Of a packet that only fills a number: a whole word, the last byte of which is the count. */
export const LEAST_PADDING = 4;
/** The most that is a whole word and that the count can say (RFC 3550 §5.1). */
export const MOST_PADDING = 252;
/** What a packet has besides its padding, about: header, extensions, and what seals it. */
const USUAL_HEADER_BYTES = 40;

/** Bytes of padding in a packet of padding alone that has about `most` bytes, or fewer. */
export function paddingOf(most: number): number {
  const whole = Math.floor((most - USUAL_HEADER_BYTES) / LEAST_PADDING) * LEAST_PADDING;
  return Math.max(LEAST_PADDING, Math.min(MOST_PADDING, whole));
}

/** A header without extensions, in place of a source's. */
const BARE = new RtpView();
BARE.wrap(Uint8Array.of(0x80, ...new Uint8Array(FIXED_HEADER_BYTES - 1)));

/**
 * Writes the part of the packet that differs from the cached one to the start of `out`, and notes
 * in `packet` where the rest is.
 *
 * @param out As reserved from a sink.
 * @param slot Where the source packet is cached.
 * @param source A view on the source packet's header; its payload offset and length must be those
 *   of the slot.
 * @param vp8 The source's descriptor; read only if `packet.pictureId` is not -1.
 * @returns `false`, with nothing to be sent, if the packet is too long for `out`.
 */
export function writePacket(
  out: Uint8Array,
  packet: OutgoingPacket,
  cache: PacketCache,
  slot: number,
  source: RtpView,
  vp8: Vp8Descriptor,
  extensions: ExtensionMap,
  now: number,
): boolean {
  let at = writeHeader(out, packet, source, extensions, now);
  let skip = packet.payloadSkip;
  let left = packet.payloadBytes < 0 ? source.payloadLength : packet.payloadBytes;
  if (packet.empty) left = 0;
  else if (packet.pictureId >= 0) {
    const first = source.bytes[source.payloadOffset]!;
    const { pictureId, tl0PicIdx, keyIdx } = packet;
    at += writeVp8Descriptor(out, at, first, vp8, pictureId, tl0PicIdx, keyIdx);
    skip = vp8.headerLength;
    left = source.payloadLength - skip;
  }
  if (packet.stripsTrailer && (source.marker || packet.setsMarker) && left > 0) {
    left -= packetTrailerLength(source.bytes, source.payloadOffset + source.payloadLength, left);
  }
  packet.written = at;
  packet.source = packet.payload ?? cache.memoryOf(slot);
  packet.sourceAt = packet.payload === undefined
    ? cache.offsetOf(slot) + source.payloadOffset + skip
    : skip;
  packet.sourceLength = left;
  return at + left + SEAL_BYTES <= out.length;
}

/**
 * Writes a packet that is padding alone (RFC 3550 §5.1), or its retransmission, from which padding
 * is left out (RFC 4588 §4).
 *
 * @param padding Bytes, {@linkcode LEAST_PADDING} to {@linkcode MOST_PADDING}.
 * @returns `false`, with nothing to be sent, if the packet is too long for `out`.
 */
export function writePadding(
  out: Uint8Array,
  packet: OutgoingPacket,
  extensions: ExtensionMap,
  now: number,
  padding: number = LEAST_PADDING,
): boolean {
  let at = writeHeader(out, packet, BARE, extensions, now);
  if (packet.originalSequence < 0) {
    out[0]! |= 0x20;
    out.fill(0, at, at + padding);
    at += padding;
    out[at - 1] = padding;
  }
  packet.written = at;
  packet.sourceAt = packet.sourceLength = 0;
  return at + SEAL_BYTES <= out.length;
}

/** Writes the header of a packet that comes from no source, its extensions included. */
export function writeBareHeader(
  out: Uint8Array,
  packet: OutgoingPacket,
  extensions: ExtensionMap,
  now: number,
): void {
  packet.written = writeHeader(out, packet, BARE, extensions, now);
}

/** Writes everything in front of the payload. @returns Its length, an original number included. */
function writeHeader(
  out: Uint8Array,
  packet: OutgoingPacket,
  source: RtpView,
  extensions: ExtensionMap,
  now: number,
): number {
  const extensionBytes = extensions.write(
    out,
    FIXED_HEADER_BYTES,
    source,
    packet.transportSequence,
    now,
    packet.activeTargets,
    packet.targetCount,
    packet.playoutDelay,
    packet.frameOffset,
  );
  out[0] = extensionBytes > 0 ? 0x90 : 0x80;
  const marker = (source.marker || packet.setsMarker) && !packet.empty;
  out[1] = (marker ? 0x80 : 0) | packet.payloadType;
  out[2] = (packet.sequence >> 8) & 0xff;
  out[3] = packet.sequence & 0xff;
  writeUint32(out, 4, packet.timestamp);
  writeUint32(out, 8, packet.ssrc);
  let at = packet.headerLength = FIXED_HEADER_BYTES + extensionBytes;
  if (packet.originalSequence >= 0) {
    out[at++] = (packet.originalSequence >> 8) & 0xff;
    out[at++] = packet.originalSequence & 0xff;
  }
  return at;
}
