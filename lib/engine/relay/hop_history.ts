/**
 * The frames of media that were sent over a hop lately, in the memory that they are sealed from.
 *
 * Contract: memory grows while it holds less than what a second brings, up to what it was given,
 * and shrinks when that is far more than what crosses. A frame never crosses the memory's end.
 *
 * @module
 */
import { frameLength } from "./hop_datagram.ts";

/** Words at first, 32 KiB: half a second of speech. */
const FIRST_WORDS = 1 << 13;
/** Frames that can be remembered, at first and at most; powers of two. */
const FIRST_FRAMES = 256;
const MAX_FRAMES = 8192;
/** How long a frame is of use, ms. */
export const KEPT_MS = 1000;
/** Memory is looked at this often, ms, and shrinks if it would hold this many times more. */
const LOOK_MS = 10_000;
const AMPLE = 4;

/** Memory of one direction. */
export class HopHistory {
  /** Frames, at the lower bits of their positions. */
  words = new Int32Array(0);
  /** The same memory. */
  bytes = new Uint8Array(0);
  readonly #maxWords: number;
  #capacity = 0;
  /**
   * Positions, which count words: of the next frame; of the first that was not sent; of the next
   * frame when memory was looked at last.
   */
  readonly #position = new Float64Array(3);
  /** When memory was looked at last. */
  readonly #lookedAt = Float64Array.of(-Infinity);
  #frames = 0;
  #start = new Float64Array(0);
  #sentAt = new Float64Array(0);
  #repeatedAt = new Float64Array(0);
  /** Number of the first frame that is kept, and of the next. */
  #oldest = 0;
  #next = 0;

  /** @param maxWords A power of two. */
  constructor(maxWords: number) {
    this.#maxWords = maxWords;
  }

  /** The number of the next frame. */
  get next(): number {
    return this.#next;
  }

  /** Words that were not sent. */
  get unsent(): number {
    return this.#position[0]! - this.#position[1]!;
  }

  /** Index of what was not sent. */
  get unsentAt(): number {
    return this.#position[1]! & (this.#capacity - 1);
  }

  /** Words from the next frame to the memory's end. */
  get toEnd(): number {
    return this.#capacity - (this.#position[0]! & (this.#capacity - 1));
  }

  /** Index of the next frame. */
  get at(): number {
    return this.#position[0]! & (this.#capacity - 1);
  }

  /** Bytes of memory. */
  get size(): number {
    return this.#capacity * 4 + this.#frames * 24;
  }

  /** Everything that was written is sent. */
  sent(): void {
    this.#position[1] = this.#position[0]!;
  }

