/**
 * One packet on its way to one subscriber, as what differs from the cached one.
 *
 * @module
 */
import {
  type NumberedPacket,
  PACKET_KIND,
  type PacketKind,
  type SealedStream,
} from "../../base/packet_sink.ts";

const NO_SOURCE = new Uint8Array(0);

/**
 * What differs from the cached packet, and then where the packet written is; one per down-track,
 * filled anew for each packet.
 */
export class OutgoingPacket implements NumberedPacket {
  isVideo = false;
  payloadType = 0;
  /** Extended; the low 16 bits are written. */
  sequence = 0;
  /** As signed 32 bits: V8 makes an object of what is above them. */
  timestamp = 0;
  ssrc = 0;
  /** Write no payload: the packet only fills its number. */
  empty = false;
  /** Bytes of padding of a packet that is nothing else. */
  padding = 0;
  /** The payload, where it is not the cached packet's; valid while the packet is being sent. */
  payload: Uint8Array | undefined = undefined;
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
  packetKind: PacketKind = PACKET_KIND.media;
  /** Set the marker though the source's is not: the rest of the picture is left out. */
  setsMarker = false;
  /** Decode targets to announce in the dependency descriptor, or -1 to leave it as it is. */
  activeTargets = -1;
  /** Decode targets there are. */
  targetCount = 0;
  /** What is added to the frame's number in the dependency descriptor, 16 bits. */
  frameOffset = 0;
  /** Playout delay to announce, 24 bits, or -1. */
  playoutDelay = -1;
  /** The subscriber's decoder would get what clients put behind a frame: it is left out. */
  stripsTrailer = false;
  // The rest is set by `writePacket`.
  headerLength = 0;
  written = 0;
  /** The sink's own. */
  sealing: SealedStream | undefined = undefined;
  source: Uint8Array = NO_SOURCE;
  sourceAt = 0;
  sourceLength = 0;

  /** Nothing of the payload or its descriptors is rewritten. */
  asReceived(): void {
    this.pictureId = -1;
    this.setsMarker = false;
    this.activeTargets = -1;
    this.frameOffset = 0;
  }

  /** The payload is written as it is. */
  wholePayload(): void {
    this.payload = undefined;
    this.payloadSkip = 0;
    this.payloadBytes = -1;
  }
}
