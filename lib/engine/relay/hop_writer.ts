/**
 * The writing end of a hop: media into a history that it is sent from, and sent again from, all
 * else into streams that lose nothing.
 *
 * Contract: a packet's record is written where it is sealed from. Small ones of one turn share a
 * datagram. The history is as large as its memory, and a second long.
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
import { MAX_RECORD_WORDS } from "./hop_stream_receiver.ts";
import type { HopStreamSender } from "./hop_stream_sender.ts";
import type { RecordWriter } from "./relay_channel.ts";
import { RELAY } from "./relay_records.ts";

/** Words of a record in one frame of media. */
const PART_WORDS = CONTENT_WORDS - MEDIA_HEAD_WORDS;
/** Frames that can be sent again; a power of two. */
const FRAMES = 8192;
/** How long they can, ms. */
const KEPT_MS = 1000;
/** Round trips between two times that a frame is sent again. */
const LEAST_REPEAT = 0.9;
/** Bytes sent again for each byte sent, and as many as may be saved up. */
const REPAIR_SHARE = 0.5;
const REPAIR_SAVED_BYTES = 100_000;

/** The link that the records go by. */
export interface HopLane {
  /** Media may go now. */
  readonly isOpen: boolean;
  /** Layers of video that may cross. */
  readonly allowedLayers: number;
  /** Packets are missing that the hop itself asks for. */
  readonly isRepairing: boolean;
  readonly control: HopStreamSender;
  readonly data: HopStreamSender;
  /** Sends frames out of `source[at, at + length)`, bytes. */
  sendMedia(source: Uint8Array, at: number, length: number, now: number): void;
  /** The end of a turn. */
  flush(now: number): void;
}

/** Where records go. */
export class HopWriter implements RecordWriter {
  readonly loses = true;
  /** The history, and behind it where other records are written. */
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;
  readonly #lane: HopLane;
  readonly #clock: Clock;
  /** Position of the next frame, and of the first that was not sent. */
  readonly #position = new Float64Array(2);
  readonly #start = new Float64Array(FRAMES);
  readonly #sentAt = new Float64Array(FRAMES);
  readonly #repeatedAt = new Float64Array(FRAMES);
  /** Number of the next frame. */
  #next = 0;
  #kind = 0;
  #length = 0;
  #isDirect = false;
  #repairBytes = REPAIR_SAVED_BYTES;
  /** Frames that were sent again, and that could not be. */
  repeated = 0;
  unrepaired = 0;
  records = 0;

  /** @param capacity Words of the history, a power of two. */
  constructor(lane: HopLane, clock: Clock, capacity: number) {
    this.#lane = lane;
    this.#clock = clock;
    this.#capacity = capacity;
    this.words = new Int32Array(capacity + MAX_RECORD_WORDS);
    this.#bytes = new Uint8Array(this.words.buffer);
  }

  get allowedLayers(): number {
    return this.#lane.allowedLayers;
  }

  /** The number of the next frame of media. */
  get next(): number {
    return this.#next;
  }

  reserve(kind: number, length: number, spare = 0): number {
    const lane = this.#lane;
    this.#kind = kind;
    this.#length = length;
    this.#isDirect = length <= PART_WORDS &&
      (kind === RELAY.packet || kind === RELAY.dataTrack || kind === RELAY.nack);
    if (this.#isDirect) {
      if (!lane.isOpen || (kind === RELAY.nack && lane.isRepairing)) return -1;
      return this.#makeRoom(MEDIA_HEAD_WORDS + length) + MEDIA_HEAD_WORDS;
    }
    if (length > MAX_RECORD_WORDS) return -1;
    if (kind === RELAY.packet) return lane.isOpen ? this.#capacity : -1;
    const stream = kind >= RELAY.data && kind !== RELAY.dataHold ? lane.data : lane.control;
    const isFull = stream.used + length + spare > this.words.length || !stream.hasRoom(length);
    return isFull ? -1 : this.#capacity;
  }

