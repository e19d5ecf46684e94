/**
 * A single-producer single-consumer ring of records in shared memory, one for each direction
 * between two engines.
 *
 * Contract: records come out whole and in the order they went in, or were refused when there was no
 * room. No locks and no allocation per record. The memory is shared, so nothing read from it is
 * believed: a length that cannot be is counted, and everything up to the writer's position skipped.
 *
 * Layout: three indices, each in a cache line of its own, then words of 32 bits. A record is one
 * word (kind and length) and its payload; it never crosses the end of the memory, where padding
 * fills up.
 *
 * Waking the reader was measured on Deno 2.9 between two workers on two shared cores, one wake-up
 * each millisecond: `Atomics.notify` on an `Atomics.waitAsync` took 10–19 µs to the reader (p50;
 * p99 56–115 µs), a message port 11–15 µs (p99 0.5–0.8 ms). Notifying costs the writer 8–12 µs if
 * somebody waits and 0.04 µs if nobody does, so a reader says when it sleeps and is woken once per
 * batch. There and back through two rings took 13 µs (p50; p90 18 µs, p99 0.1–0.8 ms under load),
 * and a packet of 1,200 bytes costs each side about half a microsecond. A wait that is pending
 * keeps neither the event loop nor the process alive. A thread that notifies itself gets its turn
 * after everything else that was due, timers and sockets included, for 1.8 µs (a message port: 2.7
 * µs; a timer: 2 ms): that is how a reader with more to do steps back. A thread that waits in the
 * kernel (`socket_loop.ts`) hears of none of this, and is told by its bell as well.
 *
 * @module
 */

import type { DataShare, RecordReader, RecordWriter, RelayChannel } from "./relay_channel.ts";

/** Bytes of records one ring holds: about a third of a second at 100 Mbit/s. */
const RING_BYTES = 4 << 20;
/** Words before the records. */
const HEADER_WORDS = 64;
/** Indices of the words that both sides use; positions count words and wrap at 2^32. */
const HEAD = 0;
const TAIL = 16;
/** 1 while the reader sleeps. */
const SLEEPING = 32;
/** A record's first word: the lower bits are its length in words, itself included. */
const LENGTH_BITS = 24;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;
/** Kind of the padding at the end of the memory. */
const PADDING = 0;
/** Kinds are 1 to this. */
export const MAX_KIND = 127;
/** Records of one class of data that wait for the reader at most. A power of two. */
const MAX_DATA_RECORDS = 256;

/**
 * Memory of a ring, to be shared between the two engines that it joins.
 *
 * @param bytes A power of two.
 */
export function createRelayRing(bytes = RING_BYTES): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_WORDS * 4 + bytes);
}

/** Wakes threads that do not hear of {@linkcode Atomics.notify} where they wait. */
export interface RingBells {
  /** Wakes the other engine's thread. */
  readonly other: () => void;
  /** Gives this thread another turn. */
  readonly own: () => void;
}

/** For threads that wait in the runtime. */
const NO_BELLS: RingBells = { other: () => {}, own: () => {} };

/**
 * One engine's end of two rings.
 *
 * @param inbound The other engine writes, this one reads.
 */
export function ringChannel(
  inbound: SharedArrayBuffer,
  outbound: SharedArrayBuffer,
  { other, own }: RingBells = NO_BELLS,
): RelayChannel {
  return {
    reader: new RelayRingReader(inbound, own),
    writer: new RelayRingWriter(outbound, other),
  };
}

/** Records of one class of data that the reader has before it. */
class UnreadRecords {
  count = 0;
  words = 0;
  /** Where they end, as positions, and how many words that is after the one before. */
  readonly #ends = new Int32Array(MAX_DATA_RECORDS);
  readonly #sizes = new Int32Array(MAX_DATA_RECORDS);
  #oldest = 0;

  constructor(readonly capacity: number) {}

