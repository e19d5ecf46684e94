/**
 * The recent packets of one layer: history for retransmission, and the source of every forwarded
 * packet, whose payload is sealed straight from here.
 *
 * Packets are moved inside one `ArrayBuffer` with `copyWithin`, which moves an exact range without
 * making a view; this is what keeps forwarding free of allocation. So each chunk of slots has a
 * staging area of its own, in which its packets land first.
 *
 * A cache begins small and is doubled where it would overwrite a packet that may still be asked
 * for. Chunks stay where they are then, and half of the packets move to the new ones.
 *
 * @module
 */
import type { ExtSeq } from "../../wire/seq.ts";

/** Bytes of one slot: an Ethernet MTU, rounded up to 32. Larger packets are refused. */
export const SLOT_BYTES = 1504;
/** How long a packet is kept for those who miss it, ms, if the largest capacity allows it. */
export const KEPT_MS = 1000;
/**
 * Packets that are kept at most: of video two seconds at 2 Mbit/s, a fast path asks for nothing
 * older; of audio 2.5 s of frames of 20 ms, 1.3 s of 10 ms, what is older is of no use to a
 * listener.
 */
export const MOST_PACKETS = { video: 512, audio: 128 } as const;
/** Where a received packet lands first: receive buffers up to this size are copied in one go. */
const STAGING_BYTES = 2048;
/** Up to here it is faster to copy the packet alone, by bytes. */
const SHORT_BYTES = 192;
const CHUNK_SHIFT = 5;
/** Slots allocated together: 50 kB. */
const CHUNK_SLOTS = 1 << CHUNK_SHIFT;
const STAGING_AT = CHUNK_SLOTS * SLOT_BYTES;

/** Slots one behind the other, and then the staging area. */
class Chunk {
  readonly bytes = new Uint8Array(STAGING_AT + STAGING_BYTES);
  /** The same memory. */
  readonly words = new Int32Array(this.bytes.buffer);
  readonly staging = this.bytes.subarray(STAGING_AT);
}

/**
 * One layer's recent packets, found under their extended numbers until a later packet takes the
 * slot. Allocates where it grows, and for the first view of a slot.
 */
export class PacketCache {
  /** The most packets it may keep. */
  readonly most: number;
  readonly #least: number;
  #mask: number;
  readonly #chunks: Chunk[] = [];
  #seq: Float64Array;
  #arrival: Float64Array;
  #storedAt: Float64Array;
  #length: Uint16Array;
  #slots: (Uint8Array | undefined)[];

  /**
   * @param least Packets kept at first, a power of two and a multiple of 32.
   * @param most Packets kept at most, a power of two.
   */
  constructor(least: number, most: number) {
    this.most = most;
    this.#least = least;
    this.#mask = least - 1;
    this.#seq = new Float64Array(least).fill(-1);
    this.#arrival = new Float64Array(least).fill(-1);
    this.#storedAt = new Float64Array(least).fill(-Infinity);
    this.#length = new Uint16Array(least);
    this.#slots = new Array(least).fill(undefined);
    this.#setChunks(least);
  }

  /** Packets kept now. */
  get capacity(): number {
    return this.#mask + 1;
  }

  /** Whether it has grown, so that it can be {@linkcode shrink shrunk}. */
  get hasGrown(): boolean {
    return this.#mask >= this.#least;
  }

  /** Whether `seq` would overwrite a packet stored less than {@linkcode KEPT_MS} ago. */
  overwritesRecent(seq: ExtSeq, now: number): boolean {
    return now - this.#storedAt[seq & this.#mask]! < KEPT_MS;
  }

  /** Doubles it. Packets move to other slots; views and chunks remain. */
  grow(): void {
    this.#resize(2 * this.capacity);
  }

  /** Lets go what it has grown by; of what is kept the newest stay. */
  shrink(): void {
    this.#resize(this.#least);
  }

  /** Copies `bytes[0, length)` to the staging area of `seq`; at most {@linkcode SLOT_BYTES}. */
  stage(seq: ExtSeq, bytes: Uint8Array, length: number): void {
    const staged = this.#chunkOf(seq & this.#mask).bytes;
    if (bytes.length <= STAGING_BYTES && length > SHORT_BYTES) {
      staged.set(bytes, STAGING_AT);
      return;
    }
    // Of a short packet the buffer has much more; one that is larger is unusual, and makes no view.
    for (let i = 0; i < length; i++) staged[STAGING_AT + i] = bytes[i]!;
  }

  /** The packet staged for `seq`, as an array of its own. */
  staged(seq: ExtSeq): Uint8Array {
    return this.#chunkOf(seq & this.#mask).staging;
  }

