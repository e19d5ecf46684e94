/**
 * Puts messages together from chunks (RFC 9260 §6.5, §6.9).
 *
 * Chunks whose number is the next one are added to the one message that is open; a message's
 * fragments have consecutive numbers, so there is only one. Chunks ahead of missing ones are kept,
 * joined to runs, and come out as soon as a run is a whole message: streams do not wait for each
 * other, nor unordered messages for anything. Each chunk costs the same, however many are kept.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { type InboundQueue, MESSAGE_COST_BYTES } from "./inbound_queue.ts";
import { PPID } from "./data_channel_messages.ts";
import { copyOf, DATA_FLAG, tsnDistance } from "./sctp_packet.ts";

/** What a chunk that is kept weighs besides its bytes. */
const CHUNK_COST_BYTES = 128;
const FIRST_OPEN_BYTES = 4096;

const NO_BYTES = new Uint8Array(0);

/** A chunk as it came; the payload is `bytes[from, from + length)`, valid during the call. */
export interface ReceivedChunk {
  tsn: number;
  flags: number;
  streamId: number;
  streamSeq: number;
  ppid: number;
  bytes: Uint8Array;
  from: number;
  length: number;
}

/** A part of a message, ahead of what is missing. */
interface Fragment {
  readonly flags: number;
  readonly streamId: number;
  readonly streamSeq: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
  /** At the ends of a run of parts: where its other end is, and how many bytes it has. */
  first: number;
  last: number;
  total: number;
}

interface EarlyMessage {
  readonly ppid: number;
  readonly bytes: Uint8Array;
}

/** Messages of one association from their chunks; whole ones go to the queue, each once. */
export class Reassembly {
  /** What is kept for messages that are not whole or not in turn, with its cost. */
  weight = 0;
  /** A message is longer than any may be. */
  isTooLong = false;
  readonly #queue: InboundQueue;
  readonly #drops: DropSink<TransportDrop>;
  readonly #maxBytes: number;
  /** By stream: the number of the next ordered message. */
  #nextSeq = new Uint16Array(8);
  /** By stream and number: whole messages before their turn. */
  readonly #early = new Map<number, Map<number, EarlyMessage>>();
  readonly #fragments = new Map<number, Fragment>();
  /** The message that is open: what it is, and its bytes so far. */
  #isOpen = false;
  #flags = 0;
  #streamId = 0;
  #streamSeq = 0;
  #ppid = 0;
  #open: Uint8Array = NO_BYTES;
  #length = 0;

  /** @param maxBytes Of the longest message. */
  constructor(queue: InboundQueue, drops: DropSink<TransportDrop>, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#queue = queue;
    this.#drops = drops;
  }

