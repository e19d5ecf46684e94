/**
 * Reads of a packet's payload and dependency descriptor what all subscribers need to know.
 *
 * @module
 */
import { CODEC, isKeyFrameStart } from "../../wire/key_frame.ts";
import type { SourcePacket } from "./source_packet.ts";
import { SVC } from "../layer/svc_stream.ts";

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
  const isVp9 = layer.family === CODEC.vp9;
  if (packet.payloadLength === 0 || !isVp9 && layer.family !== CODEC.av1) return;
  packet.svc = packet.hasDescriptor
    ? layer.svc.readDescribed(descriptor, seq)
    : layer.svc.readPlain(isVp9 ? packet.vp9 : undefined, seq);
}

/** Counts the packet's bits to the layer inside its stream that it could be left out with. */
export function countRate(packet: SourcePacket, now: number): void {
  const { layer, payloadLength, svc, vp8, view: { length } } = packet;
  if (payloadLength === 0) return;
  const { rates } = layer;
  if (svc === SVC.described) {
    rates.count(packet.descriptor.spatialId, packet.descriptor.temporalId, length, now);
  } else if (svc === SVC.vp9) rates.count(packet.vp9.spatialId, packet.vp9.temporalId, length, now);
  else rates.count(0, layer.family === CODEC.vp8 ? vp8.temporalId : 0, length, now);
}
