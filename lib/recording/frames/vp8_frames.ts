/**
 * VP8 frames out of RTP (RFC 7741 §4).
 *
 * @module
 */
import { FrameSize } from "../../wire/frame_size.ts";
import { CODEC } from "../../wire/key_frame.ts";
import { Vp8Descriptor } from "../../wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../wire/vp9_descriptor.ts";
import type { EncodedFrame, FrameAssembly } from "./encoded_frame.ts";
import { GrowingBytes } from "./growing_bytes.ts";

const NO_VP9 = new Vp9Descriptor();

/** A frame begins with partition 0 and ends with the marker. */
export class Vp8Frames implements FrameAssembly {
  readonly #descriptor = new Vp8Descriptor();
  readonly #size = new FrameSize();
  readonly #bytes = new GrowingBytes();
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
    if (!descriptor.parse(bytes, offset, length)) {
      this.gap();
      return undefined;
    }
    if (descriptor.startOfPartition && descriptor.partitionIndex === 0) {
      this.#begin(bytes, offset, length, timestamp);
    } else if (this.#timestamp !== timestamp) this.gap();
    if (!this.#isOpen) return undefined;
    this.#bytes.append(bytes, offset + descriptor.headerLength, offset + length);
    if (!marker) return undefined;
    this.#isOpen = false;
    if (this.#bytes.overflowed) return undefined;
    const { width, height } = this.#isKey ? this.#size : { width: 0, height: 0 };
    return { data: this.#bytes.take(), timestamp, isKey: this.#isKey, width, height };
  }

  gap(): void {
    this.#isOpen = false;
  }

  #begin(bytes: Uint8Array, offset: number, length: number, timestamp: number): void {
    const descriptor = this.#descriptor;
    this.#bytes.clear();
    this.#isOpen = true;
    this.#timestamp = timestamp;
    this.#isKey = descriptor.keyFrameStart;
    if (this.#isKey) this.#size.read(CODEC.vp8, bytes, offset, length, descriptor, NO_VP9);
  }
}
