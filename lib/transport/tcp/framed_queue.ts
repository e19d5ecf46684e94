/**
 * Frames of ICE over TCP (RFC 4571 §2) in the queue of a stream.
 *
 * @module
 */
import { datagramKind } from "../../wire/datagram_kind.ts";
import { FRAME_HEADER_BYTES, writeFrameHeader } from "../../wire/stream_framing.ts";
import { SendKind } from "../datagrams/datagrams.ts";
import { NO_STREAM, type QueueLimits, type QueueRefusal } from "./stream_queue.ts";
import type { StreamWriter } from "./stream_writer.ts";

/** Where a packet names its stream (RFC 3550 §5.1). */
const SSRC_AT = 8;

/** The video that a packet at `at` is of. */
export function videoStreamAt(bytes: Uint8Array, at: number): number {
  const i = at + SSRC_AT;
  return (bytes[i]! << 24 | bytes[i + 1]! << 16 | bytes[i + 2]! << 8 | bytes[i + 3]!) >>> 0;
}

/** What a packet is that nobody said of what it is: RTP may be video. */
export function kindByBytes(bytes: Uint8Array, length: number): SendKind {
  return datagramKind(bytes, length) === "rtp" ? SendKind.video : SendKind.other;
}

/**
 * Queues `bytes[0, length)` as one frame; video gives way to a slow reader. Nothing is written
 * before {@linkcode StreamWriter.start}.
 *
 * @returns Why it was not queued, if it was not.
 */
export function queueFrame(
  writer: StreamWriter,
  bytes: Uint8Array,
  length: number,
  limits: QueueLimits,
  kind: SendKind,
): QueueRefusal | undefined {
  const stream = kind === SendKind.video ? videoStreamAt(bytes, 0) : NO_STREAM;
  const at = writer.claim(FRAME_HEADER_BYTES + length, limits, kind, stream);
  if (typeof at === "string") return at;
  writeFrameHeader(writer.bytes, at, length);
  writer.bytes.set(bytes.subarray(0, length), at + FRAME_HEADER_BYTES);
  return undefined;
}
