/**
 * Frames of ICE over TCP (RFC 4571 §2) in the queue of a stream.
 *
 * @module
 */
import { datagramKind } from "../../wire/datagram_kind.ts";
import { FRAME_HEADER_BYTES, writeFrameHeader } from "../../wire/stream_framing.ts";
import type { QueueLimits, QueueRefusal, StreamWriter } from "./stream_writer.ts";

/**
 * Queues `bytes[0, length)` as one frame; RTP gives way to a slow reader. Nothing is written before
 * {@linkcode StreamWriter.start}.
 *
 * @returns Why it was not queued, if it was not.
 */
export function queueFrame(
  writer: StreamWriter,
  bytes: Uint8Array,
  length: number,
  limits: QueueLimits,
): QueueRefusal | undefined {
  const mayGiveWay = datagramKind(bytes, length) === "rtp";
  const at = writer.claimWithin(FRAME_HEADER_BYTES + length, limits, mayGiveWay);
  if (typeof at === "string") return at;
  writeFrameHeader(writer.bytes, at, length);
  writer.bytes.set(bytes.subarray(0, length), at + FRAME_HEADER_BYTES);
  return undefined;
}