  /** Notes a record between two positions. */
  add(begin: number, end: number): void {
    const at = (this.#oldest + this.count++) & (MAX_DATA_RECORDS - 1);
    this.#ends[at] = end;
    this.words += this.#sizes[at] = (end - begin) | 0;
  }

  /** Leaves out what a reader who is at `position` has read. */
  forget(position: number): void {
    while (this.count > 0 && !this.#isAhead(this.#ends[this.#oldest]!, position)) {
      this.words -= this.#sizes[this.#oldest]!;
      this.#oldest = (this.#oldest + 1) & (MAX_DATA_RECORDS - 1);
      this.count--;
    }
  }

  /** Whether the reader is not yet there; positions of long ago are not ahead of it. */
  #isAhead(end: number, position: number): boolean {
    const words = (end - position) >>> 0;
    return words > 0 && words <= this.capacity;
  }
}

/** The one writer of a ring. */
export class RelayRingWriter implements RecordWriter {
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #indices: Int32Array;
  readonly #capacity: number;
  // In typed arrays: fields above 2^30 would be boxed anew at each store.
  /** [own position, where the next commit leads to, reader's position when last looked]. */
  readonly #position = new Int32Array(3);
  readonly #reliable: UnreadRecords;
  readonly #lossy: UnreadRecords;
  /** Where the record that was reserved last is noted. */
  #unread: UnreadRecords | undefined;

  /** @param bell Wakes the reader's thread. */
  constructor(ring: SharedArrayBuffer, readonly bell: () => void = NO_BELLS.other) {
    this.#indices = new Int32Array(ring, 0, HEADER_WORDS);
    this.words = new Int32Array(ring, HEADER_WORDS * 4);
    this.#bytes = new Uint8Array(ring, HEADER_WORDS * 4);
    this.#capacity = this.words.length;
    this.#position.fill(Atomics.load(this.#indices, HEAD), 0, 2);
    this.#position[2] = Atomics.load(this.#indices, TAIL);
    this.#reliable = new UnreadRecords(this.#capacity);
    this.#lossy = new UnreadRecords(this.#capacity);
  }

  get size(): number {
    return this.#capacity;
  }

