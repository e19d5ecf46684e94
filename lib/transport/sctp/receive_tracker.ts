/**
 * Which numbered chunks have come (RFC 9260 §6.2): the cumulative number, what is beyond it, and
 * the SACK that says so.
 *
 * Numbers are signed 32-bit integers, compared by serial arithmetic. Memory is fixed, and adding a
 * number costs the same however many came.
 *
 * @module
 */
import { CHUNK, type PacketWriter, tsnDistance } from "./sctp_packet.ts";

/** How far a chunk may be ahead of the first missing one, a power of two. */
export const MAX_TSN_AHEAD = 8192;
const MASK = MAX_TSN_AHEAD - 1;
const SACK_BYTES = 16;
/** Duplicates that one SACK tells of. */
const MAX_DUPLICATES = 16;

/** What the number of a chunk says of it. */
export type TsnStanding = "next" | "ahead" | "duplicate" | "too_far";

/** The receiving side's numbers. Invariant: no bit is set outside `cumulative + 1 .. highest`. */
export class ReceiveTracker {
  /** All up to here have come or were given up. */
  cumulative: number;
  /** The highest that has come. */
  highest: number;
  /** Made when something is missing for the first time. */
  #bits: Int32Array | undefined;
  /** Made when something comes twice for the first time. */
  #duplicates: Int32Array | undefined;
  #duplicateCount = 0;

  /** @param initialTsn The peer's first number. */
  constructor(initialTsn: number) {
    this.cumulative = (initialTsn - 1) | 0;
    this.highest = this.cumulative;
  }

  /** Whether something is missing. */
  get hasGaps(): boolean {
    return this.highest !== this.cumulative;
  }

  standing(tsn: number): TsnStanding {
    const ahead = tsnDistance(tsn, this.cumulative);
    if (ahead <= 0) return "duplicate";
    if (ahead === 1) return "next";
    if (ahead >= MAX_TSN_AHEAD) return "too_far";
    return this.#has(tsn) ? "duplicate" : "ahead";
  }

  /** Remembers a duplicate for the next SACK. */
  addDuplicate(tsn: number): void {
    const duplicates = this.#duplicates ??= new Int32Array(MAX_DUPLICATES);
    if (this.#duplicateCount < MAX_DUPLICATES) duplicates[this.#duplicateCount++] = tsn;
  }

  /** Takes the number that is `next`; {@linkcode ReceiveTracker.advance} may go on from there. */
  addNext(tsn: number): void {
    this.cumulative = tsn;
    if (tsnDistance(tsn, this.highest) > 0) this.highest = tsn;
  }

  /** Takes a number that is `ahead`. */
  addAhead(tsn: number): void {
    const bits = this.#bits ??= new Int32Array(MAX_TSN_AHEAD / 32);
    bits[(tsn & MASK) >>> 5]! |= 1 << (tsn & 31);
    if (tsnDistance(tsn, this.highest) > 0) this.highest = tsn;
  }

  /** Moves the cumulative number by one if that one has come. */
  advance(): boolean {
    if (this.highest === this.cumulative) return false;
    const next = (this.cumulative + 1) | 0;
    if (!this.#has(next)) return false;
    this.#bits![(next & MASK) >>> 5]! &= ~(1 << (next & 31));
    this.cumulative = next;
    return true;
  }

  /** Everything up to `tsn`, at most {@linkcode MAX_TSN_AHEAD} ahead, counts as come. */
  skipTo(tsn: number): void {
    const bits = this.#bits;
    if (bits !== undefined) {
      const last = tsnDistance(this.highest, tsn) < 0 ? this.highest : tsn;
      let left = tsnDistance(last, this.cumulative);
      for (let t = (this.cumulative + 1) | 0; left > 0;) {
        const bit = t & 31;
        const count = Math.min(32 - bit, left);
        bits[(t & MASK) >>> 5]! &= ~((0xffff_ffff >>> (32 - count)) << bit);
        t = (t + count) | 0;
        left -= count;
      }
    }
    this.cumulative = tsn;
    if (tsnDistance(tsn, this.highest) > 0) this.highest = tsn;
  }

  /** Writes a SACK (§3.3.4) with as many gaps and duplicates as fit; forgets the duplicates. */
  writeSack(writer: PacketWriter, window: number): void {
    const at = writer.chunk(CHUNK.sack, 0, SACK_BYTES);
    const { view } = writer;
    view.setInt32(at + 4, this.cumulative);
    view.setUint32(at + 8, window);
    const span = tsnDistance(this.highest, this.cumulative);
    let gaps = 0;
    for (let from = 1; from <= span && writer.room >= 4;) {
      const start = this.#find(from, span, true);
      if (start > span) break;
      const end = this.#find(start, span, false) - 1;
      view.setUint16(writer.length, start);
      view.setUint16(writer.length + 2, end);
      writer.length += 4;
      gaps++;
      from = end + 1;
    }
    let duplicates = 0;
    while (duplicates < this.#duplicateCount && writer.room >= 4) {
      view.setInt32(writer.length, this.#duplicates![duplicates++]!);
      writer.length += 4;
    }
    this.#duplicateCount = 0;
    view.setUint16(at + 2, writer.length - at);
    view.setUint16(at + 12, gaps);
    view.setUint16(at + 14, duplicates);
  }

  #has(tsn: number): boolean {
    return this.#bits !== undefined &&
      (this.#bits[(tsn & MASK) >>> 5]! & (1 << (tsn & 31))) !== 0;
  }

  /** The first offset in `from..span` whose number has (not) come; beyond `span` if none. */
  #find(from: number, span: number, come: boolean): number {
    const bits = this.#bits!;
    let offset = from;
    while (offset <= span) {
      const tsn = this.cumulative + offset;
      const word = bits[(tsn & MASK) >>> 5]!;
      const rest = (come ? word : ~word) >>> (tsn & 31);
      if (rest !== 0) return Math.min(offset + 31 - Math.clz32(rest & -rest), span + 1);
      offset += 32 - (tsn & 31);
    }
    return span + 1;
  }
}
