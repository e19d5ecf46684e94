/**
 * The writing end of a hop: media into a history that it is sent from, and sent again from, all
 * else into streams that lose nothing.
 *
 * Contract: a packet's record is written where it is sealed from. Small ones of one turn share a
 * datagram. The history (`hop_history.ts`) is a second long, as far as its memory goes.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import {
  CONTENT_WORDS,
  FIRST_PART,
  FRAME,
  frameLength,
  frameWord,
  LAST_PART,
  MEDIA_HEAD_WORDS,
  REPAIR,
  WHOLE,
} from "./hop_datagram.ts";
import { HopHistory } from "./hop_history.ts";
import { MAX_RECORD_WORDS } from "./hop_stream_receiver.ts";
import type { HopStreamSender } from "./hop_stream_sender.ts";
import type { DataShare, RecordWriter } from "./relay_channel.ts";
import { isOfData, RELAY } from "./relay_records.ts";

/** Words of a record in one frame of media. */
const PART_WORDS = CONTENT_WORDS - MEDIA_HEAD_WORDS;
/** Records that are not written to the history, until they are committed: of any hop. */
const SCRATCH = new Int32Array(MAX_RECORD_WORDS);
const SCRATCH_BYTES = new Uint8Array(SCRATCH.buffer);
/** Round trips between two times that a frame is sent again. */
const LEAST_REPEAT = 0.9;
/** Bytes sent again for each byte sent, and as many as may be saved up. */
const REPAIR_SHARE = 0.5;
const REPAIR_SAVED_BYTES = 100_000;

/** The link that the records go by. */
export interface HopLane {
  /** Media may go now. */
  readonly isOpen: boolean;
  /** Packets are missing that the hop itself asks for. */
  readonly isRepairing: boolean;
  readonly control: HopStreamSender;
  readonly data: HopStreamSender;
  /** Sends frames out of `source[at, at + length)`, bytes. */
  sendMedia(source: Uint8Array, at: number, length: number, now: number): void;
  /** Something was written. */
  written(): void;
  /** So many bytes of what was written are data. */
  dataWritten(bytes: number, now: number): void;
  /** The end of a turn. */
  flush(now: number): void;
}

/** Where records go. */
export class HopWriter implements RecordWriter {
  readonly loses = true;
  readonly size: number;
  readonly #history: HopHistory;
  readonly #lane: HopLane;
  readonly #clock: Clock;
  #kind = 0;
  #length = 0;
  #isDirect = false;
  #repairBytes = REPAIR_SAVED_BYTES;
  /** Frames that were sent again, and that could not be. */
  repeated = 0;
  unrepaired = 0;
  records = 0;

  /** @param capacity Words of the history at most, a power of two. */
  constructor(lane: HopLane, clock: Clock, capacity: number) {
    this.#lane = lane;
    this.#clock = clock;
    this.size = capacity + MAX_RECORD_WORDS;
    this.#history = new HopHistory(capacity);
  }

  /** The number of the next frame of media. */
  get next(): number {
    return this.#history.next;
  }

  /** Where the record that was reserved last is written. */
  get words(): Int32Array {
    return this.#isDirect ? this.#history.words : SCRATCH;
  }

  /** Bytes of memory that it keeps. */
  get memory(): number {
    return this.#history.size;
  }

  reserve(kind: number, length: number, share?: DataShare): number {
    const lane = this.#lane;
    this.#kind = kind;
    this.#length = length;
    this.#isDirect = length <= PART_WORDS &&
      (kind === RELAY.packet || kind === RELAY.offeredDataTrack || kind === RELAY.nack);
    if (this.#isDirect) {
      if (!lane.isOpen || (kind === RELAY.nack && lane.isRepairing)) return -1;
      return this.#makeRoom(MEDIA_HEAD_WORDS + length) + MEDIA_HEAD_WORDS;
    }
    if (length > MAX_RECORD_WORDS) return -1;
    if (kind === RELAY.packet) return lane.isOpen ? 0 : -1;
    if (kind === RELAY.offeredDataTrack && !lane.isOpen) return -1; // old when it is
    const stream = isOfData(kind) ? lane.data : lane.control;
    const most = share === undefined ? this.size : share.wordsOfAll;
    const isFull = stream.used + length > most || !stream.hasRoom(length);
    return isFull ? -1 : 0;
  }

