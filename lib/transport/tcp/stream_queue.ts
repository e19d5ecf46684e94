/**
 * What waits for one byte stream: what a call cannot do without goes first, then data and video in
 * their order. Video that has waited too long is left out, all of it, until nothing waits any more.
 *
 * Contract: units stay whole, and those of one kind in their order. Memory is bounded by whoever
 * asks {@linkcode StreamQueue.refuses} first. Pure: `now` is monotonic ms.
 *
 * @module
 */
import { SendKind } from "../datagrams/datagrams.ts";

/** How much may wait for a reader. */
export interface QueueLimits {
  /** Queued bytes above which no more video is taken: old media is worth less than none. */
  readonly softQueueBytes: number;
  /** Queued bytes above which the connection is closed. */
  readonly hardQueueBytes: number;
  /** A write without progress for this long closes the connection, ms. */
  readonly stuckMs: number;
}

/** Why something is not queued; the first two end the connection. */
export type QueueRefusal =
  | "tcp_reader_too_slow"
  | "tcp_reader_stuck"
  | "tcp_rtp_for_slow_reader";

/** Video is too old after so long, ms: who sees it then would rather see what is now… */
const MOST_VIDEO_MS = 1_000;
/** …but a key frame has to come through, however slow the path: doubled while that comes again. */
const LONGEST_VIDEO_MS = 8_000;
const AGAIN_MS = 10_000;
/** A picture that begins anew takes the place of what has waited longer than this, ms. */
const OUTDATED_MS = 150;
/** What waits longer than this shows a slow reader, who is written less at once, ms. */
const SLOW_MS = 20;
/** Bytes that are written at once: audio that comes meanwhile has to wait for them. */
const SLOW_CHUNK_BYTES = 4 * 1024;
const CHUNK_BYTES = 16 * 1024;
/** First size of a lane that is used; it doubles while a reader lags. */
const LANE_BYTES = 4 * 1024;
/** A larger one is given back once it is empty. */
const KEEP_LANE_BYTES = 64 * 1024;
/** The same in units, and numbers that are noted of each. */
const LANE_UNITS = 8;
const UNIT = 3;

/** The tag of what is no video, or of which stream nobody knows. */
export const NO_STREAM = -1;
const NO_VIDEO = -2;
const UNUSED = new Uint8Array(0);
const NO_UNITS = new Float64Array(0);

/** Units in the order in which they came, one behind the other. */
class Lane {
  bytes = UNUSED;
  #from = 0;
  #to = 0;
  /** Of each unit its length, its tag and when it was queued. */
  #units = NO_UNITS;
  /** Indices in it: the first unit that was not taken, and the end of the last. */
  #first = 0;
  #last = 0;

  get size(): number {
    return this.#to - this.#from;
  }

  /** When the first was queued; `Infinity` if nothing is. */
  get since(): number {
    return this.size === 0 ? Infinity : this.#units[this.#first + 2]!;
  }

  /** Of the first; 0 if there is none. */
  get nextLength(): number {
    return this.size === 0 ? 0 : this.#units[this.#first]!;
  }

