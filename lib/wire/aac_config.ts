/**
 * AAC as RTMP has it (`AudioSpecificConfig`, ISO/IEC 14496-3 §1.6.2.1), and as a stream of its own
 * that says of each frame what it is (ADTS, §1.A.2).
 *
 * @module
 */

/** Hertz, by the number that stands for them. */
const RATES: readonly number[] = [
  96_000,
  88_200,
  64_000,
  48_000,
  44_100,
  32_000,
  24_000,
  22_050,
  16_000,
  12_000,
  11_025,
  8_000,
  7_350,
];
const LOW_COMPLEXITY = 2;
const HEADER_BYTES = 7;
/** Samples of a frame. */
export const AAC_FRAME_SAMPLES = 1024;

/** What a decoder has to know of it. */
export interface AacConfig {
  readonly rateIndex: number;
  readonly sampleRate: number;
  readonly channels: number;
}

/** Reads a configuration; `undefined` for all but the usual kind (LC) with 1 to 7 channels. */
export function readAacConfig(bytes: Uint8Array): AacConfig | undefined {
  if (bytes.length < 2) return undefined;
  const kind = bytes[0]! >> 3;
  const rateIndex = (bytes[0]! & 7) << 1 | bytes[1]! >> 7;
  const channels = bytes[1]! >> 3 & 0x0f;
  const sampleRate = RATES[rateIndex];
  if (kind !== LOW_COMPLEXITY || sampleRate === undefined) return undefined;
  return channels < 1 || channels > 7 ? undefined : { rateIndex, sampleRate, channels };
}

/** A frame behind its header; `undefined` if it is too long for one. */
export function adtsFrame(
  { rateIndex, channels }: AacConfig,
  frame: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const length = HEADER_BYTES + frame.length;
  if (length >= 0x2000) return undefined;
  const out = new Uint8Array(length);
  out[0] = 0xff;
  out[1] = 0xf1;
  out[2] = (LOW_COMPLEXITY - 1) << 6 | rateIndex << 2 | channels >> 2;
  out[3] = (channels & 3) << 6 | length >> 11;
  out[4] = length >> 3 & 0xff;
  out[5] = (length & 7) << 5 | 0x1f;
  out[6] = 0xfc;
  out.set(frame, HEADER_BYTES);
  return out;
}
