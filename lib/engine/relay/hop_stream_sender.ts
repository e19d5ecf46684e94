/**
 * The sending end of a stream that loses nothing and keeps its order: control records, and apart
 * from them data.
 *
 * Contract: what was taken is sent until the other end has it, in parts that fit a datagram. Memory
 * is fixed: what there is no room for is refused.
 *
 * @module
 */
import {
  CONTENT_WORDS,
  extendWord,
  FIRST_PART,
  FRAME,
  frameLength,
  frameWord,
  LAST_PART,
  OF_DATA,
  recordKind,
  STREAM_HEAD_WORDS,
} from "./hop_datagram.ts";
import type { HopContent } from "./hop_content.ts";
import { RELAY } from "./relay_records.ts";

/** Words of a record in one part. */
const PART_WORDS = CONTENT_WORDS - STREAM_HEAD_WORDS;
/** Parts that are kept at most; a power of two. */
const MAX_PARTS = 4096;
/** Parts under way: no more than the other end keeps out of order. */
export const MAX_WINDOW = 256;
const FIRST_WINDOW = 32;
const LEAST_WINDOW = 8;
/** Parts that it grows by in a round trip, and what it shrinks by when some were lost. */
const GROWTH = 8;
const SHRINKING = 0.85;
/** How long an answer takes beside the round trip, ms: the other end's feedback waits. */
const ANSWER_MS = 25;
/** A part that was overtaken may still come so much later, ms. */
const REORDERING_MS = 10;
/** Between the two times that a part is sent where much is lost, ms. */
const TWICE_MS = 8;
const MAX_TIMEOUT_MS = 1000;
/** Where a report's record has its age. */
const REPORT_AGE_AT = 5;
const PADDING = 0;

/** One stream to the other end. */
export class HopStreamSender {
  /** Bit of its frames. */
  readonly #stream: number;
  readonly #capacity: number;
  /** Frames as they are sent; made when first needed. */
  #words: Int32Array | undefined;
  readonly #start = new Int32Array(MAX_PARTS);
  readonly #sentAt = new Float64Array(MAX_PARTS);
  readonly #dueAt = new Float64Array(MAX_PARTS);
  readonly #tries = new Uint8Array(MAX_PARTS);
  readonly #acknowledged = new Uint8Array(MAX_PARTS);
  /** Parts from the first that is not acknowledged, of which those below `next` were sent. */
  #first = 0;
  #next = 0;
  #end = 0;
  /** Position in words of the next frame, and of the first that is kept. */
  #head = 0;
  #tail = 0;
  #window = FIRST_WINDOW;
  #shrunkAt = -Infinity;
  #wakeAt = Infinity;
  /** Parts sent again. */
  repeated = 0;

  /** @param capacity Words that are kept at most; a power of two. */
  constructor(isData: boolean, capacity: number) {
    this.#stream = isData ? OF_DATA : 0;
    this.#capacity = capacity;
  }

  /** The number of the next part. */
  get end(): number {
    return this.#end;
  }

  /** Words that wait or are under way. */
  get used(): number {
    return this.#head - this.#tail;
  }

  get isPending(): boolean {
    return this.#first < this.#end;
  }

  /** When something is to be sent; `Infinity` if never. */
  get wakeAt(): number {
    return this.#next < this.#end && this.#hasWindow ? 0 : this.#wakeAt;
  }

  /** Whether a record of `length` words would be taken. */
  hasRoom(length: number): boolean {
    const parts = partsOf(length);
    // At the end of the memory a frame may need padding in front of it.
    const most = length + parts * STREAM_HEAD_WORDS + CONTENT_WORDS;
    return this.used + most <= this.#capacity && this.#end - this.#first + parts <= MAX_PARTS;
  }

  /**
   * Takes a record.
   *
   * @returns Whether there was room.
   */
  push(kind: number, source: Int32Array, at: number, length: number, now: number): boolean {
    if (!this.hasRoom(length)) return false;
    const parts = partsOf(length);
    for (let part = 0; part < parts; part++) {
      const from = part * PART_WORDS;
      const flags = (part === 0 ? FIRST_PART : 0) | (part === parts - 1 ? LAST_PART : 0);
      this.#add(kind, flags, source, at + from, Math.min(PART_WORDS, length - from), now);
    }
    return true;
  }

