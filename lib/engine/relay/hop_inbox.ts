/**
 * What came over a hop and was not read yet: a ring of records within one thread.
 *
 * Contract: records come out whole and in the order they went in, or were refused. Memory grows
 * with what waits, up to a limit, and is given back when nothing does.
 *
 * @module
 */
import type { RecordReader, RecordWriter } from "./relay_channel.ts";

/** Words at first. */
const FIRST_WORDS = 1 << 11;
/** A record's first word: the lower bits are its length in words, itself included. */
const LENGTH_BITS = 24;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;
/** Kind of what fills up the end of the memory. */
const PADDING = 0;

/** Both ends of it. */
export class HopInbox implements RecordWriter, RecordReader {
  readonly size: number;
  readonly corrupted = 0;
  words = new Int32Array(FIRST_WORDS);
  kind = 0;
  at = 0;
  length = 0;
  #bytes = new Uint8Array(this.words.buffer);
  /** Words written, where the next commit leads to, read, and given back. */
  readonly #position = new Float64Array(4);
  /** Settles whoever waits. */
  #wake: (() => void) | undefined;

  /** @param size Words at most; a power of two. */
  constructor(size: number) {
    this.size = size;
  }

  /** Bytes of memory. */
  get memory(): number {
    return 4 * this.words.length;
  }

  reserve(kind: number, length: number): number {
    const position = this.#position;
    const size = length + 1;
    while (!this.#hasRoom(size)) {
      if (2 * this.words.length > this.size) return -1;
      this.#move(2 * this.words.length);
    }
    const capacity = this.words.length;
    let at = position[0]! & (capacity - 1);
    const toEnd = capacity - at;
    const padding = size <= toEnd ? 0 : toEnd;
    if (padding > 0) {
      this.words[at] = (PADDING << LENGTH_BITS) | padding;
      at = 0;
    }
    this.words[at] = (kind << LENGTH_BITS) | size;
    position[1] = position[0]! + padding + size;
    return at + 1;
  }

  writeBytes(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, 4 * at);
  }

  commit(): void {
    this.#position[0] = this.#position[1]!;
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  next(): boolean {
    const position = this.#position;
    while (position[2]! < position[0]!) {
      const at = position[2]! & (this.words.length - 1);
      const word = this.words[at]!;
      const size = word & LENGTH_MASK;
      position[2]! += size;
      this.kind = word >>> LENGTH_BITS;
      if (this.kind === PADDING) continue;
      this.at = at + 1;
      this.length = size - 1;
      return true;
    }
    return false;
  }

  release(): void {
    this.#position[3] = this.#position[2]!;
  }

  readText(at: number, bytes: number): string {
    return new TextDecoder().decode(this.readBytes(at, bytes));
  }

  readBytes(at: number, bytes: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(4 * at, 4 * at + bytes);
  }

  /** Settles when something was written, or {@linkcode HopInbox.interrupt} is called. */
  more(): Promise<unknown> {
    if (this.#position[2]! < this.#position[0]!) return Promise.resolve();
    return new Promise<void>((resolve) => this.#wake = resolve);
  }

  interrupt(): void {
    this.wake();
  }

  /** Gives memory back, if nothing waits. */
  rest(): void {
    const isEmpty = this.#position[3]! === this.#position[0]!;
    if (isEmpty && this.words.length > FIRST_WORDS) this.#move(FIRST_WORDS);
  }

  #hasRoom(words: number): boolean {
    const capacity = this.words.length;
    const at = this.#position[0]! & (capacity - 1);
    const padding = words <= capacity - at ? 0 : capacity - at;
    return this.#position[0]! - this.#position[3]! + padding + words <= capacity;
  }

  /** What waits is kept in other memory; what is being read stands in the former. */
  #move(capacity: number): void {
    const { words } = this;
    const position = this.#position;
    const moved = new Int32Array(capacity);
    let to = 0;
    for (let from = position[2]!; from < position[0]!;) {
      const at = from & (words.length - 1);
      const size = words[at]! & LENGTH_MASK;
      from += size;
      if (words[at]! >>> LENGTH_BITS === PADDING) continue;
      moved.set(words.subarray(at, at + size), to);
      to += size;
    }
    this.words = moved;
    this.#bytes = new Uint8Array(moved.buffer);
    position[0] = to;
    position[2] = position[3] = 0;
  }
}
