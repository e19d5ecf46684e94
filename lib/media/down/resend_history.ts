/**
 * What was sent to one subscriber under which number, so that a lost packet can be written again
 * byte by byte from the up-track's cache.
 *
 * All that is known of a packet stands side by side, in a cache line or two: most packets are noted
 * and never asked for, and by then the next ones' are in no cache.
 *
 * @module
 */
import { KEPT_MS } from "../layer/packet_cache.ts";
import type { OutgoingPacket } from "../packet/outgoing_packet.ts";

/** Resends of one packet before further requests are ignored. */
export const MAX_RESENDS = 3;

/** The number of a packet that has not left. */
export const NOT_LEFT = -3;

/** One entry, as doubles and as words. */
const RECORD_BYTES = 64;
const DOUBLES = RECORD_BYTES / 8;
const WORDS = RECORD_BYTES / 4;

/** Extended outgoing number, -1 while unused, and extended number in the source layer. */
const OUT = 0;
const SOURCE_SEQ = 1;
/** Monotonic ms of the first sending, and the time that its header says. */
const SENT_AT = 2;
const WRITTEN_AT = 3;
/** Words behind those: as in {@linkcode OutgoingPacket}. */
const TIMESTAMP = 8;
const PICTURE_ID = 9;
const ACTIVE_TARGETS = 10;
const PLAYOUT_DELAY = 11;
const TRANSPORT_SEQUENCE = 12;
/** In bytes: payload type, spatial layer, flags, decode targets there are. */
const FORM = 13;
/** Likewise: TL0PICIDX, KEYIDX, bytes of padding where there is nothing else. */
const VP8 = 14;
/** In 16 bits each: resends, and what is added to the number of the frame. */
const RESENDS = 15;

/** Flags. */
const IS_EMPTY = 1 << 16;
const SETS_MARKER = 1 << 17;
const WAITS = 1 << 18;
const IS_LATE = 1 << 19;

/** One entry for each packet, by {@linkcode ResendHistory.find}. */
export class ResendHistory {
  readonly #mask: number;
  readonly #doubles: Float64Array<ArrayBuffer>;
  readonly #words: Int32Array;
  /** Monotonic ms of the last resend, where there was one. */
  readonly #resentAt: Float64Array;

  /** @param capacity Packets remembered, a power of two. */
  constructor(capacity: number) {
    this.#mask = capacity - 1;
    this.#doubles = new Float64Array(capacity * DOUBLES);
    this.#words = new Int32Array(this.#doubles.buffer);
    this.#resentAt = new Float64Array(capacity);
    for (let entry = 0; entry < capacity; entry++) {
      this.#doubles[entry * DOUBLES + OUT] = -1;
      this.#doubles[entry * DOUBLES + SENT_AT] = -Infinity;
    }
  }

  get capacity(): number {
    return this.#mask + 1;
  }

  /** Whether to note `out` would forget a packet that its cache still keeps for resending. */
  forgetsRecent(out: number, now: number): boolean {
    return now - this.#doubles[(out & this.#mask) * DOUBLES + SENT_AT]! < KEPT_MS;
  }

  /** The same entries with twice the room. */
  doubled(): ResendHistory {
    const into = new ResendHistory(2 * this.capacity);
    for (let from = 0; from < this.capacity; from++) {
      const out = this.#doubles[from * DOUBLES + OUT]!;
      if (out < 0) continue;
      const to = out & into.#mask;
      for (let i = 0; i < WORDS; i++) {
        into.#words[to * WORDS + i] = this.#words[from * WORDS + i]!;
      }
      into.#resentAt[to] = this.#resentAt[from]!;
    }
    return into;
  }

  /** Notes a packet that is being sent for the first time, in place of an older one. */
  note(
    sent: OutgoingPacket,
    sourceSeq: number,
    spatial: number,
    now: number,
    isLate: boolean,
  ): void {
    const entry = sent.sequence & this.#mask;
    const doubles = this.#doubles;
    const words = this.#words;
    const double = entry * DOUBLES;
    const word = entry * WORDS;
    doubles[double + OUT] = sent.sequence;
    doubles[double + SOURCE_SEQ] = sourceSeq;
    doubles[double + SENT_AT] = now;
    words[word + TIMESTAMP] = sent.timestamp;
    words[word + PICTURE_ID] = sent.pictureId;
    words[word + ACTIVE_TARGETS] = sent.activeTargets;
    words[word + PLAYOUT_DELAY] = sent.playoutDelay;
    words[word + TRANSPORT_SEQUENCE] = NOT_LEFT;
    words[word + FORM] = sent.payloadType | spatial << 8 | (sent.empty ? IS_EMPTY : 0) |
      (sent.setsMarker ? SETS_MARKER : 0) | (isLate ? IS_LATE : 0) | sent.targetCount << 24;
    words[word + VP8] = sent.tl0PicIdx | sent.keyIdx << 8 | sent.padding << 16;
    words[word + RESENDS] = sent.frameOffset << 16;
  }

