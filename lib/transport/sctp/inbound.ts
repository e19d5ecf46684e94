/**
 * The receiving side of one association (RFC 9260 §6.2, RFC 3758 §3.6): what is taken, what waits
 * for the owner, the window that is left, and when to acknowledge.
 *
 * Everything that waits counts against the window with what it costs to keep. What does not fit is
 * dropped and acknowledged at once without it, so that the peer knows; only the chunk that
 * everything else waits for may go beyond, as far as a message is long.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { InboundQueue } from "./inbound_queue.ts";
import { Reassembly, type ReceivedChunk } from "./reassembly.ts";
import { MAX_TSN_AHEAD, ReceiveTracker } from "./receive_tracker.ts";
import { DATA_FLAG, DATA_HEADER_BYTES, type PacketWriter, tsnDistance } from "./sctp_packet.ts";

/** What a peer may have under way or waiting here, bytes. */
export const RECEIVE_WINDOW_BYTES = 1024 * 1024;
/** How far the chunk that others wait for may go beyond it. */
const OVERRUN_BYTES = 128 * 1024;
/** Smaller windows are told as none (RFC 9260 §6.2, silly windows). */
const MIN_WINDOW_BYTES = 2400;
/** Streams there can be; browsers count up from 0 or 1 and stop at 1,023. */
export const MAX_STREAMS = 2048;
/** Longest wait of an acknowledgement, ms, and in how many packets it comes (§6.2). */
const SACK_DELAY_MS = 100;
const PACKETS_BEFORE_SACK = 2;
const NO_BYTES = new Uint8Array(0);