  claim(length: number, tag: number, now: number): number {
    if (this.#to + length > this.bytes.length) this.#makeRoom(length);
    if (this.#last === this.#units.length) this.#makeUnits();
    const units = this.#units;
    units[this.#last++] = length;
    units[this.#last++] = tag;
    units[this.#last++] = now;
    const at = this.#to;
    this.#to = at + length;
    return at;
  }

  /** Copies units to `into[at…]`, not beyond `end`. @returns Where the last one ended. */
  take(into: Uint8Array, at: number, end: number): number {
    const from = this.#from;
    let to = from;
    while (to < this.#to && at + (to - from) + this.#units[this.#first]! <= end) {
      to += this.#units[this.#first]!;
      this.#first += UNIT;
    }
    into.set(this.bytes.subarray(from, to), at);
    this.#from = to;
    if (to === this.#to) this.clear();
    return at + (to - from);
  }

  /** When the first video tagged so was queued; `Infinity` if there is none. */
  sinceOf(tag: number): number {
    for (let i = this.#first; i < this.#last; i += UNIT) {
      if (isMeant(this.#units[i + 1]!, tag)) return this.#units[i + 2]!;
    }
    return Infinity;
  }

  /** Takes out video that is tagged so. @returns How many units. */
  drop(tag: number): number {
    const units = this.#units;
    let [read, to, dropped] = [this.#from, this.#from, 0];
    let kept = this.#first;
    for (let i = this.#first; i < this.#last; i += UNIT) {
      const length = units[i]!;
      if (isMeant(units[i + 1]!, tag)) dropped++;
      else {
        this.bytes.copyWithin(to, read, read + length);
        units.copyWithin(kept, i, i + UNIT);
        kept += UNIT;
        to += length;
      }
      read += length;
    }
    this.#to = to;
    this.#last = kept;
    if (this.size === 0) this.clear();
    return dropped;
  }

  clear(): void {
    this.#from =
      this.#to =
      this.#first =
      this.#last =
        0;
    if (this.bytes.length <= KEEP_LANE_BYTES) return;
    this.bytes = UNUSED;
    this.#units = NO_UNITS;
  }

  /** At least half of it stays free, so that little is moved. */
  #makeRoom(length: number): void {
    const { size } = this;
    let capacity = Math.max(LANE_BYTES, this.bytes.length);
    while (size + length > capacity / 2) capacity *= 2;
    const moved = capacity === this.bytes.length ? this.bytes : new Uint8Array(capacity);
    moved.set(this.bytes.subarray(this.#from, this.#to));
    this.bytes = moved;
    this.#from = 0;
    this.#to = size;
  }

  #makeUnits(): void {
    const count = this.#last - this.#first;
    let capacity = Math.max(LANE_UNITS * UNIT, this.#units.length);
    while (count > capacity / 2) capacity *= 2;
    const moved = capacity === this.#units.length ? this.#units : new Float64Array(capacity);
    moved.set(this.#units.subarray(this.#first, this.#last));
    this.#units = moved;
    this.#first = 0;
    this.#last = count;
  }
}

/** Whether video tagged `tag` is of the stream `wanted`, or that is any. */
function isMeant(tag: number, wanted: number): boolean {
  return tag !== NO_VIDEO && (wanted === NO_STREAM || tag === wanted);
}

/** The queue of one stream. */
export class StreamQueue {
  /** Where claimed bytes go, until the next claim. */
  bytes = UNUSED;
  /** Bytes of video that were left out, in all. */
  droppedBytes = 0;
  readonly #first = new Lane();
  readonly #second = new Lane();
  /** Video is left out until nothing waits. */
  #isShut = false;
  /** How long it may wait before it is left out again, ms. */
  #nextVideoMs = MOST_VIDEO_MS;
  #shutAt = -Infinity;

  /** Bytes that wait. */
  get size(): number {
    return this.#first.size + this.#second.size;
  }

  /** Since when the oldest waits; `Infinity` if nothing does. */
  get since(): number {
    return Math.min(this.#first.since, this.#second.since);
  }

  /**
   * Why `length` bytes more may not be queued, if they may not. Asked for video, all of it that
   * waits may be left out.
   *
   * @param dropped Is told of how many packets were.
   */
  refuses(
    length: number,
    unwritten: number,
    kind: SendKind,
    limits: QueueLimits,
    now: number,
    dropped: (packets: number) => void,
  ): QueueRefusal | undefined {
    const queued = this.size + unwritten + length;
    if (queued > limits.hardQueueBytes) return "tcp_reader_too_slow";
    if (kind !== SendKind.video) return undefined;
    if (!this.#isShut && now - this.#second.sinceOf(NO_STREAM) > this.#mostVideoMs(now)) {
      dropped(this.#shut(now));
    }
    if (!this.#isShut && queued <= limits.softQueueBytes) return undefined;
    this.droppedBytes += length;
    return "tcp_rtp_for_slow_reader";
  }

  /** Where in {@linkcode StreamQueue.bytes} the next `length` bytes are to be put. */
  claim(length: number, kind: SendKind, stream: number, now: number): number {
    const lane = kind === SendKind.other ? this.#first : this.#second;
    const at = lane.claim(length, kind === SendKind.video ? stream : NO_VIDEO, now);
    this.bytes = lane.bytes;
    return at;
  }

  /** How many bytes are to be written next, about. */
  chunkBytes(now: number): number {
    const most = now - this.since > SLOW_MS ? SLOW_CHUNK_BYTES : CHUNK_BYTES;
    const next = this.#first.nextLength || this.#second.nextLength;
    return Math.max(next, Math.min(most, this.size));
  }

  /** Moves what is written next into `into`, which has room for a chunk. @returns Its bytes. */
  take(into: Uint8Array, end: number): number {
    const at = this.#first.take(into, 0, end);
    return this.#first.size > 0 ? at : this.#second.take(into, at, end);
  }

  /**
   * All is written.
   *
   * @returns Whether video was left out, and is taken again from now on.
   */
  isReopened(): boolean {
    const wasShut = this.#isShut;
    this.#isShut = false;
    return wasShut;
  }

  /** A picture of `stream` begins anew. @returns How many packets of it were too old to be kept. */
  outdate(stream: number, now: number): number {
    const lane = this.#second;
    return now - lane.sinceOf(stream) > OUTDATED_MS ? this.#drop(stream) : 0;
  }

  clear(): void {
    this.#first.clear();
    this.#second.clear();
  }

  /** How long video may wait now, ms. */
  #mostVideoMs(now: number): number {
    return now - this.#shutAt < AGAIN_MS + this.#nextVideoMs ? this.#nextVideoMs : MOST_VIDEO_MS;
  }

  #shut(now: number): number {
    this.#nextVideoMs = Math.min(LONGEST_VIDEO_MS, 2 * this.#mostVideoMs(now));
    this.#shutAt = now;
    this.#isShut = true;
    return this.#drop(NO_STREAM);
  }

  #drop(stream: number): number {
    const before = this.size;
    const packets = this.#second.drop(stream);
    this.droppedBytes += before - this.size;
    return packets;
  }
}
