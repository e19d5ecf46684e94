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
/** As often as needed. */
export const UNLIMITED = -1;

/** The messages of one association by slot. */
export class OutgoingMessages {
  bytes: Uint8Array[] = new Array(FIRST_SLOTS).fill(NO_BYTES);
  ppid = new Uint32Array(FIRST_SLOTS);
  streamId = new Uint16Array(FIRST_SLOTS);
  /** Of an ordered message that has begun to be sent. */
  streamSeq = new Uint16Array(FIRST_SLOTS);
  ordered = new Uint8Array(FIRST_SLOTS);
  /** How often a chunk may be sent again; {@linkcode UNLIMITED}. */
  maxRetransmits = new Int32Array(FIRST_SLOTS);
  /** When it is worth nothing any more, monotonic ms; `Infinity`. */
  expiresAt = new Float64Array(FIRST_SLOTS);
  /** Bytes that have been put into chunks. */
  cut = new Uint32Array(FIRST_SLOTS);
  /** Chunks whose numbers have not been acknowledged. */
  chunks = new Int32Array(FIRST_SLOTS);
  /** The peer is told not to wait for it. */
  abandoned = new Uint8Array(FIRST_SLOTS);
  /** The slot behind in the same list. */
  next = new Int32Array(FIRST_SLOTS);
  #free = NO_SLOT;
  #used = 0;

  /** Takes a slot for a message. */
  add(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    ordered: boolean,
    maxRetransmits: number,
    expiresAt: number,
  ): number {
    let slot = this.#free;
    if (slot !== NO_SLOT) this.#free = this.next[slot]!;
    else {
      slot = this.#used++;
      if (slot === this.bytes.length) this.#grow();
    }
    this.bytes[slot] = bytes;
    this.ppid[slot] = ppid;
    this.streamId[slot] = streamId;
    this.ordered[slot] = ordered ? 1 : 0;
    this.maxRetransmits[slot] = maxRetransmits;
    this.expiresAt[slot] = expiresAt;
    this.cut[slot] = 0;
    this.chunks[slot] = 0;
    this.abandoned[slot] = 0;
    this.next[slot] = NO_SLOT;
    return slot;
  }

  /** Gives the slot back. */
  remove(slot: number): void {
    this.bytes[slot] = NO_BYTES;
    this.next[slot] = this.#free;
    this.#free = slot;
  }

  /** A chunk of the message needs no acknowledgement any more; the last one frees it. */
  chunkDone(slot: number): void {
    if (--this.chunks[slot]! > 0) return;
    if (this.abandoned[slot] !== 0 || this.cut[slot] === this.bytes[slot]!.length) {
      this.remove(slot);
    }
  }

  /** Whether it may be given up at all. */
  isLimited(slot: number): boolean {
    return this.maxRetransmits[slot] !== UNLIMITED || this.expiresAt[slot] !== Infinity;
  }

  #grow(): void {
    const size = 2 * this.bytes.length;
    while (this.bytes.length < size) this.bytes.push(NO_BYTES);
    const grown = <A extends { readonly length: number; set(from: A): void }>(into: A, from: A) => {
      into.set(from);
      return into;
    };
    this.ppid = grown(new Uint32Array(size), this.ppid);
    this.streamId = grown(new Uint16Array(size), this.streamId);
    this.streamSeq = grown(new Uint16Array(size), this.streamSeq);
    this.ordered = grown(new Uint8Array(size), this.ordered);
    this.maxRetransmits = grown(new Int32Array(size), this.maxRetransmits);
    this.expiresAt = grown(new Float64Array(size), this.expiresAt);
    this.cut = grown(new Uint32Array(size), this.cut);
    this.chunks = grown(new Int32Array(size), this.chunks);
    this.abandoned = grown(new Uint8Array(size), this.abandoned);
    this.next = grown(new Int32Array(size), this.next);
  }
}