  /** Whether a message is open that the next chunk continues. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Takes the chunk whose number is the next one. */
  addNext({ flags, streamId, streamSeq, ppid, bytes, from, length }: ReceivedChunk): void {
    if ((flags & DATA_FLAG.first) !== 0) {
      if (this.#isOpen) this.#drop("sctp_broken_message");
      if ((flags & DATA_FLAG.last) !== 0) {
        const message = copyOf(bytes, from, from + length);
        return this.#complete(flags, streamId, streamSeq, ppid, message);
      }
      this.#isOpen = true;
      this.#flags = flags;
      this.#streamId = streamId;
      this.#streamSeq = streamSeq;
      this.#ppid = ppid;
    } else if (!this.#continues(flags, streamId, streamSeq)) {
      return this.#drop("sctp_broken_message");
    }
    if (!this.#append(bytes, from, length)) return;
    if ((flags & DATA_FLAG.last) === 0) return;
    const message = this.#open.slice(0, this.#length);
    this.#close();
    this.#complete(flags, streamId, streamSeq, this.#ppid, message);
  }

  /** Takes a chunk ahead of missing ones. */
  addAhead(chunk: ReceivedChunk): void {
    const { tsn, flags, streamId, streamSeq, ppid, from, length } = chunk;
    const bytes = copyOf(chunk.bytes, from, from + length);
    const whole = DATA_FLAG.first | DATA_FLAG.last;
    if ((flags & whole) === whole) {
      return this.#complete(flags, streamId, streamSeq, ppid, bytes);
    }
    const added = {
      ...{ flags, streamId, streamSeq, ppid, bytes },
      ...{ first: tsn, last: tsn, total: length },
    };
    const left = this.#fragments.get((tsn - 1) | 0);
    const right = this.#fragments.get((tsn + 1) | 0);
    this.#fragments.set(tsn, added);
    this.weight += length + CHUNK_COST_BYTES;
    if (left !== undefined && areJoined(left, added)) {
      added.first = left.first;
      added.total += left.total;
    }
    if (right !== undefined && areJoined(added, right)) {
      added.last = right.last;
      added.total += right.total;
    }
    this.#joinRun(added);
  }

  /** The number `tsn` became the next one: what was kept of it is added now. */
  advancedTo(tsn: number): void {
    const fragment = this.#fragments.size === 0 ? undefined : this.#forget(tsn);
    // Where a message is open, a whole one cannot have stood there.
    if (fragment === undefined) return this.#isOpen ? this.#drop("sctp_broken_message") : undefined;
    const { flags, streamId, streamSeq, ppid, bytes } = fragment;
    this.addNext({
      ...{ tsn, flags, streamId, streamSeq, ppid, bytes },
      from: 0,
      length: bytes.length,
    });
  }

  /** The sender gave up what is missing of `from..to` (RFC 3758 §3.6); whole messages stay. */
  giveUp(from: number, to: number): void {
    if (this.#isOpen) this.#close();
    // One part far ahead must not cost a look at every number before it.
    if (this.#fragments.size <= tsnDistance(to, from)) {
      for (const tsn of this.#fragments.keys()) if (tsnDistance(tsn, to) <= 0) this.#forget(tsn);
      return;
    }
    for (let tsn = from; tsnDistance(tsn, to) <= 0; tsn = (tsn + 1) | 0) this.#forget(tsn);
  }

  /** Ordered messages of a stream up to `streamSeq` need not be waited for any more. */
  skipSeq(streamId: number, streamSeq: number): void {
    const from = this.#next(streamId);
    const next = (streamSeq + 1) & 0xffff;
    const skipped = seqDistance(next, from);
    if (skipped <= 0) return;
    const early = this.#early.get(streamId);
    this.#nextSeq[streamId] = next;
    if (early === undefined) return;
    // Many small steps before many messages must not look at all of them each time.
    if (skipped <= early.size) {
      for (let seq = from; seq !== next; seq = (seq + 1) & 0xffff) {
        if (early.has(seq)) this.#release(streamId, early, seq);
      }
    } else {
      const come = [...early.keys()].filter((seq) => seqDistance(seq, next) < 0);
      come.sort((a, b) => seqDistance(a, b));
      for (const seq of come) this.#release(streamId, early, seq);
    }
    this.#releaseEarly(streamId);
  }

  /** The peer begins the stream anew (RFC 6525 §5.2.2): ordered messages count from 0 again. */
  resetStream(streamId: number): void {
    if (streamId < this.#nextSeq.length) this.#nextSeq[streamId] = 0;
    const early = this.#early.get(streamId);
    if (early === undefined) return;
    for (const { bytes } of early.values()) this.weight -= bytes.length + MESSAGE_COST_BYTES;
    this.#early.delete(streamId);
  }

  #joinRun(added: Fragment): void {
    const start = this.#fragments.get(added.first)!;
    const end = this.#fragments.get(added.last)!;
    start.last = end.last = added.last;
    start.first = end.first = added.first;
    start.total = end.total = added.total;
    if (added.total > this.#maxBytes) this.isTooLong = true;
    const isWhole = (start.flags & DATA_FLAG.first) !== 0 && (end.flags & DATA_FLAG.last) !== 0;
    if (isWhole && !this.isTooLong) this.#takeRun(start);
  }

  #takeRun({ first, last, total, flags, streamId, streamSeq, ppid }: Fragment): void {
    const message = new Uint8Array(total);
    let length = 0;
    for (let tsn = first; tsnDistance(tsn, last) <= 0; tsn = (tsn + 1) | 0) {
      const { bytes } = this.#forget(tsn)!;
      message.set(bytes, length);
      length += bytes.length;
    }
    this.#complete(flags, streamId, streamSeq, ppid, message);
  }

  /** Lets go of what was kept under this number, and returns it, if it was. */
  #forget(tsn: number): Fragment | undefined {
    const fragment = this.#fragments.get(tsn);
    if (fragment === undefined) return undefined;
    this.#fragments.delete(tsn);
    this.weight -= fragment.bytes.length + CHUNK_COST_BYTES;
    return fragment;
  }

  #continues(flags: number, streamId: number, streamSeq: number): boolean {
    return this.#isOpen && streamId === this.#streamId && streamSeq === this.#streamSeq &&
      ((flags ^ this.#flags) & DATA_FLAG.unordered) === 0;
  }

  #append(bytes: Uint8Array, from: number, length: number): boolean {
    const total = this.#length + length;
    if (total > this.#maxBytes) {
      this.isTooLong = true;
      return false;
    }
    if (total > this.#open.length) {
      const size = Math.max(FIRST_OPEN_BYTES, 2 * this.#open.length, total);
      const grown = new Uint8Array(Math.min(size, this.#maxBytes));
      grown.set(this.#open.subarray(0, this.#length));
      this.#open = grown;
    }
    const open = this.#open;
    if (length < 64) { for (let i = 0; i < length; i++) open[this.#length + i] = bytes[from + i]!; }
    else open.set(bytes.subarray(from, from + length), this.#length);
    this.#length = total;
    this.weight += length;
    return true;
  }

  #close(): void {
    this.weight -= this.#length;
    this.#length = 0;
    this.#isOpen = false;
  }

  #drop(reason: TransportDrop): void {
    this.#drops.count(reason);
    this.#close();
  }

  #next(streamId: number): number {
    if (streamId >= this.#nextSeq.length) {
      let size = this.#nextSeq.length;
      while (size <= streamId) size *= 2;
      const grown = new Uint16Array(size);
      grown.set(this.#nextSeq);
      this.#nextSeq = grown;
    }
    return this.#nextSeq[streamId]!;
  }

  /** A message is whole: it goes out now, or when those before it have. */
  #complete(flags: number, streamId: number, seq: number, ppid: number, bytes: Uint8Array): void {
    if ((flags & DATA_FLAG.unordered) !== 0) return this.#push(streamId, ppid, bytes);
    const before = seqDistance(seq, this.#next(streamId));
    if (before > 0) return this.#keepEarly(streamId, seq, ppid, bytes);
    this.#push(streamId, ppid, bytes);
    if (before < 0) return; // it was skipped, and came after all
    this.#nextSeq[streamId] = (seq + 1) & 0xffff;
    if (this.#early.size > 0) this.#releaseEarly(streamId);
  }

  /** Channel negotiation never stands behind messages. */
  #push(streamId: number, ppid: number, bytes: Uint8Array): void {
    this.#queue.push(streamId, ppid, bytes, ppid === PPID.dcep);
  }

  #keepEarly(streamId: number, seq: number, ppid: number, bytes: Uint8Array): void {
    let early = this.#early.get(streamId);
    if (early === undefined) this.#early.set(streamId, early = new Map());
    if (early.has(seq)) return this.#drops.count("sctp_broken_message");
    early.set(seq, { ppid, bytes });
    this.weight += bytes.length + MESSAGE_COST_BYTES;
  }

  #releaseEarly(streamId: number): void {
    const early = this.#early.get(streamId);
    if (early === undefined) return;
    for (let seq = this.#nextSeq[streamId]!; early.has(seq); seq = (seq + 1) & 0xffff) {
      this.#release(streamId, early, seq);
      this.#nextSeq[streamId] = (seq + 1) & 0xffff;
    }
    if (early.size === 0) this.#early.delete(streamId);
  }

  #release(streamId: number, early: Map<number, EarlyMessage>, seq: number): void {
    const { ppid, bytes } = early.get(seq)!;
    early.delete(seq);
    this.weight -= bytes.length + MESSAGE_COST_BYTES;
    this.#push(streamId, ppid, bytes);
  }
}

function areJoined(left: Fragment, right: Fragment): boolean {
  return (left.flags & DATA_FLAG.last) === 0 && (right.flags & DATA_FLAG.first) === 0 &&
    left.streamId === right.streamId && left.streamSeq === right.streamSeq &&
    ((left.flags ^ right.flags) & DATA_FLAG.unordered) === 0;
}

/** How far one 16-bit number is behind another; negative before it. */
function seqDistance(seq: number, reference: number): number {
  return (seq - reference) << 16 >> 16;
}
