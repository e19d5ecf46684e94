/**
 * Writes one outgoing packet from a cached one: the same function for the first sending and for every
 * resending, which is why they agree byte for byte.
 *
 * @module
 */
import type { RtpView } from "../wire/rtp_view.ts";
import { type Vp8Descriptor, writeVp8Descriptor } from "../wire/vp8_descriptor.ts";
import type { ExtensionMap } from "./extension_map.ts";
import { SEAL_BYTES } from "./forwarding_ports.ts";
import type { PacketCache } from "./packet_cache.ts";

const FIXED_HEADER_BYTES = 12;

const NO_SOURCE = new Uint8Array(0);

/**
 * What differs from the cached packet, and then where the packet written is; one per down-track,
 * filled anew for each packet.
 */
export class OutgoingPacket {
  /** Video is the first to go where a queue is full. */
  isVideo = false;
  payloadType = 0;
  /** Extended; the low 16 bits are written. */
  sequence = 0;
  timestamp = 0;
  ssrc = 0;
  /** Write no payload: the packet only fills its number. */
  empty = false;
  /** The part of the payload that is written, from its start: bytes left out, and length or -1. */
  payloadSkip = 0;
  payloadBytes = -1;
  /** Original sequence number in front of the payload (RFC 4588 §4), or -1. */
  originalSequence = -1;
  /** VP8 picture id, or -1 to leave the payload as it is. */
  pictureId = -1;
  tl0PicIdx = 0;
  keyIdx = 0;
  transportSequence = -1;
  /** Set the marker though the source's is not: the rest of the picture is left out. */
  setsMarker = false;
  /** Decode targets to announce in the dependency descriptor, or -1 to leave it as it is. */
  activeTargets = -1;
  /** Decode targets there are. */
  targetCount = 0;
  /** Set by {@linkcode writePacket}: bytes of the header, which are not encrypted. */
  headerLength = 0;
  /** Bytes written: the header, and what was rewritten of the payload. */
  written = 0;
  /** The rest of the payload is `source[sourceAt, sourceAt + sourceLength)`. */
  source: Uint8Array = NO_SOURCE;
  sourceAt = 0;
  sourceLength = 0;

  /** Nothing of the payload or its descriptors is rewritten. */
  asReceived(): void {
    this.pictureId = -1;
    this.setsMarker = false;
    this.activeTargets = -1;
  }

  /** The payload is written as it is. */
  wholePayload(): void {
    this.payloadSkip = 0;
    this.payloadBytes = -1;
  }
}

/**
 * Writes the part of the packet that differs from the cached one to the start of `out`, and notes in
 * `packet` where the rest is.
 *
 * @param out As reserved from a sink.
 * @param slot Where the source packet is cached.
 * @param source A view on the source packet's header; its payload offset and length must be those of
 *   the slot.
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
  const extensionBytes = extensions.write(
    out,
    FIXED_HEADER_BYTES,
    source,
    packet.transportSequence,
    now,
    packet.activeTargets,
    packet.targetCount,
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
  packet.written = at;
  packet.source = cache.arena;
  packet.sourceAt = cache.offsetOf(slot) + source.payloadOffset + skip;
  packet.sourceLength = left;
  return at + left + SEAL_BYTES <= out.length;
}

function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = (value >>> 16) & 0xff;
  out[at + 2] = (value >>> 8) & 0xff;
  out[at + 3] = value & 0xff;
}
