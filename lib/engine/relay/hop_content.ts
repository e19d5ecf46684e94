/**
 * The frames of the next datagram, put together.
 *
 * @module
 */
import { CONTENT_WORDS, FRAME, frameWord } from "./hop_datagram.ts";

/** Frames for one datagram. */
export class HopContent {
  readonly words = new Int32Array(CONTENT_WORDS);
  /** The same memory. */
  readonly bytes = new Uint8Array(this.words.buffer);
  /** Words that are written. */
  length = 0;

  /** Words that are free. */
  get room(): number {
    return CONTENT_WORDS - this.length;
  }

  /** Adds a frame of `count` words, from `words[at]` on. */
  copy(words: Int32Array, at: number, count: number): void {
    const to = this.length;
    for (let i = 0; i < count; i++) this.words[to + i] = words[at + i]!;
    this.length = to + count;
  }
}

/** A datagram that says nothing, and is as long as one can be. */
export const PADDING = new HopContent();
PADDING.copy(Int32Array.of(frameWord(FRAME.padding, 0, CONTENT_WORDS)), 0, 1);
