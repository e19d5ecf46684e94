/**
 * The sending end of a stream that loses nothing and keeps its order: control records, and apart
 * from them data.
 *
 * Contract: what was taken is sent until the other end has it, in parts that fit a datagram. Memory
 * grows with what waits up to what it was given: what there is no room for is refused. It is given
 * back when nothing waits.
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
/** Parts that are kept at first and at most; powers of two. */
const FIRST_PARTS = 64;
const MAX_PARTS = 4096;
/** Words of memory at first. */
const FIRST_WORDS = 1 << 11;
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
  /** Its words now, and parts; powers of two. */
  #size = 0;
  #parts = FIRST_PARTS;
  #start = new Int32Array(FIRST_PARTS);
  #sentAt = new Float64Array(FIRST_PARTS);
  #dueAt = new Float64Array(FIRST_PARTS);
  #tries = new Uint8Array(FIRST_PARTS);
  #acknowledged = new Uint8Array(FIRST_PARTS);
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
    return this.used + mostWords(length, parts) <= this.#capacity &&
      this.#end - this.#first + parts <= MAX_PARTS;
  }

  /**
   * Takes a record.
   *
   * @returns Whether there was room.
   */
  push(kind: number, source: Int32Array, at: number, length: number, now: number): boolean {
    if (!this.hasRoom(length)) return false;
    const parts = partsOf(length);
    this.#makeRoom(length, parts);
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
        const slot = seq & (this.#parts - 1);
        if (this.#acknowledged[slot] === 1) continue;
        if (now >= this.#dueAt[slot]! && this.#send(slot, content, now, rttMs, false)) {
          if (!twice) this.#lost(now, rttMs);
          this.repeated++;
        }
        this.#wakeAt = Math.min(this.#wakeAt, this.#dueAt[slot]!);
      }
    }
    while (this.#next < this.#end && this.#hasWindow) {
      const slot = this.#next & (this.#parts - 1);
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
      this.#acknowledged[(next + 1 + bit) & (this.#parts - 1)] = 1;
    }
    this.#repeatLost(now - rttMs - REORDERING_MS, now);
  }

  /** Bytes of memory that it keeps. */
  get memory(): number {
    return 4 * this.#size + 22 * this.#parts;
  }

  /** Gives memory back, if nothing waits. */
  rest(): void {
    if (this.isPending || this.#words === undefined) return;
    this.#words = undefined;
    this.#size = this.#head = this.#tail = 0;
    if (this.#parts > FIRST_PARTS) this.#setParts(FIRST_PARTS);
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
      const slot = seq & (this.#parts - 1);
      if (this.#acknowledged[slot] === 1 || this.#sentAt[slot]! > sentBefore) continue;
      this.#dueAt[slot] = Math.min(this.#dueAt[slot]!, now);
      this.#wakeAt = Math.min(this.#wakeAt, now);
    }
  }

  /** Memory for a record that there is room for. */
  #makeRoom(length: number, parts: number): void {
    const count = this.#end - this.#first + parts;
    if (count > this.#parts) this.#setParts(powerFrom(this.#parts, count));
    const words = this.used + mostWords(length, parts);
    if (words > this.#size) this.#setSize(powerFrom(Math.max(FIRST_WORDS, this.#size), words));
  }

  #setParts(parts: number): void {
    const { length } = this.#tries;
    const moved = <T extends Float64Array | Int32Array | Uint8Array>(from: T, to: T): T => {
      for (let seq = this.#first; seq < this.#end; seq++) {
        to[seq & (parts - 1)] = from[seq & (length - 1)]!;
      }
      return to;
    };
    this.#start = moved(this.#start, new Int32Array(parts));
    this.#sentAt = moved(this.#sentAt, new Float64Array(parts));
    this.#dueAt = moved(this.#dueAt, new Float64Array(parts));
    this.#tries = moved(this.#tries, new Uint8Array(parts));
    this.#acknowledged = moved(this.#acknowledged, new Uint8Array(parts));
    this.#parts = parts;
  }

  /** What is kept is written anew, from the beginning of other memory. */
  #setSize(size: number): void {
    const before = this.#words;
    const words = this.#words = new Int32Array(size);
    this.#size = size;
    let at = 0;
    for (let seq = this.#first; seq < this.#end; seq++) {
      const slot = seq & (this.#parts - 1);
      const start = this.#start[slot]!;
      const length = frameLength(before![start]!);
      words.set(before!.subarray(start, start + length), at);
      this.#start[slot] = at;
      at += length;
    }
    this.#head = at;
    this.#tail = 0;
  }

  #add(
    kind: number,
    flags: number,
    source: Int32Array,
    at: number,
    length: number,
    now: number,
  ): void {
    const words = this.#words!;
    const size = STREAM_HEAD_WORDS + length;
    let start = this.#head & (this.#size - 1);
    const toEnd = this.#size - start;
    if (size > toEnd) {
      this.#head += toEnd;
      words[start] = PADDING;
      start = 0;
    }
    const slot = this.#end & (this.#parts - 1);
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
    const start = this.#start[this.#first & (this.#parts - 1)]!;
    const at = this.#tail & (this.#size - 1);
    this.#tail += (start - at) & (this.#size - 1);
  }
}

function partsOf(length: number): number {
  return Math.max(1, Math.ceil(length / PART_WORDS));
}

/** Words of a record's frames, with padding in front of one of them at the end of the memory. */
function mostWords(length: number, parts: number): number {
  return length + parts * STREAM_HEAD_WORDS + CONTENT_WORDS;
}

/** The least power of two from `power` on that is `least` or more. */
function powerFrom(power: number, least: number): number {
  while (power < least) power *= 2;
  return power;
}