  /** Removes `count` bytes at `at` of the packet of `length` bytes staged for `seq`. */
  cutStaged(seq: ExtSeq, at: number, count: number, length: number): void {
    this.staged(seq).copyWithin(at, at + count, length);
  }

  /** The slot `seq` goes to, whatever is there now. */
  slotFor(seq: ExtSeq): number {
    return seq & this.#mask;
  }

  /** Stores the packet staged for `seq`. `arrival` grows from packet to packet. */
  storeStaged(seq: ExtSeq, length: number, arrival: number, now: number): void {
    const slot = seq & this.#mask;
    this.#seq[slot] = seq;
    this.#length[slot] = length;
    this.#arrival[slot] = arrival;
    this.#storedAt[slot] = now;
    this.#chunkOf(slot).bytes.copyWithin(this.offsetOf(slot), STAGING_AT, STAGING_AT + length);
  }

  /** The slot of `seq`, or -1 if it is not (or no longer) here. */
  find(seq: number): number {
    const slot = seq & this.#mask;
    return this.#seq[slot] === seq ? slot : -1;
  }

  /** Packet length of a slot, in bytes. */
  lengthOf(slot: number): number {
    return this.#length[slot]!;
  }

  /** When the packet in a slot was stored, by the caller's count; -1 if none was. */
  arrivalOf(slot: number): number {
    return this.#arrival[slot]!;
  }

  /** When the packet in a slot was stored, monotonic ms. */
  storedAt(slot: number): number {
    return this.#storedAt[slot]!;
  }

  /** The memory a slot is in, at {@linkcode offsetOf}; to be read only. */
  memoryOf(slot: number): Uint8Array {
    return this.#chunkOf(slot).bytes;
  }

  /** Where a slot starts in {@linkcode memoryOf}. */
  offsetOf(slot: number): number {
    return (slot & (CHUNK_SLOTS - 1)) * SLOT_BYTES;
  }

  /** A slot as an array of its own; made at its first use, then kept. */
  slotBytes(slot: number): Uint8Array {
    let bytes = this.#slots[slot];
    if (bytes === undefined) {
      const at = this.offsetOf(slot);
      bytes = this.#chunkOf(slot).bytes.subarray(at, at + SLOT_BYTES);
      this.#slots[slot] = bytes;
    }
    return bytes;
  }

  /**
   * Copies the whole packet in a slot, in words of 4 bytes (the last one filled up), to `into[at]`
   * on.
   */
  copyWords(slot: number, into: Int32Array, at: number): void {
    const { words } = this.#chunkOf(slot);
    const from = this.offsetOf(slot) / 4;
    const count = (this.#length[slot]! + 3) >> 2;
    for (let i = 0; i < count; i++) into[at + i] = words[from + i]!;
  }

  #chunkOf(slot: number): Chunk {
    return this.#chunks[slot >> CHUNK_SHIFT]!;
  }

  #setChunks(capacity: number): void {
    const chunks = this.#chunks;
    while (chunks.length < capacity >> CHUNK_SHIFT) chunks.push(new Chunk());
  }

  /** Moves every packet to its slot in a cache of another size; the newest of those for one. */
  #resize(capacity: number): void {
    this.#setChunks(capacity);
    const old = {
      seq: this.#seq,
      arrival: this.#arrival,
      at: this.#storedAt,
      length: this.#length,
    };
    this.#slots.length = Math.min(this.#slots.length, capacity);
    while (this.#slots.length < capacity) this.#slots.push(undefined);
    const seqs = this.#seq = new Float64Array(capacity).fill(-1);
    this.#arrival = new Float64Array(capacity).fill(-1);
    this.#storedAt = new Float64Array(capacity).fill(-Infinity);
    this.#length = new Uint16Array(capacity);
    this.#mask = capacity - 1;
    // Lower slots first: a packet moves up to a chunk that is new, or down to a slot whose own
    // packet was looked at before.
    for (let from = 0; from < old.seq.length; from++) {
      const seq = old.seq[from]!;
      const to = seq & this.#mask;
      if (seq < 0 || seq <= seqs[to]!) continue;
      seqs[to] = seq;
      this.#arrival[to] = old.arrival[from]!;
      this.#storedAt[to] = old.at[from]!;
      const length = this.#length[to] = old.length[from]!;
      if (to === from) continue;
      const start = this.offsetOf(from);
      const bytes = this.#chunkOf(from).bytes.subarray(start, start + length);
      this.#chunkOf(to).bytes.set(bytes, this.offsetOf(to));
    }
    this.#chunks.length = capacity >> CHUNK_SHIFT;
  }
}