  writeBytes(at: number, bytes: Uint8Array): void {
    (this.#isDirect ? this.#history.bytes : SCRATCH_BYTES).set(bytes, at * 4);
  }

  commit(): void {
    const kind = this.#kind;
    const length = this.#length;
    this.records++;
    this.#lane.written();
    if (isOfData(kind)) this.#lane.dataWritten(4 * length, this.#clock.now());
    if (this.#isDirect) return this.#add(WHOLE, MEDIA_HEAD_WORDS + length);
    if (kind === RELAY.packet) return this.#addParts(length);
    const isLossy = kind === RELAY.data && SCRATCH[2] !== 0 && length <= PART_WORDS;
    if (isLossy && this.#lane.isOpen) return this.#addCopy(WHOLE, 0, length);
    const stream = isOfData(kind) ? this.#lane.data : this.#lane.control;
    stream.push(kind, SCRATCH, 0, length, this.#clock.now());
  }

  wake(): void {
    this.#lane.flush(this.#clock.now());
  }

  /** Sends what was written and not sent. */
  flush(now: number): void {
    const history = this.#history;
    const length = history.unsent;
    if (length === 0) return;
    const at = history.unsentAt;
    history.sent();
    this.#repairBytes = Math.min(
      REPAIR_SAVED_BYTES,
      this.#repairBytes + 4 * length * REPAIR_SHARE,
    );
    this.#lane.sendMedia(history.bytes, at * 4, length * 4, now);
  }

  /** Sends a frame again, if it is still there and was not just sent. */
  repair(seq: number, now: number, rttMs: number): void {
    const history = this.#history;
    const at = history.find(seq, now);
    if (at < 0) {
      this.unrepaired++;
      return;
    }
    if (now - history.repeatedAt(seq) < LEAST_REPEAT * rttMs) return;
    const { words } = history;
    const bytes = 4 * frameLength(words[at]!);
    if (bytes > this.#repairBytes) {
      this.unrepaired++;
      return;
    }
    this.#repairBytes -= bytes;
    words[at]! |= REPAIR;
    history.repeated(seq, now);
    this.repeated++;
    this.#lane.sendMedia(history.bytes, at * 4, bytes, now);
  }

  /** Gives memory back that what crosses does not need. */
  rest(now: number): void {
    this.flush(now);
    this.#history.rest(now);
  }

  reset(): void {
    this.#history.reset();
  }

  /** Index of a frame of `size` words, which ends in the same datagram that it begins in. */
  #makeRoom(size: number): number {
    const history = this.#history;
    const now = this.#clock.now();
    if (history.unsent + size > CONTENT_WORDS || size > history.toEnd) this.flush(now);
    return history.reserve(size, now);
  }

  /** Completes the frame that was made room for. */
  #add(flags: number, size: number): void {
    const history = this.#history;
    const { words, at, next } = history;
    words[at] = frameWord(FRAME.media, flags, size, this.#kind);
    words[at + 1] = next;
    words[at + 2] = this.#lane.control.end;
    history.add(size, this.#clock.now());
  }

  #addCopy(flags: number, from: number, length: number): void {
    const to = this.#makeRoom(MEDIA_HEAD_WORDS + length) + MEDIA_HEAD_WORDS;
    const { words } = this.#history;
    for (let i = 0; i < length; i++) words[to + i] = SCRATCH[from + i]!;
    this.#add(flags, MEDIA_HEAD_WORDS + length);
  }

  /** A packet that is too long for one datagram. */
  #addParts(length: number): void {
    if (length > 2 * PART_WORDS) return; // no packet is so long
    this.#addCopy(FIRST_PART, 0, PART_WORDS);
    this.#addCopy(LAST_PART, PART_WORDS, length - PART_WORDS);
  }
}
