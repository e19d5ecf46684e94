/**
 * What is in RTMP's audio and video messages: tags of FLV (Adobe's "Video File Format", 10.1, annex
 * E), and of enhanced RTMP (Veovera's "Enhanced RTMP", 2) with codecs by their four letters.
 *
 * Total: what is malformed gives `undefined`.
 *
 * @module
 */
import { readUint24 } from "./big_endian.ts";

/** One tag; `data` lies within the message. */
export interface FlvTag {
  /** In lower case: `avc1`, `av01`, `hvc1`, `opus`, `mp4a`; others by number: `video 2`. */
  readonly codec: string;
  /** `config`: what a decoder needs before anything else. */
  readonly part: "config" | "frame" | "other";
  readonly isKey: boolean;
  /** How much later the picture is shown than it is decoded, ms. */
  readonly compositionMs: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

const KEY_FRAME = 1;
const AVC = 7;
const AAC = 10;
/** A sound format that says that four letters follow. */
const EXTENDED_SOUND = 9;
const SOUND_NAMES: Readonly<Record<number, string>> = {
  2: "mp3",
  7: "pcma",
  8: "pcmu",
  11: "speex",
};
/** Packet types of enhanced RTMP, the same for sound and pictures. */
const PACKET = { start: 0, frames: 1, end: 2, framesWithoutOffset: 3 } as const;

/** Reads a video message. */
export function readVideoTag(bytes: Uint8Array<ArrayBuffer>): FlvTag | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  const isKey = ((first >> 4) & 7) === KEY_FRAME;
  if ((first & 0x80) !== 0) return extendedVideo(bytes, first & 0x0f, isKey);
  const codec = first & 0x0f;
  if (codec !== AVC) {
    return { codec: `video ${codec}`, part: "other", isKey, compositionMs: 0, data: bytes };
  }
  if (bytes.length < 5) return undefined;
  const part = bytes[1] === 0 ? "config" : bytes[1] === 1 ? "frame" : "other";
  return { codec: "avc1", part, isKey, compositionMs: offset(bytes, 2), data: bytes.subarray(5) };
}

function extendedVideo(
  bytes: Uint8Array<ArrayBuffer>,
  packet: number,
  isKey: boolean,
): FlvTag | undefined {
  const codec = fourLetters(bytes);
  if (codec === undefined) return undefined;
  const hasOffset = packet === PACKET.frames && (codec === "avc1" || codec === "hvc1");
  if (hasOffset && bytes.length < 8) return undefined;
  return {
    codec,
    part: packet === PACKET.start
      ? "config"
      : packet === PACKET.frames || packet === PACKET.framesWithoutOffset
      ? "frame"
      : "other",
    isKey,
    compositionMs: hasOffset ? offset(bytes, 5) : 0,
    data: bytes.subarray(hasOffset ? 8 : 5),
  };
}

/** Reads an audio message. */
export function readAudioTag(bytes: Uint8Array<ArrayBuffer>): FlvTag | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  const common = { isKey: true, compositionMs: 0 };
  const format = first >> 4;
  if (format === EXTENDED_SOUND) {
    const codec = fourLetters(bytes);
    const packet = first & 0x0f;
    if (codec === undefined) return undefined;
    const part = packet === PACKET.start ? "config" : packet === PACKET.frames ? "frame" : "other";
    return { ...common, codec, part, data: bytes.subarray(5) };
  }
  if (format === AAC) {
    if (bytes.length < 2) return undefined;
    const part = bytes[1] === 0 ? "config" : "frame";
    return { ...common, codec: "mp4a", part, data: bytes.subarray(2) };
  }
  const codec = SOUND_NAMES[format] ?? `sound ${format}`;
  return { ...common, codec, part: "other", data: bytes.subarray(1) };
}

function fourLetters(bytes: Uint8Array): string | undefined {
  if (bytes.length < 5) return undefined;
  const text = String.fromCharCode(...bytes.subarray(1, 5));
  return /^[\x21-\x7e]+$/.test(text) ? text.toLowerCase() : undefined;
}

/** 24 bits, signed. */
function offset(bytes: Uint8Array, at: number): number {
  return (readUint24(bytes, at) << 8) >> 8;
}
