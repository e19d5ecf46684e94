/**
 * Reads of a packet's payload and dependency descriptor what all subscribers need to know.
 *
 * @module
 */
import { CODEC, isKeyFrameStart } from "../../wire/key_frame.ts";
import { copiedBytes } from "../../wire/red_payload.ts";
import type { SourcePacket } from "./source_packet.ts";
import { SVC } from "../layer/svc_stream.ts";

/** Of a payload descriptor that names neither pictures nor layers (RFC 7741 §4.2). */
const BARE_VP8_BYTES = 1;

/**
 * Fills the packet's payload fields, of which {@linkcode placeInStream} needs some; its view, layer
 * and number are set already. Changes nothing but the packet, and the size its layer is known to
 * have.
 *
 * @param descriptorId Id of the dependency descriptor extension, or 0.
 * @returns `false` if the payload is malformed: its number is taken, so it is forwarded as an empty
 *   packet.
 */
export function readPayload(packet: SourcePacket, descriptorId: number): boolean {
  const { layer, view } = packet;
  packet.payloadLength = view.payloadLength;
  packet.keyFrameStart = false;
  packet.svc = SVC.none;
  packet.hasDescriptor = false;
  if (layer.family === CODEC.other || view.payloadLength === 0) return true;
  const { bytes, payloadOffset, payloadLength } = view;
  if (layer.family === CODEC.vp8 && !packet.vp8.parse(bytes, payloadOffset, payloadLength)) {
    packet.payloadLength = 0;
    return false;
  }
  const { descriptor } = packet;
  packet.hasDescriptor = descriptorId !== 0 && descriptor.parse(
    bytes,
    view.extensionOffset(descriptorId),
    view.extensionLength(descriptorId),
  );
  packet.keyFrameStart = isKeyFrameStart(
    layer.family,
    bytes,
    payloadOffset,
    payloadLength,
    packet.vp8,
    packet.vp9,
    packet.hasDescriptor ? descriptor : undefined,
  );
  if (packet.keyFrameStart) {
    const { size, family } = layer;
    size.read(family, bytes, payloadOffset, payloadLength, packet.vp8, packet.vp9);
  }
  return true;
}

/** Whether what the packet says changes how its stream's other packets are to be understood. */
export function changesStream({ keyFrameStart, hasDescriptor, descriptor }: SourcePacket): boolean {
  return keyFrameStart ||
    hasDescriptor && (descriptor.hasTemplateStructure || descriptor.hasActiveDecodeTargets);
}

/** Finds the packet's place among the layers inside its stream, and notes what it says of them. */
export function placeInStream(packet: SourcePacket): void {
  const { layer, descriptor, seq } = packet;
  if (packet.payloadLength === 0) return;
  if (layer.family === CODEC.vp8) {
    // Where VP8 tells of its pictures itself, their numbers have to go on, too.
    if (packet.hasDescriptor && packet.vp8.headerLength === BARE_VP8_BYTES) {
      packet.svc = layer.svc.readDescribed(descriptor, seq);
    }
    return;
  }
  const isVp9 = layer.family === CODEC.vp9;
  if (!isVp9 && layer.family !== CODEC.av1) return;
  packet.svc = packet.hasDescriptor
    ? layer.svc.readDescribed(descriptor, seq)
    : layer.svc.readPlain(isVp9 ? packet.vp9 : undefined, seq);
}

/**
 * Counts the frame that begins with the packet, and its bits.
 *
 * @param rates Whether rates are measured here.
 */
export function measure(packet: SourcePacket, rates: boolean, now: number): void {
  countFrame(packet, now);
  if (rates) countRate(packet, now);
}

/** Counts the packet's bits to the layer inside its stream that it could be left out with. */
function countRate(packet: SourcePacket, now: number): void {
  const { layer, payloadLength, svc, vp8, view: { length } } = packet;
  if (payloadLength === 0) return;
  const { rates } = layer;
  if (svc === SVC.described) {
    rates.count(packet.descriptor.spatialId, packet.descriptor.temporalId, length, now);
  } else if (svc === SVC.vp9) rates.count(packet.vp9.spatialId, packet.vp9.temporalId, length, now);
  else if (layer.isRedundant) {
    // Copies could be left out as a layer could.
    const { bytes, payloadOffset } = packet.view;
    const copied = copiedBytes(bytes, payloadOffset, payloadLength);
    rates.count(0, 0, length - copied, now);
    rates.add(1, copied);
  } else rates.count(0, layer.family === CODEC.vp8 ? vp8.temporalId : 0, length, now);
}

/**
 * Counts the frame that begins with the packet (RFC 7741 §4.2 for VP8), of those in spatial layers
 * the lowest one's; other packets begin none.
 */
function countFrame(packet: SourcePacket, now: number): void {
  const { layer, payloadLength, svc, vp8, vp9, descriptor } = packet;
  if (payloadLength === 0) return;
  const { frameRate } = layer;
  if (svc === SVC.described) {
    if (descriptor.startOfFrame && descriptor.spatialId === 0) {
      frameRate.count(descriptor.temporalId, now);
    }
  } else if (svc === SVC.vp9) {
    if (vp9.startOfFrame && vp9.spatialId === 0) frameRate.count(vp9.temporalId, now);
  } else if (layer.family === CODEC.vp8 && vp8.startOfPartition && vp8.partitionIndex === 0) {
    frameRate.count(vp8.hasTemporalId ? vp8.temporalId : 0, now);
  }
}