  /**
   * Makes room for a record of `kind` (1 to {@linkcode MAX_KIND}) with `length` words.
   *
   * @param share What data of its class may fill; of no meaning for others' records.
   * @returns Index of the payload in `words`, or -1 if the ring is too full.
   */
  reserve(kind: number, length: number, share?: DataShare): number {
    const position = this.#position;
    const size = length + 1;
    let at = position[0]! & (this.#capacity - 1);
    const toEnd = this.#capacity - at;
    const padding = size <= toEnd ? 0 : toEnd;
    if (!this.#hasShare(padding + size, share) || !this.#hasRoom(padding + size)) return -1;
    if (padding > 0) {
      this.words[at] = (PADDING << LENGTH_BITS) | padding;
      at = 0;
    }
    this.words[at] = (kind << LENGTH_BITS) | size;
    position[1] = position[0]! + padding + size;
    return at + 1;
  }

  writeBytes(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at * 4);
  }

  commit(): void {
    const position = this.#position;
    this.#unread?.add(position[0]!, position[1]!);
    position[0] = position[1]!;
    Atomics.store(this.#indices, HEAD, position[0]!);
  }

  /** Wakes the reader if it sleeps; to be called once after a batch of commits. */
  wake(): void {
    const indices = this.#indices;
    if (Atomics.load(indices, SLEEPING) === 0) return;
    Atomics.store(indices, SLEEPING, 0);
    Atomics.notify(indices, SLEEPING);
    this.bell();
  }

  /** Whether so many words more of a class of data may wait for the reader. */
  #hasShare(words: number, share: DataShare | undefined): boolean {
    if (share === undefined) {
      this.#unread = undefined;
      return true;
    }
    const unread = this.#unread = share.isLossy ? this.#lossy : this.#reliable;
    this.#position[2] = Atomics.load(this.#indices, TAIL);
    unread.forget(this.#position[2]!);
    return unread.count < MAX_DATA_RECORDS && unread.words + words <= share.words;
  }

  #hasRoom(words: number): boolean {
    const position = this.#position;
    if (((position[0]! - position[2]!) >>> 0) + words <= this.#capacity) return true;
    position[2] = Atomics.load(this.#indices, TAIL);
    const used = (position[0]! - position[2]!) >>> 0;
    // Then the reader follows a position that was not ours.
    if (used > this.#capacity) Atomics.store(this.#indices, HEAD, position[0]!);
    return used + words <= this.#capacity;
  }
}

/** The one reader of a ring. */
export class RelayRingReader implements RecordReader {
  /** Where payloads are, from `at` on, until the next `next` or `release`. */
  readonly words: Int32Array;
  /**
   * The record read last: its kind, where its payload begins in `words`, and its length in words.
   */
  kind = 0;
  at = 0;
  length = 0;
  /** How often the ring made no sense. */
  corrupted = 0;
  readonly #bytes: Uint8Array;
  readonly #indices: Int32Array;
  readonly #capacity: number;
  /** [own position, writer's position when last looked]. */
  readonly #position = new Int32Array(2);
  /** For stepping back: nobody else waits on it. */
  readonly #turn = new Int32Array(new SharedArrayBuffer(4));

  /** @param bell Gives this thread another turn. */
  constructor(ring: SharedArrayBuffer, readonly bell: () => void = NO_BELLS.own) {
    this.#indices = new Int32Array(ring, 0, HEADER_WORDS);
    this.words = new Int32Array(ring, HEADER_WORDS * 4);
    this.#bytes = new Uint8Array(ring, HEADER_WORDS * 4);
    this.#capacity = this.words.length;
    this.#position.fill(Atomics.load(this.#indices, TAIL));
  }

  /** Bytes of the payload as text, from index `at` of `words` on. */
  readText(at: number, bytes: number): string {
    // A decoder takes no shared memory.
    return new TextDecoder().decode(this.readBytes(at, bytes));
  }

  /** A copy, in memory that is not shared. */
  readBytes(at: number, bytes: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(bytes);
    copy.set(this.#bytes.subarray(at * 4, at * 4 + bytes));
    return copy;
  }

  next(): boolean {
    const position = this.#position;
    for (;;) {
      if (position[0] === position[1]) {
        position[1] = Atomics.load(this.#indices, HEAD);
        if (position[0] === position[1]) return false;
      }
      const available = (position[1]! - position[0]!) >>> 0;
      const at = position[0]! & (this.#capacity - 1);
      const toEnd = this.#capacity - at;
      const word = this.words[at]!;
      const size = word & LENGTH_MASK;
      const kind = word >> LENGTH_BITS;
      const isPadding = kind === PADDING;
      if (
        available > this.#capacity || size === 0 || size > available || size > toEnd || kind < 0 ||
        (isPadding && size !== toEnd)
      ) return this.#skipAll();
      position[0]! += size;
      if (isPadding) continue;
      this.kind = kind;
      this.at = at + 1;
      this.length = size - 1;
      return true;
    }
  }

  /** Gives the room of everything read so far back to the writer. */
  release(): void {
    Atomics.store(this.#indices, TAIL, this.#position[0]!);
  }

  /**
   * Settles when there may be something to read again; at once, but in a later turn, if there is.
   */
  more(): Promise<unknown> {
    const indices = this.#indices;
    Atomics.store(indices, SLEEPING, 1);
    // The writer looks at the flag after its commit, we at its position after the flag: one sees.
    if (Atomics.load(indices, HEAD) === this.#position[0]) {
      const wait = Atomics.waitAsync(indices, SLEEPING, 1);
      if (wait.async) return wait.value;
    }
    Atomics.store(indices, SLEEPING, 0);
    return this.#stepBack();
  }

  /** Ends a pending {@linkcode more}. */
  interrupt(): void {
    Atomics.store(this.#indices, SLEEPING, 0);
    Atomics.notify(this.#indices, SLEEPING);
    this.bell();
  }

  /** Settles in a later turn, after everything else that is due in this thread. */
  #stepBack(): Promise<unknown> {
    const wait = Atomics.waitAsync(this.#turn, 0, 0);
    Atomics.notify(this.#turn, 0);
    this.bell();
    return wait.async ? wait.value : Promise.resolve();
  }

  #skipAll(): false {
    this.corrupted++;
    this.#position[0] = this.#position[1]!;
    return false;
  }
}
