/**
 * Outgoing datagrams in order, in fixed slots of one buffer: the part of {@linkcode Datagrams} that
 * its twins have in common.
 *
 * A slot is free, lent (reserved, or taken and not given back), or waiting. What waits is a line of
 * *positions*, each with a slot, a length, a remote and a kind, in arrays of their own: dropping
 * from the middle of the line marks its position and frees its slot, and moves no bytes. The line
 * grows to the right; it starts over at 0 whenever nothing waits, and is closed up to the left when
 * it reaches the end of its arrays, which are so long that this costs two moves for each commit at
 * most.
 *
 * Memory is fixed at construction. Slots are reused last in, first out, so a queue that is emptied
 * often stays within the processor's cache however long it could be.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { MAX_SEND_BYTES, type RemoteAddress, SendKind } from "./datagrams.ts";

/**
 * Datagrams that may wait: a key frame of 16 packets to 500 subscribers. 12 MiB, touched when used.
 */
export const QUEUE_SLOTS = 8192;
/** Marks the position of a datagram that was dropped while it waited; no {@linkcode SendKind}. */
export const DROPPED = 255;
const NONE = -1;

/** The line of one socket. Every call outside the contract of `Datagrams` is a counted drop. */
export class SendQueue<Remote extends RemoteAddress = RemoteAddress> {
  readonly slab: ArrayBuffer;
  /** By position, meaningful from `head` to `tail`; where `kinds` says DROPPED only `kinds` is. */
  readonly slots: Uint16Array;
  readonly lengths: Uint16Array;
  readonly kinds: Uint8Array;
  /** Not cleared: at most this many small values outlive their use. */
  readonly remotes: (Remote | undefined)[];
  /** First and one past the last position that waits. */
  head = 0;
  tail = 0;
  /** Datagrams from `head` to `tail` that are not dropped. */
  count = 0;
  readonly #drops: DropSink<TransportDrop>;
  /** By slot, made at its first use: most sockets never need most of them. */
  readonly #views: (Uint8Array | undefined)[];
  /** A stack. */
  readonly #free: Uint16Array;
  #freeCount: number;
  #reserved = NONE;
  #videoCount = 0;
  /** No video waits before this position, and nothing from it on is dropped. */
  #videoFrom = 0;
  #isClosed = false;

  /** @param slots At most 65,536. */
  constructor(drops: DropSink<TransportDrop>, slots: number = QUEUE_SLOTS) {
    this.#drops = drops;
    this.slab = new ArrayBuffer(slots * MAX_SEND_BYTES);
    // Twice what may wait, so that closing up the line always frees half of it.
    this.slots = new Uint16Array(2 * slots);
    this.lengths = new Uint16Array(2 * slots);
    this.kinds = new Uint8Array(2 * slots);
    this.remotes = new Array(2 * slots).fill(undefined);
    this.#free = new Uint16Array(slots);
    this.#freeCount = slots;
    this.#views = new Array(slots).fill(undefined);
    for (let slot = 0; slot < slots; slot++) this.#free[slot] = slots - 1 - slot;
  }

  /** Whether anything of this length can be queued; counts the reason if not. */
  canHold(length: number): boolean {
    if (length <= MAX_SEND_BYTES) return true;
    this.#drops.count("udp_send_too_long");
    return false;
  }

  /** The whole slot. */
  viewOf(slot: number): Uint8Array {
    return this.#views[slot] ??= new Uint8Array(this.slab, slot * MAX_SEND_BYTES, MAX_SEND_BYTES);
  }

  /** Lends a free slot, the same one until it is committed; `undefined` if there is none. */
  reserve(): Uint8Array | undefined {
    if (this.#reserved !== NONE) return this.viewOf(this.#reserved);
    if (this.#freeCount === 0 || this.#isClosed) return undefined;
    this.#reserved = this.#free[--this.#freeCount]!;
    return this.viewOf(this.#reserved);
  }

  /** As {@linkcode reserve} at the cost of the oldest video that waits; counts what is lost. */
  reserveByDropping(): Uint8Array | undefined {
    if (this.#isClosed) this.#drops.count("udp_send_closed");
    else if (this.#dropOldestVideo()) return this.reserve();
    else this.#drops.count("udp_send_queue_full");
    return undefined;
  }

  /** Puts the slot lent last at the end of the line. */
  commit(length: number, remote: Remote, kind: SendKind): void {
    if (this.#reserved === NONE) return this.#drops.count("udp_send_not_reserved");
    if (!this.canHold(length)) return;
    if (this.tail === this.slots.length) this.#closeUp();
    const at = this.tail++;
    this.slots[at] = this.#reserved;
    this.lengths[at] = length;
    this.kinds[at] = kind;
    this.remotes[at] = remote;
    this.#reserved = NONE;
    this.count++;
    if (kind === SendKind.video) this.#videoCount++;
  }

  /**
   * Takes the first datagram out of the line. Its slot stays lent until {@linkcode giveBack}.
   *
   * @returns Its position, valid until the next call of anything else here; -1 if none waits.
   */
  take(): number {
    if (this.count === 0) return NONE;
    let at = this.head;
    while (this.kinds[at] === DROPPED) at++;
    this.#leave(at);
    this.head = at + 1;
    if (this.count === 0) this.#startOver();
    return at;
  }

  /** Frees a slot that was taken. */
  giveBack(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }

  /** Everything before position `end` has left: frees its slots. */
  release(end: number): void {
    for (let at = this.head; at < end; at++) {
      if (this.kinds[at] === DROPPED) continue;
      this.#leave(at);
      this.#free[this.#freeCount++] = this.slots[at]!;
    }
    this.head = end;
    if (this.count === 0) this.#startOver();
  }

  /** Drops what waits and refuses what comes. */
  close(): void {
    this.release(this.tail);
    this.#reserved = NONE;
    this.#isClosed = true;
  }

  #leave(at: number): void {
    this.count--;
    if (this.kinds[at] === SendKind.video) this.#videoCount--;
  }

  #startOver(): void {
    this.head = 0;
    this.tail = 0;
    this.#videoFrom = 0;
  }

  #dropOldestVideo(): boolean {
    if (this.#videoCount === 0) return false;
    let at = Math.max(this.#videoFrom, this.head);
    while (this.kinds[at] !== SendKind.video) at++;
    this.#leave(at);
    this.kinds[at] = DROPPED;
    this.#free[this.#freeCount++] = this.slots[at]!;
    this.#videoFrom = at + 1;
    if (this.count === 0) this.#startOver();
    this.#drops.count("udp_send_dropped_video");
    return true;
  }

  /** Moves what waits to the left end, without the dropped. */
  #closeUp(): void {
    let to = 0;
    let videoFrom = 0;
    for (let at = this.head; at < this.tail; at++) {
      if (at === this.#videoFrom) videoFrom = to;
      if (this.kinds[at] === DROPPED) continue;
      this.slots[to] = this.slots[at]!;
      this.lengths[to] = this.lengths[at]!;
      this.kinds[to] = this.kinds[at]!;
      this.remotes[to] = this.remotes[at]!;
      to++;
    }
    this.#videoFrom = this.#videoFrom >= this.tail ? to : videoFrom;
    this.head = 0;
    this.tail = to;
  }
}
