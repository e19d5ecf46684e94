/**
 * The receiving end of a stream that loses nothing: records come out once and in order.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import {
  CONTENT_WORDS,
  extendWord,
  FIRST_PART,
  frameLength,
  LAST_PART,
  recordKind,
  STREAM_HEAD_WORDS,
  WHOLE,
} from "./hop_datagram.ts";
import { MAX_WINDOW } from "./hop_stream_sender.ts";
import type { RecordWriter } from "./relay_channel.ts";

/** Longest record that is put together, words. */
export const MAX_RECORD_WORDS = 1 << 15;
/** Words of what {@linkcode HopStreamReceiver.writeHeld} writes at most. */
export const HELD_WORDS = MAX_WINDOW / 32;

/** One stream from the other end. */
export class HopStreamReceiver {
  readonly #inbound: RecordWriter;
  readonly #drops: DropSink<EngineDrop>;
  /** What came too early, by the lower bits of its number; each made when first needed. */
  readonly #early: (Int32Array | undefined)[] = new Array(MAX_WINDOW).fill(undefined);
  readonly #has = new Uint8Array(MAX_WINDOW);
  #earlyCount = 0;
  #next = 0;
  /** The record whose last part has not come. */
  #parts: Int32Array | undefined;
  #partWords = 0;
  #kind = 0;
  /** Parts are skipped until a record begins. */
  #isBroken = true;

  /** @param inbound Where records go. */
  constructor(inbound: RecordWriter, drops: DropSink<EngineDrop>) {
    this.#inbound = inbound;
    this.#drops = drops;
  }

  /** The part it waits for. */
  get next(): number {
    return this.#next;
  }

  /** Whether some came too early. */
  get hasEarly(): boolean {
    return this.#earlyCount > 0;
  }

  /** Takes a frame, `words[at, at + length)`; returns whether records came of it. */
  take(words: Int32Array, at: number): boolean {
    const seq = extendWord(words[at + 1]!, this.#next);
    if (seq < this.#next || seq >= this.#next + MAX_WINDOW) return false;
    const slot = seq & (MAX_WINDOW - 1);
    if (seq === this.#next && this.#has[slot] === 0 && this.#deliver(words, at)) {
      this.#next++;
      this.drain();
      return true;
    }
    if (this.#has[slot] === 1) return this.drain();
    const early = this.#early[slot] ??= new Int32Array(CONTENT_WORDS);
    const length = frameLength(words[at]!);
    for (let i = 0; i < length; i++) early[i] = words[at + i]!;
    this.#has[slot] = 1;
    this.#earlyCount++;
    return false;
  }

  /** Gives out what had come too early, or found no room; returns whether there was any. */
  drain(): boolean {
    const from = this.#next;
    while (this.#earlyCount > 0) {
      const slot = this.#next & (MAX_WINDOW - 1);
      if (this.#has[slot] === 0 || !this.#deliver(this.#early[slot]!, 0)) break;
      this.#has[slot] = 0;
      this.#earlyCount--;
      this.#next++;
    }
    return this.#next > from;
  }

  /** Writes which parts after the next one it has, a bit each; returns the number of words. */
  writeHeld(words: Int32Array, at: number): number {
    if (this.#earlyCount === 0) return 0;
    let count = 0;
    for (let bit = 0, found = 0; found < this.#earlyCount && bit < MAX_WINDOW - 1; bit++) {
      if ((bit & 31) === 0) words[at + count++] = 0;
      if (this.#has[(this.#next + 1 + bit) & (MAX_WINDOW - 1)] === 0) continue;
      words[at + (bit >> 5)]! |= 1 << (bit & 31);
      found++;
    }
    return count;
  }

  /** Bytes of memory of what is put in order, and together. */
  get memory(): number {
    const held = this.#early.reduce((sum, early) => sum + (early?.byteLength ?? 0), 0);
    return held + (this.#parts?.byteLength ?? 0);
  }

  /** Gives memory back that nothing is in. */
  rest(): void {
    if (this.#earlyCount === 0) this.#early.fill(undefined);
    if (this.#partWords === 0) this.#parts = undefined;
  }

  /** The other end begins anew. */
  reset(): void {
    this.#next = this.#earlyCount = this.#partWords = 0;
    this.#has.fill(0);
    this.#isBroken = true;
  }

  /** @returns `false` if there is no room for the record. */
  #deliver(words: Int32Array, at: number): boolean {
    const word = words[at]!;
    const kind = recordKind(word);
    const length = frameLength(word) - STREAM_HEAD_WORDS;
    const from = at + STREAM_HEAD_WORDS;
    if ((word & FIRST_PART) !== 0) {
      this.#partWords = 0;
      this.#kind = kind;
      this.#isBroken = kind === 0;
    }
    if ((word & WHOLE) === WHOLE && !this.#isBroken) return this.#write(kind, words, from, length);
    if (this.#isBroken || this.#partWords + length > MAX_RECORD_WORDS) {
      this.#drops.count("hop_malformed");
      this.#isBroken = true;
      return true;
    }
    const parts = this.#parts ??= new Int32Array(MAX_RECORD_WORDS);
    for (let i = 0; i < length; i++) parts[this.#partWords + i] = words[from + i]!;
    const total = this.#partWords + length;
    if ((word & LAST_PART) !== 0 && !this.#write(this.#kind, parts, 0, total)) return false;
    this.#partWords = (word & LAST_PART) !== 0 ? 0 : total;
    return true;
  }

  #write(kind: number, words: Int32Array, at: number, length: number): boolean {
    const to = this.#inbound.reserve(kind, length);
    if (to < 0) return false;
    const into = this.#inbound.words;
    for (let i = 0; i < length; i++) into[to + i] = words[at + i]!;
    this.#inbound.commit();
    return true;
  }
}
