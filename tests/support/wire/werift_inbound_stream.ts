/**
 * Puts the messages of one received SCTP stream together (RFC 9260 §6.9, ordering §6.5).
 *
 * Takes the place of werift's class of the same shape, which delivers one ordered message per
 * arriving chunk and so falls behind for ever after the first loss.
 *
 * Contract: chunks are added once each; a message comes out once, when all its fragments are there
 * and, if it is ordered, all before it came out.
 *
 * @module
 */
import { Buffer } from "node:buffer";

export const LAST_FRAGMENT = 0x01;
export const FIRST_FRAGMENT = 0x02;
export const UNORDERED = 0x04;

/** A received DATA chunk, as werift parses it. */
export interface InboundChunk {
  readonly tsn: number;
  readonly flags: number;
  readonly streamId: number;
  readonly streamSeqNum: number;
  /** Payload protocol identifier. */
  readonly protocol: number;
  readonly userData: Buffer;
}

/** Stream id, payload protocol identifier, bytes. */
export type InboundMessage = [number, number, Buffer];

/** How far `tsn` is after `reference` in 32-bit serial arithmetic; negative before it. */
export function tsnDistance(tsn: number, reference: number): number {
  return (tsn - reference) | 0;
}

/**
 * One received stream: each message comes out once and whole, ordered ones in order, however its
 * chunks arrive. The members have the names werift calls.
 */
export class InboundStream {
  /** Chunks held, in order of their TSN. */
  reassembly: InboundChunk[] = [];
  /** Of the next ordered message. */
  streamSequenceNumber = 0;

  addChunk(chunk: InboundChunk): void {
    let at = this.reassembly.length;
    while (at > 0 && tsnDistance(this.reassembly[at - 1]!.tsn, chunk.tsn) > 0) at--;
    this.reassembly.splice(at, 0, chunk);
  }

  /** Takes out every message that can be delivered now, in order. */
  popMessages(): InboundMessage[] {
    const messages: InboundMessage[] = [];
    let at = 0;
    while (at < this.reassembly.length) {
      const first = this.reassembly[at]!;
      const fragments = (first.flags & FIRST_FRAGMENT) === 0 ? 0 : this.#fragmentsFrom(at);
      if (fragments === 0 || !this.#isTurnOf(first)) {
        at++;
        continue;
      }
      const parts = this.reassembly.splice(at, fragments).map(({ userData }) => userData);
      messages.push([
        first.streamId,
        first.protocol,
        parts.length === 1 ? parts[0]! : Buffer.concat(parts),
      ]);
      if ((first.flags & UNORDERED) === 0 && first.streamSeqNum === this.streamSequenceNumber) {
        this.streamSequenceNumber = (first.streamSeqNum + 1) & 0xffff;
      }
    }
    return messages;
  }

  /** Forgets chunks up to `tsn`, which the sender gave up. Returns their bytes. */
  pruneChunks(tsn: number): number {
    let bytes = 0;
    this.reassembly = this.reassembly.filter((chunk) => {
      const keep = tsnDistance(chunk.tsn, tsn) > 0;
      if (!keep) bytes += chunk.userData.length;
      return keep;
    });
    return bytes;
  }

  /** How many chunks, from `at` on, make a whole message; 0 if it is not whole. */
  #fragmentsFrom(at: number): number {
    let tsn = this.reassembly[at]!.tsn;
    for (let i = at; i < this.reassembly.length; i++, tsn = (tsn + 1) >>> 0) {
      const chunk = this.reassembly[i]!;
      // Also a message cannot begin within another: looked at no further, all of the list stays
      // linear.
      if (chunk.tsn !== tsn || (i > at && (chunk.flags & FIRST_FRAGMENT) !== 0)) return 0;
      if ((chunk.flags & LAST_FRAGMENT) !== 0) return i - at + 1;
    }
    return 0;
  }

  /** Ordered messages wait for those before them; numbers that were skipped no longer wait. */
  #isTurnOf({ flags, streamSeqNum }: InboundChunk): boolean {
    if ((flags & UNORDERED) !== 0) return true;
    return ((this.streamSequenceNumber - streamSeqNum) & 0xffff) < 0x8000;
  }
}
