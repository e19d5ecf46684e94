/**
 * Media from the other end of a hop: each record once, as soon as it is there and what was said
 * before it is known.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { ReplayWindow } from "../../transport/crypto/replay_window.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import {
  CONTENT_WORDS,
  extendWord,
  FIRST_PART,
  frameLength,
  MEDIA_HEAD_WORDS,
  recordKind,
  REPAIR,
  WHOLE,
} from "./hop_datagram.ts";
import { HopGaps } from "./hop_gaps.ts";
import type { RecordWriter } from "./relay_channel.ts";

/** Numbers that are known to have come. */
const WINDOW = 8192;
/** Frames that wait for control records. */
const MAX_HELD = 512;
/** Parts that wait for their other half, each made when first needed; a power of two. */
const JOINS = 256;
/** No number of 32 bits. */
const NONE = Number.MAX_VALUE;

/** The receiving end of media. */
export class HopMediaReceiver {
  readonly gaps = new HopGaps();
  readonly #inbound: RecordWriter;
  readonly #drops: DropSink<EngineDrop>;
  #window = new ReplayWindow(WINDOW);
  /** Frames that wait, in the order they came; each made when first needed. */
  readonly #held: Int32Array[] = [];
  #heldCount = 0;
  readonly #joins: (Int32Array | undefined)[] = new Array(JOINS).fill(undefined);
  /** Number of the first part of what is joined, by its lower bits. */
  readonly #joining = new Float64Array(JOINS).fill(NONE);
  /** Something was joined since memory was given back last. */
  #hasJoined = false;
  /** Numbers that came by being sent again. */
  repaired = 0;

  constructor(inbound: RecordWriter, drops: DropSink<EngineDrop>) {
    this.#inbound = inbound;
    this.#drops = drops;
  }

  /** Whether frames wait for control records. */
  get isHolding(): boolean {
    return this.#heldCount > 0;
  }

  /** Takes a frame at `at`; `controlNext` is the control record that has not come. */
  take(words: Int32Array, at: number, controlNext: number, now: number): void {
    const seq = extendWord(words[at + 1]!, this.gaps.next);
    if (seq < 0) return this.#drops.count("hop_malformed");
    // What is below the window came, or was given up.
    if (!this.#window.isFresh(seq)) return;
    this.#window.accept(seq);
    const isRepair = (words[at]! & REPAIR) !== 0;
    this.gaps.arrived(seq, isRepair, now);
    if (isRepair) this.repaired++;
    if (extendWord(words[at + 2]!, controlNext) > controlNext) return this.#hold(words, at);
    this.#deliver(words, at);
  }

  /** Gives out what waited for control records below `controlNext`. */
  release(controlNext: number): void {
    let kept = 0;
    for (let i = 0; i < this.#heldCount; i++) {
      const frame = this.#held[i]!;
      if (extendWord(frame[2]!, controlNext) <= controlNext) {
        this.#deliver(frame, 0);
        continue;
      }
      this.#held[i] = this.#held[kept]!;
      this.#held[kept++] = frame;
    }
    this.#heldCount = kept;
  }

  /** Bytes of memory of what waits. */
  get memory(): number {
    const joins = this.#joins.reduce((sum, part) => sum + (part?.byteLength ?? 0), 0);
    return joins + this.#held.length * CONTENT_WORDS * 4;
  }

  /** Gives memory back that nothing is in. */
  rest(): void {
    if (this.#heldCount === 0) this.#held.length = 0;
    if (!this.#hasJoined) {
      this.#joins.fill(undefined);
      this.#joining.fill(NONE);
    }
    this.#hasJoined = false;
  }

  reset(): void {
    this.gaps.reset();
    this.#window = new ReplayWindow(WINDOW);
    this.#heldCount = 0;
    this.#joining.fill(NONE);
  }

  #hold(words: Int32Array, at: number): void {
    if (this.#heldCount === MAX_HELD) return this.#drops.count("hop_held_overflow");
    const frame = this.#held[this.#heldCount] ??= new Int32Array(CONTENT_WORDS);
    const length = frameLength(words[at]!);
    for (let i = 0; i < length; i++) frame[i] = words[at + i]!;
    this.#heldCount++;
  }

  #deliver(words: Int32Array, at: number): void {
    const word = words[at]!;
    const kind = recordKind(word);
    if (kind === 0) return this.#drops.count("hop_malformed");
    if ((word & WHOLE) !== WHOLE) return this.#join(words, at);
    const length = frameLength(word) - MEDIA_HEAD_WORDS;
    const to = this.#inbound.reserve(kind, length);
    if (to < 0) return this.#drops.count("hop_reader_behind");
    this.#copy(to, words, at + MEDIA_HEAD_WORDS, length);
    this.#inbound.commit();
  }

  /** Records of media have two parts at most, with numbers that follow one another. */
  #join(words: Int32Array, at: number): void {
    this.#hasJoined = true;
    const isFirst = (words[at]! & FIRST_PART) !== 0;
    const key = isFirst ? words[at + 1]! : (words[at + 1]! - 1) | 0;
    const slot = key & (JOINS - 1);
    const length = frameLength(words[at]!);
    const other = this.#joins[slot] ??= new Int32Array(CONTENT_WORDS);
    if (this.#joining[slot] !== key) {
      this.#joining[slot] = key;
      for (let i = 0; i < length; i++) other[i] = words[at + i]!;
      return;
    }
    this.#joining[slot] = NONE;
    const here = length - MEDIA_HEAD_WORDS;
    const there = frameLength(other[0]!) - MEDIA_HEAD_WORDS;
    const to = this.#inbound.reserve(recordKind(words[at]!), here + there);
    if (to < 0) return this.#drops.count("hop_reader_behind");
    this.#copy(isFirst ? to : to + there, words, at + MEDIA_HEAD_WORDS, here);
    this.#copy(isFirst ? to + here : to, other, MEDIA_HEAD_WORDS, there);
    this.#inbound.commit();
  }

  #copy(to: number, words: Int32Array, at: number, length: number): void {
    const into = this.#inbound.words;
    for (let i = 0; i < length; i++) into[to + i] = words[at + i]!;
  }
}
