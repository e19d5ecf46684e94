/**
 * How large the pictures of a video stream are, as its key frames say: VP8 (RFC 7741 §4.3, RFC 6386
 * §9.1), H.264 (ITU-T H.264 §7.3.2.1.1), VP9 (RFC 9628 §4.2.1) and AV1 (AV1 specification §5.5).
 *
 * Total: what cannot be read leaves the last size. Called for key frames only, so it may take its
 * time; it allocates nothing.
 *
 * @module
 */
import { BitReader } from "./bit_reader.ts";
import { CODEC, type CodecFamily } from "./key_frame.ts";
import type { Vp8Descriptor } from "./vp8_descriptor.ts";
import type { Vp9Descriptor } from "./vp9_descriptor.ts";

/** Sizes beyond this are no pictures, pixels. */
const MAX_SIDE = 16_384;
const H264_SPS = 7;
const H264_STAP_A = 24;
/** H.264 profiles with the fields of High (§7.3.2.1.1). */
const HIGH_PROFILES: readonly number[] = [
  100,
  110,
  122,
  244,
  44,
  83,
  86,
  118,
  128,
  138,
  139,
  134,
  135,
];
/** Bytes of a sequence parameter set that are looked at; the size is among the first. */
const MAX_SPS_BYTES = 512;
const AV1_SEQUENCE_HEADER = 1;

const reader = new BitReader();
const unescaped = new Uint8Array(MAX_SPS_BYTES);

/** The size last read, pixels; 0 before the first. */
export class FrameSize {
  width = 0;
  height = 0;

  /** Another stream begins. */
  forget(): void {
    this.width = 0;
    this.height = 0;
  }

  /**
   * Reads the payload `bytes[offset, offset + length)`, which starts a key frame.
   *
   * @param vp8 Already parsed for this packet if the family is VP8, and `vp9` likewise.
   */
  read(
    family: CodecFamily,
    bytes: Uint8Array,
    offset: number,
    length: number,
    vp8: Vp8Descriptor,
    vp9: Vp9Descriptor,
  ): void {
    switch (family) {
      case CODEC.vp8:
        return this.#readVp8(bytes, offset + vp8.headerLength, offset + length);
      case CODEC.vp9:
        return this.#set(vp9.width, vp9.height);
      case CODEC.h264:
        return this.#readH264(bytes, offset, length);
      case CODEC.av1:
        return this.#readAv1(bytes, offset, length);
    }
  }

