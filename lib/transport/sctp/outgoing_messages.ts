/**
 * Messages that are to be sent, or on their way: one slot each in arrays that grow to the most
 * there were, so that sending makes no object.
 *
 * A message's bytes are those of its sender, which does not change them: one message may be on its
 * way to many peers. A slot is free again when nothing of it waits or is unacknowledged.
 *
 * @module
 */

const NO_BYTES = new Uint8Array(0);
const FIRST_SLOTS = 4;
/** No slot: the end of a list. */
export const NO_SLOT = -1;
/** Charged to every waiting message besides its bytes, so that empty ones are bounded too. */
export const WAITING_COST_BYTES = 64;
/** As often as needed. */
export const UNLIMITED = -1;

/** Words of a message in the table, side by side as few messages are in any cache. */
const FIELD = {
  ppid: 0,
  streamId: 1,
  streamSeq: 2,
  ordered: 3,
  maxRetransmits: 4,
  cut: 5,
  chunks: 6,
  abandoned: 7,
  next: 8,
  sender: 9,
  /** Two words, as one number. */
  expiresAt: 10,
  size: 12,
} as const;

/** The messages of one association by slot. */
export class OutgoingMessages {
  #bytes: Uint8Array[] = new Array(FIRST_SLOTS).fill(NO_BYTES);
  #table = new Int32Array(FIRST_SLOTS * FIELD.size);
  /** The same memory. */
  #numbers = new Float64Array(this.#table.buffer);
  #free = NO_SLOT;
  #used = 0;

  /**
   * Takes a slot for a message.
   *
   * @param sender Whose it is, 32 bits.
   */
  add(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    ordered: boolean,
    maxRetransmits: number,
    expiresAt: number,
    sender: number,
  ): number {
    let slot = this.#free;
    if (slot !== NO_SLOT) this.#free = this.nextOf(slot);
    else {
      slot = this.#used++;
      if (slot === this.#bytes.length) this.#grow();
    }
    this.#bytes[slot] = bytes;
    const at = slot * FIELD.size;
    const table = this.#table;
    table[at + FIELD.ppid] = ppid;
    table[at + FIELD.streamId] = streamId;
    table[at + FIELD.ordered] = ordered ? 1 : 0;
    table[at + FIELD.maxRetransmits] = maxRetransmits;
    this.#numbers[(at + FIELD.expiresAt) >> 1] = expiresAt;
    table[at + FIELD.cut] = 0;
    table[at + FIELD.chunks] = 0;
    table[at + FIELD.abandoned] = 0;
    table[at + FIELD.next] = NO_SLOT;
    table[at + FIELD.sender] = sender;
    return slot;
  }

  bytesOf(slot: number): Uint8Array {
    return this.#bytes[slot]!;
  }

  /** What it costs while it waits, bytes. */
  costOf(slot: number): number {
    return this.#bytes[slot]!.length + WAITING_COST_BYTES;
  }

  ppidOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.ppid]! >>> 0;
  }

  streamIdOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.streamId]!;
  }

  isOrdered(slot: number): boolean {
    return this.#table[slot * FIELD.size + FIELD.ordered] !== 0;
  }

  /** How often a chunk may be sent again; {@linkcode UNLIMITED}. */
  maxRetransmitsOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.maxRetransmits]!;
  }

  /** When it is worth nothing any more, monotonic ms; `Infinity`. */
  expiresAt(slot: number): number {
    return this.#numbers[(slot * FIELD.size + FIELD.expiresAt) >> 1]!;
  }

  /** Of an ordered message that has begun to be sent. */
  streamSeqOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.streamSeq]!;
  }

  setStreamSeq(slot: number, streamSeq: number): void {
    this.#table[slot * FIELD.size + FIELD.streamSeq] = streamSeq;
  }

  /** Bytes that have been put into chunks. */
  cutOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.cut]!;
  }

  setCut(slot: number, bytes: number): void {
    this.#table[slot * FIELD.size + FIELD.cut] = bytes;
  }

  senderOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.sender]!;
  }

  /** The slot behind in the same list. */
  nextOf(slot: number): number {
    return this.#table[slot * FIELD.size + FIELD.next]!;
  }

  setNext(slot: number, next: number): void {
    this.#table[slot * FIELD.size + FIELD.next] = next;
  }

  /** Gives the slot back. */
  remove(slot: number): void {
    this.#bytes[slot] = NO_BYTES;
    this.setNext(slot, this.#free);
    this.#free = slot;
  }

  /** A chunk of the message got a number. */
  chunkAdded(slot: number): void {
    this.#table[slot * FIELD.size + FIELD.chunks]!++;
  }

  /** A chunk of the message needs no acknowledgement any more; the last one frees it. */
  chunkDone(slot: number): void {
    const at = slot * FIELD.size;
    const table = this.#table;
    if (--table[at + FIELD.chunks]! > 0) return;
    if (table[at + FIELD.abandoned] !== 0 || table[at + FIELD.cut] === this.#bytes[slot]!.length) {
      this.remove(slot);
    }
  }

  /** The peer is told not to wait for it. */
  abandon(slot: number): void {
    this.#table[slot * FIELD.size + FIELD.abandoned] = 1;
  }

  /** Whether it may be given up at all. */
  isLimited(slot: number): boolean {
    return this.maxRetransmitsOf(slot) !== UNLIMITED || this.expiresAt(slot) !== Infinity;
  }

  #grow(): void {
    const size = 2 * this.#bytes.length;
    while (this.#bytes.length < size) this.#bytes.push(NO_BYTES);
    const table = new Int32Array(size * FIELD.size);
    table.set(this.#table);
    this.#table = table;
    this.#numbers = new Float64Array(table.buffer);
  }
}
