/**
 * What H.264 and AV1 have in common: everything with one timestamp is a frame, which ends with the
 * marker, units may be cut into fragments, and decoders have to know parameters before a key frame.
 *
 * @module
 */
import { FrameSize } from "../../wire/frame_size.ts";
import type { CodecFamily } from "../../wire/key_frame.ts";
import { Vp8Descriptor } from "../../wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../wire/vp9_descriptor.ts";
import type { EncodedFrame, FrameAssembly } from "./encoded_frame.ts";
import { GrowingBytes } from "./growing_bytes.ts";

/** Longer parameter sets are none of a call's. */
export const MAX_PARAMETER_SET = 512;
const NO_VP8 = new Vp8Descriptor();
const NO_VP9 = new Vp9Descriptor();

/** A unit that decoders have to know before a key frame, as last sent. */
export class ParameterSet {
  /** Absent before the first. */
  bytes: Uint8Array<ArrayBuffer> | undefined;

  /** Takes `bytes[from, end)`. @returns Whether it is another one than before. */
  note(bytes: Uint8Array, from: number, end: number): boolean {
    if (end - from > MAX_PARAMETER_SET || this.#is(bytes, from, end)) return false;
    this.bytes = bytes.slice(from, end) as Uint8Array<ArrayBuffer>;
    return true;
  }

  #is(bytes: Uint8Array, from: number, end: number): boolean {
    const known = this.bytes;
    if (known?.length !== end - from) return false;
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false;
    return true;
  }
}

/** Puts the units of frames together that a codec takes out of its payloads. */
export abstract class MarkedFrames implements FrameAssembly {
  /** What the frame is so far. */
  protected readonly frame = new GrowingBytes();
  protected isKey = false;
  /** A unit has begun that goes on in the next packet. */
  protected hasFragment = false;
  /** Parameters have come that are others than those last told. */
  #isConfigNew = false;
  readonly #size = new FrameSize();
  /** -1 before the first. */
  #timestamp = -1;
  #isBroken = true;
  /** Packets are missing before the next frame, or before this one: its first may be among them. */
  #isAfterGap = true;
  #isSuspect = false;

  push(
    bytes: Uint8Array,
    offset: number,
    length: number,
    timestamp: number,
    marker: boolean,
  ): EncodedFrame | undefined {
    if (timestamp !== this.#timestamp) this.#begin(timestamp);
    if (!this.take(bytes, offset, offset + length)) this.#isBroken = true;
    if (!marker) return undefined;
    const frame = this.#complete(timestamp);
    this.#begin(timestamp);
    return frame;
  }

  gap(): void {
    this.#isBroken = this.#isAfterGap = true;
    this.hasFragment = false;
  }

  /** Takes the payload `bytes[from, end)`. @returns Whether it could be read. */
  protected abstract take(bytes: Uint8Array, from: number, end: number): boolean;

  /** Every parameter that decoders need has come. */
  protected abstract get hasConfig(): boolean;

  /** The parameters as files have them, with {@linkcode MarkedFrames.readSize} on the way. */
  protected abstract readConfig(): Uint8Array<ArrayBuffer>;

  /** Only the first packet of a key frame has what has just come: nothing of it is missing. */
  protected seeStart(): void {
    this.#isSuspect = false;
  }

  protected note(set: ParameterSet, bytes: Uint8Array, from: number, end: number): void {
    if (set.note(bytes, from, end)) this.#isConfigNew = true;
  }

  /** @param payload One with parameters. */
  protected readSize(family: CodecFamily, payload: Uint8Array): void {
    this.#size.read(family, payload, 0, payload.length, NO_VP8, NO_VP9);
  }

  #begin(timestamp: number): void {
    this.#timestamp = timestamp;
    this.frame.clear();
    this.#isBroken = this.isKey = this.hasFragment = false;
    this.#isSuspect = this.#isAfterGap;
    this.#isAfterGap = false;
  }

  #complete(timestamp: number): EncodedFrame | undefined {
    const { isKey, frame: { overflowed, length } } = this;
    if (this.#isSuspect || this.#isBroken || this.hasFragment) return undefined;
    if (overflowed || length === 0 || isKey && !this.hasConfig) return undefined;
    // Once a frame: a packet of nothing else has room for two hundred of them.
    const news = isKey && this.#isConfigNew ? { decoderConfig: this.readConfig() } : {};
    if (isKey) this.#isConfigNew = false;
    const { width, height } = isKey ? this.#size : { width: 0, height: 0 };
    return { data: this.frame.take(), timestamp, isKey, width, height, ...news };
  }
}