  writeBytes(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at * 4);
  }

  commit(): void {
    const { words } = this;
    const kind = this.#kind;
    const length = this.#length;
    this.records++;
    if (this.#isDirect) return this.#add(WHOLE, MEDIA_HEAD_WORDS + length);
    const at = this.#capacity;
    if (kind === RELAY.packet) return this.#addParts(at, length);
    const isLossy = kind === RELAY.data && words[at + 2] !== 0 && length <= PART_WORDS;
    if (isLossy && this.#lane.isOpen) return this.#addCopy(WHOLE, at, length);
    const isData = kind >= RELAY.data && kind !== RELAY.dataHold;
    const stream = isData ? this.#lane.data : this.#lane.control;
    stream.push(kind, words, at, length, this.#clock.now());
  }

  wake(): void {
    this.#lane.flush(this.#clock.now());
  }

  /** Sends what was written and not sent. */
  flush(now: number): void {
    const position = this.#position;
    const length = position[0]! - position[1]!;
    if (length === 0) return;
    const at = position[1]! & (this.#capacity - 1);
    position[1] = position[0]!;
    this.#repairBytes = Math.min(
      REPAIR_SAVED_BYTES,
      this.#repairBytes + 4 * length * REPAIR_SHARE,
    );
    this.#lane.sendMedia(this.#bytes, at * 4, length * 4, now);
  }

  /** Sends a frame again, if it is still there and was not just sent. */
  repair(seq: number, now: number, rttMs: number): void {
    const slot = seq & (FRAMES - 1);
    const start = this.#start[slot]!;
    const isKept = seq >= 0 && seq < this.#next && seq >= this.#next - FRAMES &&
      this.#position[0]! - start <= this.#capacity && now - this.#sentAt[slot]! <= KEPT_MS;
    if (!isKept) {
      this.unrepaired++;
      return;
    }
    if (now - this.#repeatedAt[slot]! < LEAST_REPEAT * rttMs) return;
    const at = start & (this.#capacity - 1);
    const bytes = 4 * frameLength(this.words[at]!);
    if (bytes > this.#repairBytes) {
      this.unrepaired++;
      return;
    }
    this.#repairBytes -= bytes;
    this.words[at]! |= REPAIR;
    this.#repeatedAt[slot] = now;
    this.repeated++;
    this.#lane.sendMedia(this.#bytes, at * 4, bytes, now);
  }

  reset(): void {
    this.#next = 0;
    this.#position[1] = this.#position[0]!;
  }

  /** Index of a frame of `size` words, which ends in the same datagram that it begins in. */
  #makeRoom(size: number): number {
    const position = this.#position;
    if (position[0]! - position[1]! + size > CONTENT_WORDS) this.flush(this.#clock.now());
    const at = position[0]! & (this.#capacity - 1);
    const toEnd = this.#capacity - at;
    if (size <= toEnd) return at;
    this.flush(this.#clock.now());
    position[0]! += toEnd;
    position[1] = position[0]!;
    return 0;
  }

  /** Completes the frame that was made room for. */
  #add(flags: number, size: number): void {
    const { words } = this;
    const position = this.#position;
    const slot = this.#next & (FRAMES - 1);
    const at = position[0]! & (this.#capacity - 1);
    words[at] = frameWord(FRAME.media, flags, size, this.#kind);
    words[at + 1] = this.#next;
    words[at + 2] = this.#lane.control.end;
    this.#start[slot] = position[0]!;
    this.#sentAt[slot] = this.#clock.now();
    this.#repeatedAt[slot] = -Infinity;
    position[0]! += size;
    this.#next++;
  }

  #addCopy(flags: number, from: number, length: number): void {
    const { words } = this;
    const to = this.#makeRoom(MEDIA_HEAD_WORDS + length) + MEDIA_HEAD_WORDS;
    for (let i = 0; i < length; i++) words[to + i] = words[from + i]!;
    this.#add(flags, MEDIA_HEAD_WORDS + length);
  }

  /** A packet that is too long for one datagram. */
  #addParts(at: number, length: number): void {
    if (length > 2 * PART_WORDS) return; // no packet is so long
    this.#addCopy(FIRST_PART, at, PART_WORDS);
    this.#addCopy(LAST_PART, at + PART_WORDS, length - PART_WORDS);
  }
}
