/**
 * Chunks that were sent and whose numbers the peer has not yet passed (RFC 9260 §6.1, §7.2.4), what
 * a SACK makes of them, and those that were given up (RFC 3758 §3.5).
 *
 * A chunk is lost when three SACKs acknowledged something that was sent after it; so it is also
 * noticed when one that was sent again is lost again. Numbers are signed 32-bit integers.
 * Invariant: `bytes` and `payload` are of the chunks in flight alone: one that was acknowledged in
 * a gap, lost or given up left them once.
 *
 * @module
 */
import { type OutgoingMessages, UNLIMITED } from "./outgoing_messages.ts";
import { CHUNK, DATA_HEADER_BYTES, type PacketWriter, padded, tsnDistance } from "./sctp_packet.ts";

const FIRST_CHUNKS = 8;
/** Chunks that may be unacknowledged: what every peer's table of numbers holds. */
export const MAX_CHUNKS_IN_FLIGHT = 4096;
/** SACKs that acknowledge later ones before a chunk counts as lost (RFC 9260 §7.2.4). */
const LOSS_INDICATIONS = 3;

/** States of a chunk. */
const IN_FLIGHT = 1;
const LOST = 2;
/** Acknowledged in a gap; the peer may still change its mind. */
const ACKED = 3;
const ABANDONED = 4;

/**
 * Words of a chunk in the table, side by side because most connections' tables are in no cache when
 * their turn comes.
 */
const FIELD = {
  slot: 0,
  offset: 1,
  length: 2,
  state: 3,
  sends: 4,
  missing: 5,
  /** Which transmission of all it was, the last time; wraps. */
  serial: 6,
  size: 8,
} as const;

/** What a chunk counts against the congestion window. */
export function chunkBytes(payload: number): number {
  return DATA_HEADER_BYTES + padded(payload);
}

/** The unacknowledged chunks of one association, by number. */
export class ChunksInFlight {
  /** The next new chunk's number. */
  nextTsn: number;
  /** The last number that the peer has passed. */
  cumulative: number;
  /** What counts against the congestion window, and against the peer's window. */
  bytes = 0;
  payload = 0;
  /** Chunks in flight, lost ones, and those acknowledged in gaps. */
  count = 0;
  lost = 0;
  #ackedInGaps = 0;
  #abandoned = 0;
  /** What the last SACK acknowledged for the first time. */
  newlyAcked = 0;
  /** Chunks that the last SACK, or the timer, showed to be lost. */
  newlyLost = 0;
  /** Up to which number the peer is told not to wait (RFC 3758 §3.5, C1). */
  abandonedTo: number;
  readonly #messages: OutgoingMessages;
  #mask = FIRST_CHUNKS - 1;
  /** Of all, {@linkcode FIELD.size} words each. */
  #table = new Int32Array(FIRST_CHUNKS * FIELD.size);
  #lastSerial = 0;
  /** No lost chunk is before it. */
  #lostFrom: number;
  /** The highest that was acknowledged in a gap. */
  #highestAcked: number;
  /** The latest transmission that the SACK being read acknowledged. */
  #latestAcked = 0;
  #hasAcked = false;

  constructor(messages: OutgoingMessages, initialTsn: number) {
    this.#messages = messages;
    this.nextTsn = initialTsn | 0;
    this.cumulative = this.abandonedTo = (initialTsn - 1) | 0;
    this.#lostFrom = this.nextTsn;
    this.#highestAcked = this.cumulative;
  }

  /** Numbers that were given and not passed by the peer. */
  get outstanding(): number {
    return tsnDistance(this.nextTsn, this.cumulative) - 1;
  }

  /** Whether the peer is to be told of numbers that it need not wait for. */
  get mustForward(): boolean {
    return tsnDistance(this.abandonedTo, this.cumulative) > 0;
  }

  /** A new chunk of the message is sent. Returns its number. */
  add(slot: number, offset: number, length: number): number {
    const tsn = this.#append(slot, offset, length, IN_FLIGHT);
    this.#sent(this.#at(tsn));
    return tsn;
  }