  #set(width: number, height: number): void {
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) return;
    this.width = width;
    this.height = height;
  }

  #readVp8(bytes: Uint8Array, at: number, end: number): void {
    if (at + 10 > end) return;
    // An encrypted payload has no start code.
    if (bytes[at + 3] !== 0x9d || bytes[at + 4] !== 0x01 || bytes[at + 5] !== 0x2a) return;
    const width = bytes[at + 6]! | (bytes[at + 7]! << 8);
    const height = bytes[at + 8]! | (bytes[at + 9]! << 8);
    this.#set(width & 0x3fff, height & 0x3fff);
  }

  #readH264(bytes: Uint8Array, offset: number, length: number): void {
    const end = offset + length;
    if (length < 2) return;
    if ((bytes[offset]! & 0x1f) !== H264_STAP_A) return this.#readSps(bytes, offset, end);
    for (let at = offset + 1; at + 2 < end;) {
      const size = (bytes[at]! << 8) | bytes[at + 1]!;
      if (size === 0 || at + 2 + size > end) return;
      this.#readSps(bytes, at + 2, at + 2 + size);
      at += 2 + size;
    }
  }

  #readSps(bytes: Uint8Array, from: number, end: number): void {
    if ((bytes[from]! & 0x1f) !== H264_SPS) return;
    const length = unescape(bytes, from + 1, end);
    reader.begin(unescaped, 0, length);
    const profile = reader.read(8);
    reader.skip(16);
    readUe();
    let chromaFormat = 1;
    if (HIGH_PROFILES.includes(profile)) {
      chromaFormat = readUe();
      if (chromaFormat === 3) reader.skip(1);
      readUe();
      readUe();
      reader.skip(1);
      if (reader.read(1) === 1) skipScalingLists(chromaFormat === 3 ? 12 : 8);
    }
    readUe();
    const orderType = readUe();
    if (orderType === 0) readUe();
    else if (orderType === 1) skipOrderCycle();
    readUe();
    reader.skip(1);
    const widthInMbs = readUe() + 1;
    const heightInUnits = readUe() + 1;
    const frameMbsOnly = reader.read(1);
    if (frameMbsOnly === 0) reader.skip(1);
    reader.skip(1);
    let width = widthInMbs * 16;
    let height = heightInUnits * 16 * (2 - frameMbsOnly);
    if (reader.read(1) === 1) {
      const unitX = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
      const unitY = (chromaFormat === 1 ? 2 : 1) * (2 - frameMbsOnly);
      width -= unitX * (readUe() + readUe());
      height -= unitY * (readUe() + readUe());
    }
    if (!reader.overrun) this.#set(width, height);
  }

  /** The sequence header is the first unit of a coded video sequence (RTP payload for AV1, §5). */
  #readAv1(bytes: Uint8Array, offset: number, length: number): void {
    const end = offset + length;
    let at = offset + 1;
    // One element that fills the packet has no length before it.
    if ((bytes[offset]! & 0x30) !== 0x10) at = skipLeb128(bytes, at, end);
    // Temporal delimiters are not sent (§5): what is not a header here has none.
    if (at >= end || ((bytes[at]! >> 3) & 0x0f) !== AV1_SEQUENCE_HEADER) return;
    const header = bytes[at]!;
    at += (header & 0x04) !== 0 ? 2 : 1;
    if ((header & 0x02) !== 0) at = skipLeb128(bytes, at, end);
    if (at >= end) return;
    reader.begin(bytes, at, end - at);
    reader.skip(4);
    if (reader.read(1) === 1) reader.skip(5);
    else skipAv1OperatingPoints();
    const widthBits = reader.read(4) + 1;
    const heightBits = reader.read(4) + 1;
    const width = reader.read(widthBits) + 1;
    const height = reader.read(heightBits) + 1;
    if (!reader.overrun) this.#set(width, height);
  }
}

/** Copies without the emulation prevention bytes (§7.4.1.1). @returns How many bytes. */
function unescape(bytes: Uint8Array, from: number, end: number): number {
  let length = 0;
  let zeros = 0;
  for (let at = from; at < end && length < MAX_SPS_BYTES; at++) {
    const byte = bytes[at]!;
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    unescaped[length++] = byte;
  }
  return length;
}

/** An unsigned Exp-Golomb number (§9.1), at most 30 bits. */
function readUe(): number {
  let zeros = 0;
  while (!reader.overrun && zeros < 30 && reader.read(1) === 0) zeros++;
  return (1 << zeros) - 1 + reader.read(zeros);
}

function readSe(): number {
  const value = readUe();
  return (value & 1) === 1 ? (value + 1) >> 1 : -(value >> 1);
}

function skipScalingLists(count: number): void {
  for (let list = 0; list < count && !reader.overrun; list++) {
    if (reader.read(1) === 0) continue;
    let last = 8;
    let next = 8;
    for (let at = 0; at < (list < 6 ? 16 : 64) && !reader.overrun; at++) {
      if (next !== 0) next = (last + readSe() + 256) % 256;
      if (next !== 0) last = next;
    }
  }
}

function skipOrderCycle(): void {
  reader.skip(1);
  readUe();
  readUe();
  for (let left = readUe(); left > 0 && !reader.overrun; left--) readUe();
}

function skipAv1OperatingPoints(): void {
  let delayBits = 0;
  if (reader.read(1) === 1) {
    reader.skip(64);
    if (reader.read(1) === 1) readUe();
    if (reader.read(1) === 1) {
      delayBits = reader.read(5) + 1;
      reader.skip(42);
    }
  }
  const hasDisplayDelay = reader.read(1) === 1;
  for (let left = reader.read(5) + 1; left > 0 && !reader.overrun; left--) {
    reader.skip(12);
    if (reader.read(5) > 7) reader.skip(1);
    if (delayBits > 0 && reader.read(1) === 1) reader.skip(2 * delayBits + 1);
    if (hasDisplayDelay && reader.read(1) === 1) reader.skip(4);
  }
}

function skipLeb128(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at]! & 0x80) !== 0) at++;
  return at + 1;
}