/** What one association receives. */
export class Inbound {
  readonly tracker: ReceiveTracker;
  readonly #queue: InboundQueue;
  readonly #reassembly: Reassembly;
  readonly #drops: DropSink<TransportDrop>;
  readonly #chunk: ReceivedChunk = {
    ...{ tsn: 0, flags: 0, streamId: 0, streamSeq: 0, ppid: 0 },
    ...{ bytes: NO_BYTES, from: 0, length: 0 },
  };
  /** Packets since the last SACK; the first of all is acknowledged at once. */
  #unacknowledged = PACKETS_BEFORE_SACK - 1;
  #sackAt = Infinity;
  #sackNow = false;
  #hadData = false;
  /** The window the peer was told last. */
  #toldWindow = RECEIVE_WINDOW_BYTES;

  constructor(
    initialTsn: number,
    queue: InboundQueue,
    drops: DropSink<TransportDrop>,
    maxMessageBytes: number,
  ) {
    this.#queue = queue;
    this.#drops = drops;
    this.tracker = new ReceiveTracker(initialTsn);
    this.#reassembly = new Reassembly(queue, drops, maxMessageBytes);
  }

  /** A message is longer than any may be: the association is to end. */
  get isTooLong(): boolean {
    return this.#reassembly.isTooLong;
  }

  /** Whether what waits is less than may. */
  get hasRoom(): boolean {
    return this.#weight < RECEIVE_WINDOW_BYTES;
  }

  /** When a SACK is due, monotonic ms; `-Infinity` for now. */
  get sackAt(): number {
    return this.#sackNow ? -Infinity : this.#sackAt;
  }

  /** Whether a SACK may go along with other chunks. */
  get hasSack(): boolean {
    return this.#sackNow || this.#sackAt !== Infinity;
  }

  /** Takes a DATA chunk of `size` bytes at `at`, which is sound. */
  receiveData(bytes: Uint8Array, view: DataView, at: number, size: number): void {
    this.#hadData = true;
    const { tracker } = this;
    const chunk = this.#chunk;
    chunk.tsn = view.getInt32(at + 4);
    const standing = tracker.standing(chunk.tsn);
    if (standing === "duplicate") {
      tracker.addDuplicate(chunk.tsn);
      this.#sackNow = true;
      return;
    }
    chunk.length = size - DATA_HEADER_BYTES;
    if (standing === "too_far") return this.#refuse("sctp_tsn_too_far");
    if (!this.#hasRoom(standing === "next", chunk.length)) {
      return this.#refuse("sctp_window_exceeded");
    }
    chunk.flags = view.getUint8(at + 1);
    chunk.streamId = view.getUint16(at + 8);
    chunk.streamSeq = view.getUint16(at + 10);
    chunk.ppid = view.getUint32(at + 12);
    chunk.bytes = bytes;
    chunk.from = at + DATA_HEADER_BYTES;
    if ((chunk.flags & DATA_FLAG.immediate) !== 0) this.#sackNow = true;
    const isSound = chunk.streamId < MAX_STREAMS;
    if (!isSound) this.#drops.count("sctp_bad_stream");
    if (standing === "next") {
      tracker.addNext(chunk.tsn);
      if (isSound) this.#reassembly.addNext(chunk);
      this.#advance();
    } else {
      tracker.addAhead(chunk.tsn);
      if (isSound) this.#reassembly.addAhead(chunk);
    }
    chunk.bytes = NO_BYTES;
  }

  /** Takes a FORWARD-TSN chunk of `size` bytes at `at`, which is sound. */
  receiveForwardTsn(view: DataView, at: number, size: number): void {
    const { tracker } = this;
    const tsn = view.getInt32(at + 4);
    const ahead = tsnDistance(tsn, tracker.cumulative);
    if (ahead >= MAX_TSN_AHEAD) return this.#drops.count("sctp_tsn_too_far");
    this.#sackNow = true;
    if (ahead <= 0) return;
    this.#reassembly.giveUp((tracker.cumulative + 1) | 0, tsn);
    tracker.skipTo(tsn);
    for (let entry = at + 8; entry < at + size; entry += 4) {
      const streamId = view.getUint16(entry);
      if (streamId >= MAX_STREAMS) this.#drops.count("sctp_bad_stream");
      else this.#reassembly.skipSeq(streamId, view.getUint16(entry + 2));
    }
    this.#advance();
  }

  /** A packet has been read: decides when its chunks are acknowledged. */
  endPacket(now: number): void {
    if (!this.#hadData) return;
    this.#hadData = false;
    if (this.tracker.hasGaps || ++this.#unacknowledged >= PACKETS_BEFORE_SACK) this.#sackNow = true;
    else if (this.#sackAt === Infinity) this.#sackAt = now + SACK_DELAY_MS;
  }

  /** The owner took messages: a peer that waits for room is told of it. */
  roomMade(): void {
    const window = this.#window();
    const grown = window - this.#toldWindow;
    if (this.#toldWindow < RECEIVE_WINDOW_BYTES / 2 && grown >= RECEIVE_WINDOW_BYTES / 4) {
      this.#sackNow = true;
    }
  }

  /** Writes the SACK, whether or not it is due. */
  writeSack(writer: PacketWriter): void {
    this.#toldWindow = this.#window();
    this.tracker.writeSack(writer, this.#toldWindow);
    this.#sackNow = false;
    this.#sackAt = Infinity;
    this.#unacknowledged = 0;
  }

  /** The peer begins a stream anew. */
  resetStream(streamId: number): void {
    this.#reassembly.resetStream(streamId);
  }

  #advance(): void {
    const { tracker } = this;
    while (tracker.advance()) this.#reassembly.advancedTo(tracker.cumulative);
  }

  #refuse(reason: TransportDrop): void {
    this.#drops.count(reason);
    this.#sackNow = true;
  }

  get #weight(): number {
    return this.#queue.weight + this.#reassembly.weight;
  }

  #hasRoom(isNext: boolean, length: number): boolean {
    const weight = this.#weight + length;
    if (weight <= RECEIVE_WINDOW_BYTES) return true;
    if (!isNext || weight > RECEIVE_WINDOW_BYTES + OVERRUN_BYTES) return false;
    return this.tracker.hasGaps || this.#reassembly.isOpen;
  }

  #window(): number {
    const room = RECEIVE_WINDOW_BYTES - this.#weight;
    return room < MIN_WINDOW_BYTES ? 0 : room;
  }
}