  /** Sets what {@linkcode ResendHistory.note} was given but for payload type and sequence. */
  recall(entry: number, into: OutgoingPacket): void {
    const words = this.#words;
    const word = entry * WORDS;
    const form = words[word + FORM]!;
    into.timestamp = words[word + TIMESTAMP]!;
    into.pictureId = words[word + PICTURE_ID]!;
    into.activeTargets = words[word + ACTIVE_TARGETS]!;
    into.playoutDelay = words[word + PLAYOUT_DELAY]!;
    into.empty = (form & IS_EMPTY) !== 0;
    into.setsMarker = (form & SETS_MARKER) !== 0;
    into.targetCount = form >>> 24;
    into.tl0PicIdx = words[word + VP8]! & 0xff;
    into.keyIdx = words[word + VP8]! >> 8 & 0xff;
    into.frameOffset = words[word + RESENDS]! >>> 16;
  }

  /** The entry of outgoing number `out`, or -1 if it was never sent or is forgotten. */
  find(out: number): number {
    const entry = out & this.#mask;
    return this.#doubles[entry * DOUBLES + OUT] === out ? entry : -1;
  }

  /** Outgoing number `out` is not found any more. */
  forget(out: number): void {
    const entry = this.find(out);
    if (entry >= 0) this.#doubles[entry * DOUBLES + OUT] = -1;
  }

  /** Extended number in the source layer. */
  sourceSeq(entry: number): number {
    return this.#doubles[entry * DOUBLES + SOURCE_SEQ]!;
  }

  spatial(entry: number): number {
    return this.#words[entry * WORDS + FORM]! >> 8 & 0xff;
  }

  payloadType(entry: number): number {
    return this.#words[entry * WORDS + FORM]! & 0xff;
  }

  /** As signed 32 bits. */
  timestamp(entry: number): number {
    return this.#words[entry * WORDS + TIMESTAMP]!;
  }

  playoutDelay(entry: number): number {
    return this.#words[entry * WORDS + PLAYOUT_DELAY]!;
  }

  /** Bytes of padding that it was, if it was nothing else. */
  padding(entry: number): number {
    return this.#words[entry * WORDS + VP8]! >> 16 & 0xff;
  }

  /** Whether it has no payload and only fills a number. */
  isEmpty(entry: number): boolean {
    return (this.#words[entry * WORDS + FORM]! & IS_EMPTY) !== 0;
  }

  /** Monotonic ms of the first sending. */
  sentAt(entry: number): number {
    return this.#doubles[entry * DOUBLES + SENT_AT]!;
  }

  /** Whether it left behind packets with higher numbers. */
  isLate(entry: number): boolean {
    return (this.#words[entry * WORDS + FORM]! & IS_LATE) !== 0;
  }

  /** Whether it waits to leave for the first time. */
  waits(entry: number): boolean {
    return (this.#words[entry * WORDS + FORM]! & WAITS) !== 0;
  }

  setWaits(entry: number, waits: boolean): void {
    const at = entry * WORDS + FORM;
    this.#words[at] = waits ? this.#words[at]! | WAITS : this.#words[at]! & ~WAITS;
  }

  /** Transport-wide number (16 bits) that it left with, negative for none, {@linkcode NOT_LEFT}. */
  transportSequence(entry: number): number {
    return this.#words[entry * WORDS + TRANSPORT_SEQUENCE]!;
  }

  /** The time that was written when it left, monotonic ms. */
  writtenAt(entry: number): number {
    return this.#doubles[entry * DOUBLES + WRITTEN_AT]!;
  }

  /** It left with this number and this time in its header. */
  left(entry: number, transportSequence: number, now: number): void {
    this.#words[entry * WORDS + TRANSPORT_SEQUENCE] = transportSequence;
    this.#doubles[entry * DOUBLES + WRITTEN_AT] = now;
  }

  resends(entry: number): number {
    return this.#words[entry * WORDS + RESENDS]! & 0xffff;
  }

  /** Monotonic ms of the last resend; `-Infinity` if there was none. */
  resentAt(entry: number): number {
    return this.resends(entry) === 0 ? -Infinity : this.#resentAt[entry]!;
  }

  /** It was sent again. */
  resent(entry: number, now: number): void {
    this.#words[entry * WORDS + RESENDS]!++;
    this.#resentAt[entry] = now;
  }
}
