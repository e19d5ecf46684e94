/**
 * Opus: each packet is a frame (RFC 7587 §4.2).
 *
 * @module
 */
import type { EncodedFrame, FrameAssembly } from "./encoded_frame.ts";

/** Samples of one frame at 48 kHz by the configuration number of its first byte (RFC 6716 §3.1). */
const SAMPLES: readonly number[] = [
  ...[480, 960, 1920, 2880, 480, 960, 1920, 2880, 480, 960, 1920, 2880],
  ...[480, 960, 480, 960],
  ...[120, 240, 480, 960, 120, 240, 480, 960, 120, 240, 480, 960, 120, 240, 480, 960],
];
/** No packet is longer (RFC 6716 §3.2.5). */
const MAX_OPUS_SAMPLES = 5760;

/** How long a packet sounds, samples at 48 kHz; 0 if it is none (RFC 6716 §3.1, §3.2). */
export function opusSamples(packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  const toc = packet[0]!;
  const perFrame = SAMPLES[toc >> 3]!;
  const code = toc & 3;
  if (code === 3 && packet.length < 2) return 0;
  const frames = code === 0 ? 1 : code === 3 ? packet[1]! & 0x3f : 2;
  const samples = perFrame * frames;
  return samples > MAX_OPUS_SAMPLES ? 0 : samples;
}

/** Payloads as frames; what is no Opus packet is left out. */
export class OpusFrames implements FrameAssembly {
  push(
    bytes: Uint8Array,
    offset: number,
    length: number,
    timestamp: number,
  ): EncodedFrame | undefined {
    const data = bytes.slice(offset, offset + length) as Uint8Array<ArrayBuffer>;
    if (opusSamples(data) === 0) return undefined;
    return { data, timestamp, isKey: true, width: 0, height: 0 };
  }

  gap(): void {}
}