  /** The first lost chunk, which there is, if `lost` says so. */
  firstLost(): number {
    while (this.#table[this.#at(this.#lostFrom) + FIELD.state] !== LOST) {
      this.#lostFrom = (this.#lostFrom + 1) | 0;
    }
    return this.#lostFrom;
  }

  /** A lost chunk is sent again. */
  resend(tsn: number): void {
    const at = this.#at(tsn);
    this.#table[at + FIELD.state] = IN_FLIGHT;
    this.lost--;
    this.#sent(at);
  }

  slotOf(tsn: number): number {
    return this.#table[this.#at(tsn) + FIELD.slot]!;
  }

  offsetOf(tsn: number): number {
    return this.#table[this.#at(tsn) + FIELD.offset]!;
  }

  lengthOf(tsn: number): number {
    return this.#table[this.#at(tsn) + FIELD.length]!;
  }

  /** Whether the peer has acknowledged this number, in a gap or not. */
  isAcked(tsn: number): boolean {
    return tsnDistance(tsn, this.cumulative) <= 0 ||
      this.#table[this.#at(tsn) + FIELD.state] === ACKED;
  }

  /**
   * Reads a SACK, which is sound: `cumulative` and the `gaps` blocks at `at` name only numbers that
   * were given, in ascending order.
   */
  acknowledge(cumulative: number, view: DataView, at: number, gaps: number): void {
    this.newlyAcked = this.newlyLost = 0;
    this.#hasAcked = false;
    this.#passTo(cumulative);
    if (gaps === 0 && this.#ackedInGaps === 0) return;
    this.#readGaps(view, at, gaps);
    if (gaps > 0) this.#countMissing();
  }

  /** The retransmission timer: all that is in flight counts as lost. */
  loseAll(): void {
    this.newlyLost = 0;
    for (let tsn = (this.cumulative + 1) | 0; tsn !== this.nextTsn; tsn = (tsn + 1) | 0) {
      if (this.#table[this.#at(tsn) + FIELD.state] === IN_FLIGHT) this.#lose(tsn);
    }
  }

  /** Gives up every chunk of the message (RFC 3758 §3.5, A3). */
  abandon(slot: number, tsn: number): void {
    this.#messages.abandon(slot);
    for (let t = tsn; tsnDistance(t, this.cumulative) > 0; t = (t - 1) | 0) {
      if (this.#table[this.#at(t) + FIELD.slot] !== slot) break;
      this.#abandonChunk(this.#at(t));
    }
    for (let t = (tsn + 1) | 0; t !== this.nextTsn; t = (t + 1) | 0) {
      if (this.#table[this.#at(t) + FIELD.slot] !== slot) break;
      this.#abandonChunk(this.#at(t));
    }
  }

  /**
   * A number for the rest of a message that is given up before it was all sent: the peer must not
   * take what follows for its continuation.
   */
  addAbandoned(slot: number): void {
    this.#append(slot, 0, 0, ABANDONED);
    this.#abandoned++;
  }

  /**
   * Moves {@linkcode ChunksInFlight.abandonedTo} as far as it goes: over what was acknowledged in
   * between, too, or a lossy path with more losses than round trips would never be told of all. An
   * ordered message of a stream that loses some stops it, because peers throw it away then.
   */
  advanceAbandoned(): void {
    if (tsnDistance(this.cumulative, this.abandonedTo) > 0) this.abandonedTo = this.cumulative;
    if (this.#abandoned === 0) return;
    for (let tsn = (this.abandonedTo + 1) | 0; tsn !== this.nextTsn; tsn = (tsn + 1) | 0) {
      const state = this.#table[this.#at(tsn) + FIELD.state];
      if (state === ABANDONED) this.abandonedTo = tsn;
      else if (state !== ACKED || this.#mustStay(this.#table[this.#at(tsn) + FIELD.slot]!)) return;
    }
  }

  #mustStay(slot: number): boolean {
    return this.#messages.isOrdered(slot) && this.#messages.isLimited(slot);
  }

  /** Writes a FORWARD-TSN chunk (RFC 3758 §3.2) with the ordered streams that skip something. */
  writeForwardTsn(writer: PacketWriter): void {
    const at = writer.chunk(CHUNK.forwardTsn, 0, 8);
    const { view } = writer;
    view.setInt32(at + 4, this.abandonedTo);
    const messages = this.#messages;
    let last = -1;
    for (let tsn = this.cumulative; tsn !== this.abandonedTo;) {
      tsn = (tsn + 1) | 0;
      const slot = this.#table[this.#at(tsn) + FIELD.slot]!;
      if (slot === last || this.#table[this.#at(tsn) + FIELD.state] !== ABANDONED) continue;
      last = slot;
      if (!messages.isOrdered(slot)) continue;
      const streamId = messages.streamIdOf(slot);
      let entry = at + 8;
      while (entry < writer.length && view.getUint16(entry) !== streamId) entry += 4;
      if (entry === writer.length) {
        if (writer.room < 4) continue;
        writer.length += 4;
      }
      view.setUint16(entry, streamId);
      view.setUint16(entry + 2, messages.streamSeqOf(slot));
    }
    view.setUint16(at + 2, writer.length - at);
  }

  #append(slot: number, offset: number, length: number, state: number): number {
    if (this.outstanding === this.#mask) this.#grow();
    const tsn = this.nextTsn;
    const at = this.#at(tsn);
    this.#table[at + FIELD.slot] = slot;
    this.#table[at + FIELD.offset] = offset;
    this.#table[at + FIELD.length] = length;
    this.#table[at + FIELD.state] = state;
    this.#table[at + FIELD.sends] = 0;
    this.#messages.chunkAdded(slot);
    this.nextTsn = (tsn + 1) | 0;
    return tsn;
  }

  #sent(at: number): void {
    const length = this.#table[at + FIELD.length]!;
    this.#table[at + FIELD.sends]!++;
    this.#table[at + FIELD.missing] = 0;
    this.#table[at + FIELD.serial] = this.#lastSerial = (this.#lastSerial + 1) | 0;
    this.#enter(length);
  }

  #enter(length: number): void {
    this.bytes += chunkBytes(length);
    this.payload += length;
    this.count++;
  }

  #leave(length: number): void {
    this.bytes -= chunkBytes(length);
    this.payload -= length;
    this.count--;
  }

  #passTo(cumulative: number): void {
    while (this.cumulative !== cumulative) {
      const tsn = this.cumulative = (this.cumulative + 1) | 0;
      const at = this.#at(tsn);
      const state = this.#table[at + FIELD.state]!;
      if (state === IN_FLIGHT || state === LOST) this.#acked(at, state);
      else if (state === ACKED) this.#ackedInGaps--;
      else this.#abandoned--;
      this.#messages.chunkDone(this.#table[at + FIELD.slot]!);
    }
    if (tsnDistance(cumulative, this.#lostFrom) >= 0) this.#lostFrom = (cumulative + 1) | 0;
    if (tsnDistance(cumulative, this.#highestAcked) > 0) this.#highestAcked = cumulative;
  }

  /** A chunk is acknowledged for the first time. */
  #acked(at: number, state: number): void {
    const length = this.#table[at + FIELD.length]!;
    if (state === IN_FLIGHT) this.#leave(length);
    else this.lost--;
    this.newlyAcked += chunkBytes(length);
    const serial = this.#table[at + FIELD.serial]!;
    if (this.#hasAcked && tsnDistance(serial, this.#latestAcked) <= 0) return;
    this.#hasAcked = true;
    this.#latestAcked = serial;
  }

  #readGaps(view: DataView, at: number, gaps: number): void {
    let tsn = (this.cumulative + 1) | 0;
    for (let gap = 0; gap < gaps; gap++) {
      const start = (this.cumulative + view.getUint16(at + 4 * gap)) | 0;
      const end = (this.cumulative + view.getUint16(at + 4 * gap + 2)) | 0;
      tsn = this.#renege(tsn, start);
      for (; tsnDistance(tsn, end) <= 0; tsn = (tsn + 1) | 0) {
        const index = this.#at(tsn);
        const state = this.#table[index + FIELD.state]!;
        if (state !== IN_FLIGHT && state !== LOST) continue;
        this.#acked(index, state);
        this.#table[index + FIELD.state] = ACKED;
        this.#ackedInGaps++;
      }
      if (tsnDistance(end, this.#highestAcked) > 0) this.#highestAcked = end;
    }
    this.#renege(tsn, (this.#highestAcked + 1) | 0);
  }

  /** What was acknowledged in `from..to - 1` and is not any more is in flight again (§6.2.1). */
  #renege(from: number, to: number): number {
    if (this.#ackedInGaps === 0) return tsnDistance(to, from) > 0 ? to : from;
    let tsn = from;
    for (; tsnDistance(tsn, to) < 0; tsn = (tsn + 1) | 0) {
      const at = this.#at(tsn);
      if (this.#table[at + FIELD.state] !== ACKED) continue;
      this.#table[at + FIELD.state] = IN_FLIGHT;
      this.#ackedInGaps--;
      this.#enter(this.#table[at + FIELD.length]!);
    }
    return tsn;
  }

  #countMissing(): void {
    if (!this.#hasAcked) return;
    const latest = this.#latestAcked;
    for (
      let tsn = (this.cumulative + 1) | 0;
      tsnDistance(tsn, this.#highestAcked) < 0;
      tsn = (tsn + 1) | 0
    ) {
      const at = this.#at(tsn);
      if (this.#table[at + FIELD.state] !== IN_FLIGHT) continue;
      if (tsnDistance(this.#table[at + FIELD.serial]!, latest) > 0) continue;
      if (++this.#table[at + FIELD.missing]! >= LOSS_INDICATIONS) this.#lose(tsn);
    }
  }

  /** A chunk is lost: it is to be sent again, or its message is given up. */
  #lose(tsn: number): void {
    const at = this.#at(tsn);
    const slot = this.#table[at + FIELD.slot]!;
    this.newlyLost++;
    this.#table[at + FIELD.state] = LOST;
    this.#leave(this.#table[at + FIELD.length]!);
    this.lost++;
    if (tsnDistance(tsn, this.#lostFrom) < 0) this.#lostFrom = tsn;
    const limit = this.#messages.maxRetransmitsOf(slot);
    if (limit !== UNLIMITED && this.#table[at + FIELD.sends]! > limit) this.onGivenUp(slot, tsn);
  }

  /** A message was lost too often; its owner gives it up, or does not if the peer cannot. */
  onGivenUp: (slot: number, tsn: number) => void = () => {};

  #abandonChunk(at: number): void {
    const state = this.#table[at + FIELD.state]!;
    if (state === ABANDONED) return;
    this.#table[at + FIELD.state] = ABANDONED;
    this.#abandoned++;
    if (state === IN_FLIGHT) this.#leave(this.#table[at + FIELD.length]!);
    else if (state === LOST) this.lost--;
    else if (state === ACKED) this.#ackedInGaps--;
  }

  /** Where its words begin. */
  #at(tsn: number): number {
    return (tsn & this.#mask) * FIELD.size;
  }

  #grow(): void {
    const size = 2 * (this.#mask + 1);
    const table = new Int32Array(size * FIELD.size);
    for (let tsn = (this.cumulative + 1) | 0; tsn !== this.nextTsn; tsn = (tsn + 1) | 0) {
      const from = this.#at(tsn);
      table.set(this.#table.subarray(from, from + FIELD.size), (tsn & (size - 1)) * FIELD.size);
    }
    this.#table = table;
    this.#mask = size - 1;
  }
}
