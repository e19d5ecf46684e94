/**
 * The recent packets of one layer in one slab: history for retransmission, and the source of every
 * forwarded packet, whose payload is sealed straight from here.
 *
 * Packets are moved inside one `ArrayBuffer` with `copyWithin`, which moves an exact range without
 * making a view; this is what keeps forwarding free of allocation.
 *
 * @module
 */
import type { ExtSeq } from "../../wire/seq.ts";

/** Bytes of one slot: an Ethernet MTU, rounded up to 32. Larger packets are refused. */
export const SLOT_BYTES = 1504;
/** Where a received packet lands first: receive buffers up to this size are copied in one go. */
const STAGING_BYTES = 2048;

/**
 * One layer's recent packets, found under their extended numbers until a later packet takes the
 * slot. Only the first view of a slot allocates.
 */
export class PacketCache {
  /** All slots, one behind the other; to be read only. */
  readonly arena: Uint8Array;
  /** The same memory. */
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #stagingAt: number;
  readonly #seq: Float64Array;
  readonly #arrival: Float64Array;
  readonly #length: Uint16Array;
  readonly #slots: (Uint8Array | undefined)[];
  /** The staging area as an array of its own, for packets rebuilt before they are stored. */
  readonly staging: Uint8Array;

  /** @param capacity Packets kept, a power of two. */
  constructor(capacity: number) {
    this.#mask = capacity - 1;
    this.#stagingAt = capacity * SLOT_BYTES;
    this.arena = new Uint8Array(this.#stagingAt + STAGING_BYTES);
    this.#words = new Int32Array(this.arena.buffer);
    this.#seq = new Float64Array(capacity).fill(-1);
    this.#arrival = new Float64Array(capacity).fill(-1);
    this.#length = new Uint16Array(capacity);
    this.#slots = new Array(capacity).fill(undefined);
    this.staging = this.arena.subarray(this.#stagingAt);
  }

  get capacity(): number {
    return this.#mask + 1;
  }

  /** Copies `bytes[0, length)` to the staging area; at most {@linkcode SLOT_BYTES}. */
  stage(bytes: Uint8Array, length: number): void {
    if (bytes.length <= STAGING_BYTES) {
      this.arena.set(bytes, this.#stagingAt);
      return;
    }
    // A receive buffer this large is unusual: a loop is slower, but makes no view.
    for (let i = 0; i < length; i++) this.arena[this.#stagingAt + i] = bytes[i]!;
  }

  /** Removes `count` bytes at `at` of the staged packet of `length` bytes. */
  cutStaged(at: number, count: number, length: number): void {
    const from = this.#stagingAt + at;
    this.arena.copyWithin(from, from + count, this.#stagingAt + length);
  }

  /** The slot `seq` goes to, whatever is there now. */
  slotFor(seq: ExtSeq): number {
    return seq & this.#mask;
  }

  /** Stores the staged packet under `seq`. `arrival` grows from packet to packet. */
  storeStaged(seq: ExtSeq, length: number, arrival: number): void {
    const slot = seq & this.#mask;
    this.#seq[slot] = seq;
    this.#length[slot] = length;
    this.#arrival[slot] = arrival;
    this.arena.copyWithin(slot * SLOT_BYTES, this.#stagingAt, this.#stagingAt + length);
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

  /** Where a slot starts in {@linkcode arena}. */
  offsetOf(slot: number): number {
    return slot * SLOT_BYTES;
  }

  /** A slot as an array of its own; made at its first use, then kept. */
  slotBytes(slot: number): Uint8Array {
    let bytes = this.#slots[slot];
    if (bytes === undefined) {
      bytes = this.arena.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
      this.#slots[slot] = bytes;
    }
    return bytes;
  }

  /**
   * Copies the whole packet in a slot, in words of 4 bytes (the last one filled up), to `into[at]`
   * on.
   */
  copyWords(slot: number, into: Int32Array, at: number): void {
    const words = this.#words;
    const from = slot * (SLOT_BYTES / 4);
    const count = (this.#length[slot]! + 3) >> 2;
    for (let i = 0; i < count; i++) into[at + i] = words[from + i]!;
  }
}
