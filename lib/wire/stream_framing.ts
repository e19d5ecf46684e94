/**
 * Datagrams over a byte stream (RFC 4571 §2): a 16-bit big-endian length before each.
 *
 * A splitter owns one buffer of a size fixed at construction; however the stream is cut into chunks
 * and whatever lengths it claims, nothing more is allocated.
 *
 * @module
 */

/** Bytes before each frame. */
export const FRAME_HEADER_BYTES = 2;

/** Writes the header of a frame of `length` bytes (at most 65,535) at `at`. */
export function writeFrameHeader(out: Uint8Array, at: number, length: number): void {
  out[at] = length >>> 8;
  out[at + 1] = length;
}

/** Cuts one direction of one stream into frames. */
export class FrameSplitter {
  readonly #frame: Uint8Array;
  /** Length bytes read so far (0 or 1), or 2 while a frame's content is awaited. */
  #headerBytes = 0;
  #expected = 0;
  #received = 0;
  #broken = false;

  /** @param maxFrameBytes A longer frame ends the stream; also the size of the one buffer. */
  constructor(maxFrameBytes: number) {
    this.#frame = new Uint8Array(maxFrameBytes);
  }

  /**
   * Takes the next `length` bytes of the stream and hands out each frame they complete, in order.
   *
   * `onFrame` gets the splitter's own buffer: valid, and free to be changed in place, during the
   * call. Empty frames are skipped.
   *
   * @returns `false` once a frame was announced that is too long; the stream cannot be read on, and
   *   everything later is ignored.
   */
  push(
    chunk: Uint8Array,
    length: number,
    onFrame: (bytes: Uint8Array, length: number) => void,
  ): boolean {
    let at = 0;
    while (at < length && !this.#broken) {
      if (this.#headerBytes < FRAME_HEADER_BYTES) {
        this.#expected = (this.#expected << 8) | chunk[at++]!;
        if (++this.#headerBytes < FRAME_HEADER_BYTES) continue;
        this.#received = 0;
        if (this.#expected > this.#frame.length) this.#broken = true;
        if (this.#expected === 0) this.#headerBytes = 0;
        continue;
      }
      const take = Math.min(this.#expected - this.#received, length - at);
      this.#frame.set(chunk.subarray(at, at + take), this.#received);
      this.#received += take;
      at += take;
      if (this.#received < this.#expected) continue;
      const size = this.#expected;
      this.#headerBytes = 0;
      this.#expected = 0;
      onFrame(this.#frame, size);
    }
    return !this.#broken;
  }
}
