/**
 * VP9 pictures out of RTP (RFC 9628 §4). The frames of all spatial layers of a picture become one,
 * with the index behind them that decoders find them by (VP9 bitstream specification, annex B).
 *
 * @module
 */
import { BitReader } from "../../wire/bit_reader.ts";
import { Vp9Descriptor } from "../../wire/vp9_descriptor.ts";
import { type EncodedFrame, type FrameAssembly } from "./encoded_frame.ts";
import { GrowingBytes } from "./growing_bytes.ts";

/** Frames that an index can name. */
const MAX_FRAMES = 8;

/** A picture begins with the first packet of its base layer and ends with the marker. */
export class Vp9Frames implements FrameAssembly {
  readonly #descriptor = new Vp9Descriptor();
  readonly #bytes = new GrowingBytes();
  readonly #header = new BitReader();
  /** Where each frame of the picture ends. */
  #ends: number[] = [];
  #isOpen = false;
  #isKey = false;
  #timestamp = 0;

  push(
    bytes: Uint8Array,
    offset: number,
    length: number,
    timestamp: number,
    marker: boolean,
  ): EncodedFrame | undefined {
    const descriptor = this.#descriptor;
    const header = vp9HeaderLength(bytes, offset, length);
    if (!descriptor.parse(bytes, offset, length) || header < 0) {
      this.gap();
      return undefined;
    }
    if (timestamp !== this.#timestamp || !this.#isOpen) {
      this.#isOpen = descriptor.startOfFrame;
      this.#timestamp = timestamp;
      this.#bytes.clear();
      this.#ends = [];
      this.#isKey = descriptor.keyFrameStart;
    }
    if (!this.#isOpen) return undefined;
    this.#bytes.append(bytes, offset + header, offset + length);
    // One too many says enough: a picture may never end.
    const isEnd = descriptor.endOfFrame || marker;
    if (isEnd && this.#ends.length <= MAX_FRAMES) this.#ends.push(this.#bytes.length);
    return marker ? this.#complete(timestamp) : undefined;
  }

  gap(): void {
    this.#isOpen = false;
  }

  #complete(timestamp: number): EncodedFrame | undefined {
    this.#isOpen = false;
    const { overflowed, length } = this.#bytes;
    if (overflowed || length === 0 || this.#ends.length > MAX_FRAMES) return undefined;
    const size = this.#isKey ? this.#sizeOf(this.#ends) : { width: 0, height: 0 };
    if (this.#ends.length > 1) this.#appendIndex();
    return { data: this.#bytes.take(), timestamp, isKey: this.#isKey, ...size };
  }

  /** The superframe index: lengths in as few bytes as the longest takes, low bytes first. */
  #appendIndex(): void {
    const lengths = this.#ends.map((end, i) => end - (this.#ends[i - 1] ?? 0));
    const width = Math.ceil((32 - Math.clz32(Math.max(...lengths))) / 8);
    const marker = 0b1100_0000 | ((width - 1) << 3) | (lengths.length - 1);
    this.#bytes.appendByte(marker);
    for (const length of lengths) {
      for (let i = 0; i < width; i++) this.#bytes.appendByte((length >>> (8 * i)) & 0xff);
    }
    this.#bytes.appendByte(marker);
  }

  /** Of the largest frame, as its own header says; a layer that is none says nothing. */
  #sizeOf(ends: readonly number[]): { width: number; height: number } {
    let best = { width: 0, height: 0 };
    let from = 0;
    for (const end of ends) {
      const size = keyFrameSize(this.#header, this.#bytes.view, from, end);
      if (size !== undefined && size.width > best.width) best = size;
      from = end;
    }
    return best;
  }
}

/** Bytes of the payload descriptor; -1 if it is cut short (RFC 9628 §4.2). */
export function vp9HeaderLength(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length;
  if (length < 1 || end > bytes.length) return -1;
  const flags = bytes[offset]!;
  const isFlexible = (flags & 0x10) !== 0;
  let at = offset + 1;
  if ((flags & 0x80) !== 0) at += (bytes[at] ?? 0) & 0x80 ? 2 : 1;
  if ((flags & 0x20) !== 0) at += isFlexible ? 1 : 2;
  if (isFlexible && (flags & 0x40) !== 0) {
    for (let i = 0; i < 3 && at < end; i++) if ((bytes[at++]! & 0x01) === 0) break;
  }
  if ((flags & 0x02) !== 0) at = structureEnd(bytes, at, end);
  return at < end ? at - offset : -1;
}

/** Behind the scalability structure (RFC 9628 §4.2.1). */
function structureEnd(bytes: Uint8Array, from: number, end: number): number {
  if (from >= end) return end;
  const head = bytes[from]!;
  let at = from + 1;
  if ((head & 0x10) !== 0) at += 4 * ((head >> 5) + 1);
  if ((head & 0x08) === 0) return at;
  if (at >= end) return end;
  for (let pictures = bytes[at++]!; pictures > 0 && at < end; pictures--) {
    at += 1 + ((bytes[at]! >> 2) & 0x03);
  }
  return at;
}

/** The size in an uncompressed header (VP9 specification §6.2); `undefined` if it has none. */
function keyFrameSize(
  reader: BitReader,
  bytes: Uint8Array,
  from: number,
  end: number,
): { width: number; height: number } | undefined {
  reader.begin(bytes, from, end - from);
  if (reader.read(2) !== 2) return undefined;
  const profile = reader.read(1) | (reader.read(1) << 1);
  if (profile === 3) reader.skip(1);
  if (reader.read(1) === 1) return undefined;
  const isInter = reader.read(1) === 1;
  reader.skip(2);
  if (isInter || reader.read(24) !== 0x498342) return undefined;
  if (profile >= 2) reader.skip(1);
  const isRgb = reader.read(3) === 7;
  if (!isRgb) reader.skip(profile === 1 || profile === 3 ? 4 : 1);
  else if (profile === 1 || profile === 3) reader.skip(1);
  const width = reader.read(16) + 1;
  const height = reader.read(16) + 1;
  return reader.overrun ? undefined : { width, height };
}