  /**
   * Adds frames that are due as long as they fit.
   *
   * @param twice Each is sent again before its answer can be here: losses are to be expected.
   */
  write(content: HopContent, now: number, rttMs: number, twice: boolean): void {
    if (this.#words === undefined) return;
    if (now >= this.#wakeAt) {
      this.#wakeAt = Infinity;
      for (let seq = this.#first; seq < this.#next; seq++) {
        const slot = seq & (MAX_PARTS - 1);
        if (this.#acknowledged[slot] === 1) continue;
        if (now >= this.#dueAt[slot]! && this.#send(slot, content, now, rttMs, false)) {
          if (!twice) this.#lost(now, rttMs);
          this.repeated++;
        }
        this.#wakeAt = Math.min(this.#wakeAt, this.#dueAt[slot]!);
      }
    }
    while (this.#next < this.#end && this.#hasWindow) {
      const slot = this.#next & (MAX_PARTS - 1);
      if (!this.#send(slot, content, now, rttMs, twice)) return;
      this.#wakeAt = Math.min(this.#wakeAt, this.#dueAt[slot]!);
      this.#next++;
    }
  }

  /**
   * Takes what the other end has.
   *
   * @param low Lower 32 bits of the number it waits for.
   * @param words Beyond that, from bit 0 of `words[at]` on: which of the following it has.
   */
  acknowledge(
    low: number,
    words: Int32Array,
    at: number,
    count: number,
    now: number,
    rttMs: number,
  ): void {
    const next = extendWord(low, this.#first);
    if (next < this.#first || next > this.#next) return;
    while (this.#first < next) this.#release();
    for (let bit = 0; bit < count * 32 && next + 1 + bit < this.#next; bit++) {
      if ((words[at + (bit >> 5)]! & (1 << (bit & 31))) === 0) continue;
      this.#acknowledged[(next + 1 + bit) & (MAX_PARTS - 1)] = 1;
    }
    this.#repeatLost(now - rttMs - REORDERING_MS, now);
  }

  /** The other end begins anew: what was for its former life is forgotten. */
  reset(): void {
    this.#first =
      this.#next =
      this.#end =
      this.#head =
      this.#tail =
        0;
    this.#window = FIRST_WINDOW;
    this.#wakeAt = Infinity;
  }

  get #hasWindow(): boolean {
    return this.#next - this.#first < Math.trunc(this.#window);
  }

  /** What was sent before `sentBefore` would have come before this answer was given. */
  #repeatLost(sentBefore: number, now: number): void {
    for (let seq = this.#first; seq < this.#next; seq++) {
      const slot = seq & (MAX_PARTS - 1);
      if (this.#acknowledged[slot] === 1 || this.#sentAt[slot]! > sentBefore) continue;
      this.#dueAt[slot] = Math.min(this.#dueAt[slot]!, now);
      this.#wakeAt = Math.min(this.#wakeAt, now);
    }
  }

  #add(
    kind: number,
    flags: number,
    source: Int32Array,
    at: number,
    length: number,
    now: number,
  ): void {
    const words = this.#words ??= new Int32Array(this.#capacity);
    const size = STREAM_HEAD_WORDS + length;
    let start = this.#head & (this.#capacity - 1);
    const toEnd = this.#capacity - start;
    if (size > toEnd) {
      this.#head += toEnd;
      words[start] = PADDING;
      start = 0;
    }
    const slot = this.#end & (MAX_PARTS - 1);
    words[start] = frameWord(FRAME.stream, flags | this.#stream, size, kind);
    words[start + 1] = this.#end;
    for (let i = 0; i < length; i++) words[start + STREAM_HEAD_WORDS + i] = source[at + i]!;
    this.#head += size;
    this.#start[slot] = start;
    this.#sentAt[slot] = now;
    this.#tries[slot] = this.#acknowledged[slot] = 0;
    this.#end++;
  }

  #send(
    slot: number,
    content: HopContent,
    now: number,
    rttMs: number,
    twice: boolean,
  ): boolean {
    const words = this.#words!;
    const start = this.#start[slot]!;
    const length = frameLength(words[start]!);
    if (length > content.room) return false;
    if (recordKind(words[start]!) === RELAY.report) {
      words[start + STREAM_HEAD_WORDS + REPORT_AGE_AT]! += now - this.#sentAt[slot]!;
    }
    content.copy(words, start, length);
    const tries = this.#tries[slot]!;
    const timeout = Math.min(MAX_TIMEOUT_MS, (1.5 * rttMs + ANSWER_MS) * 2 ** Math.min(tries, 6));
    this.#sentAt[slot] = now;
    this.#dueAt[slot] = now + (twice ? TWICE_MS : timeout);
    this.#tries[slot] = Math.min(255, tries + 1);
    return true;
  }

  #lost(now: number, rttMs: number): void {
    if (now - this.#shrunkAt < rttMs) return;
    this.#shrunkAt = now;
    this.#window = Math.max(LEAST_WINDOW, SHRINKING * this.#window);
  }

  #release(): void {
    this.#first++;
    this.#window = Math.min(MAX_WINDOW, this.#window + GROWTH / this.#window);
    if (this.#first === this.#end) {
      this.#tail = this.#head;
      this.#wakeAt = Infinity;
      return;
    }
    const start = this.#start[this.#first & (MAX_PARTS - 1)]!;
    const at = this.#tail & (this.#capacity - 1);
    this.#tail += (start - at) & (this.#capacity - 1);
  }
}

function partsOf(length: number): number {
  return Math.max(1, Math.ceil(length / PART_WORDS));
}