  /**
   * Makes room for a frame of `size` words; nothing may be unsent if that is more than
   * {@linkcode HopHistory.toEnd}.
   *
   * @returns Its index.
   */
  reserve(size: number, now: number): number {
    if (this.#capacity === 0) this.#allocate(Math.min(FIRST_WORDS, this.#maxWords));
    if (size > this.toEnd) {
      this.#position[0]! += this.toEnd;
      this.sent();
    }
    while (!this.#giveUp(size, now)) this.#grow();
    return this.at;
  }

  /** Completes the next frame, of `size` words. */
  add(size: number, now: number): void {
    const next = this.#next;
    if (next - this.#oldest === this.#frames) this.#giveUpFrame(now);
    const slot = next & (this.#frames - 1);
    this.#start[slot] = this.#position[0]!;
    this.#sentAt[slot] = now;
    this.#repeatedAt[slot] = -Infinity;
    this.#position[0]! += size;
    this.#next++;
  }

  /** Index of a frame; -1 if it is gone, or too old to be of use. */
  find(seq: number, now: number): number {
    if (seq < this.#oldest || seq >= this.#next) return -1;
    const slot = seq & (this.#frames - 1);
    if (now - this.#sentAt[slot]! > KEPT_MS) return -1;
    return this.#start[slot]! & (this.#capacity - 1);
  }

  /** When a frame that was found was sent again last. */
  repeatedAt(seq: number): number {
    return this.#repeatedAt[seq & (this.#frames - 1)]!;
  }

  repeated(seq: number, now: number): void {
    this.#repeatedAt[seq & (this.#frames - 1)] = now;
  }

  /** Numbers begin anew: nothing that is kept is of use. */
  reset(): void {
    this.#oldest = this.#next = 0;
    this.sent();
  }

  /** Gives memory back that is not needed any more; nothing may be unsent. */
  rest(now: number): void {
    const position = this.#position;
    const passed = now - this.#lookedAt[0]!;
    if (passed < LOOK_MS) return;
    const isFirst = this.#lookedAt[0] === -Infinity;
    const perSecond = (position[0]! - position[2]!) * 1000 / passed;
    this.#lookedAt[0] = now;
    const isAmple = this.#capacity > FIRST_WORDS && perSecond * AMPLE <= this.#capacity;
    if (isAmple && !isFirst) this.#shrink(now);
    position[2] = position[0]!;
  }

  /**
   * Gives up the frames that the next one, of `size` words, is written over.
   *
   * @returns Whether there was none that is of use, or there cannot be more memory.
   */
  #giveUp(size: number, now: number): boolean {
    const limit = this.#position[0]! + size - this.#capacity;
    for (; this.#oldest < this.#next; this.#oldest++) {
      const slot = this.#oldest & (this.#frames - 1);
      if (this.#start[slot]! >= limit) break;
      const isUseful = now - this.#sentAt[slot]! <= KEPT_MS;
      if (isUseful && this.#capacity < this.#maxWords) return false;
    }
    return true;
  }

  /** The oldest frame's place among those that are known is needed, or there are more places. */
  #giveUpFrame(now: number): void {
    const frames = this.#frames;
    const isUseful = frames === 0 ||
      now - this.#sentAt[this.#oldest & (frames - 1)]! <= KEPT_MS;
    if (isUseful && frames < MAX_FRAMES) this.#setFrames(Math.max(FIRST_FRAMES, 2 * frames));
    else this.#oldest++;
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity;
    this.words = new Int32Array(capacity);
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Frames of the lap before, and of the present one, each find their half. */
  #grow(): void {
    const { words } = this;
    this.#allocate(2 * words.length);
    this.words.set(words);
    this.words.set(words, words.length);
  }

  #setFrames(frames: number): void {
    const moved = (from: Float64Array) => {
      const to = new Float64Array(frames);
      for (let seq = this.#oldest; seq < this.#next; seq++) {
        to[seq & (frames - 1)] = from[seq & (from.length - 1)]!;
      }
      return to;
    };
    this.#start = moved(this.#start);
    this.#sentAt = moved(this.#sentAt);
    this.#repeatedAt = moved(this.#repeatedAt);
    this.#frames = frames;
  }

  /** What may still be asked for is written anew, in less memory. */
  #shrink(now: number): void {
    let first = this.#next;
    let kept = 0;
    for (let at = this.find(first - 1, now); at >= 0; at = this.find(first - 1, now)) {
      kept += frameLength(this.words[at]!);
      first--;
    }
    let capacity = FIRST_WORDS;
    while (capacity < AMPLE / 2 * kept) capacity *= 2;
    if (capacity >= this.#capacity) return;
    const { words } = this;
    const before = this.#capacity;
    this.#allocate(capacity);
    const position = this.#position;
    position[0] = 0;
    for (let seq = first; seq < this.#next; seq++) {
      const slot = seq & (this.#frames - 1);
      const from = this.#start[slot]! & (before - 1);
      const length = frameLength(words[from]!);
      if (length > this.toEnd) position[0]! += this.toEnd;
      this.#start[slot] = position[0]!;
      this.words.set(words.subarray(from, from + length), this.at);
      position[0]! += length;
    }
    position[1] = position[0]!;
    this.#oldest = first;
    let frames = FIRST_FRAMES;
    while (frames < AMPLE / 2 * (this.#next - first)) frames *= 2;
    this.#setFrames(Math.min(frames, this.#frames));
  }
}
