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
  #slot = new Int32Array(FIRST_CHUNKS);
  #offset = new Uint32Array(FIRST_CHUNKS);
  #length = new Uint16Array(FIRST_CHUNKS);
  #state = new Uint8Array(FIRST_CHUNKS);
  #sends = new Uint16Array(FIRST_CHUNKS);
  #missing = new Uint8Array(FIRST_CHUNKS);
  /** Which transmission of all it was, the last time. */
  #serial = new Float64Array(FIRST_CHUNKS);
  #lastSerial = 0;
  /** No lost chunk is before it. */
  #lostFrom: number;
  /** The highest that was acknowledged in a gap. */
  #highestAcked: number;
  /** The latest transmission that the SACK being read acknowledged. */
  #latestAcked = 0;

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
    this.#sent(tsn & this.#mask);
    return tsn;
  }

  /** The first lost chunk, which there is, if `lost` says so. */
  firstLost(): number {
    while (this.#state[this.#lostFrom & this.#mask] !== LOST) {
      this.#lostFrom = (this.#lostFrom + 1) | 0;
    }
    return this.#lostFrom;
  }

  /** A lost chunk is sent again. */
  resend(tsn: number): void {
    const at = tsn & this.#mask;
    this.#state[at] = IN_FLIGHT;
    this.lost--;
    this.#sent(at);
  }

  slotOf(tsn: number): number {
    return this.#slot[tsn & this.#mask]!;
  }

  offsetOf(tsn: number): number {
    return this.#offset[tsn & this.#mask]!;
  }

  lengthOf(tsn: number): number {
    return this.#length[tsn & this.#mask]!;
  }

  /** Whether the peer has acknowledged this number, in a gap or not. */
  isAcked(tsn: number): boolean {
    return tsnDistance(tsn, this.cumulative) <= 0 || this.#state[tsn & this.#mask] === ACKED;
  }

  /**
   * Reads a SACK, which is sound: `cumulative` and the `gaps` blocks at `at` name only numbers that
   * were given, in ascending order.
   */
  acknowledge(cumulative: number, view: DataView, at: number, gaps: number): void {
    this.newlyAcked = this.newlyLost = 0;
    this.#latestAcked = 0;
    this.#passTo(cumulative);
    if (gaps === 0 && this.#ackedInGaps === 0) return;
    this.#readGaps(view, at, gaps);
    if (gaps > 0) this.#countMissing();
  }

  /** The retransmission timer: all that is in flight counts as lost. */
  loseAll(): void {
    this.newlyLost = 0;
    for (let tsn = (this.cumulative + 1) | 0; tsn !== this.nextTsn; tsn = (tsn + 1) | 0) {
      if (this.#state[tsn & this.#mask] === IN_FLIGHT) this.#lose(tsn);
    }
  }

  /** Gives up every chunk of the message (RFC 3758 §3.5, A3). */
  abandon(slot: number, tsn: number): void {
    this.#messages.abandoned[slot] = 1;
    for (let t = tsn; tsnDistance(t, this.cumulative) > 0; t = (t - 1) | 0) {
      if (this.#slot[t & this.#mask] !== slot) break;
      this.#abandonChunk(t & this.#mask);
    }
    for (let t = (tsn + 1) | 0; t !== this.nextTsn; t = (t + 1) | 0) {
      if (this.#slot[t & this.#mask] !== slot) break;
      this.#abandonChunk(t & this.#mask);
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
      const state = this.#state[tsn & this.#mask];
      if (state === ABANDONED) this.abandonedTo = tsn;
      else if (state !== ACKED || this.#mustStay(this.#slot[tsn & this.#mask]!)) return;
    }
  }

  #mustStay(slot: number): boolean {
    return this.#messages.ordered[slot] !== 0 && this.#messages.isLimited(slot);
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
      const slot = this.#slot[tsn & this.#mask]!;
      if (slot === last || this.#state[tsn & this.#mask] !== ABANDONED) continue;
      last = slot;
      if (messages.ordered[slot] === 0) continue;
      const streamId = messages.streamId[slot]!;
      let entry = at + 8;
      while (entry < writer.length && view.getUint16(entry) !== streamId) entry += 4;
      if (entry === writer.length) {
        if (writer.room < 4) continue;
        writer.length += 4;
      }
      view.setUint16(entry, streamId);
      view.setUint16(entry + 2, messages.streamSeq[slot]!);
    }
    view.setUint16(at + 2, writer.length - at);
  }

  #append(slot: number, offset: number, length: number, state: number): number {
    if (this.outstanding === this.#mask) this.#grow();
    const tsn = this.nextTsn;
    const at = tsn & this.#mask;
    this.#slot[at] = slot;
    this.#offset[at] = offset;
    this.#length[at] = length;
    this.#state[at] = state;
    this.#sends[at] = 0;
    this.#messages.chunks[slot]!++;
    this.nextTsn = (tsn + 1) | 0;
    return tsn;
  }

  #sent(at: number): void {
    const length = this.#length[at]!;
    this.#sends[at]!++;
    this.#missing[at] = 0;
    this.#serial[at] = ++this.#lastSerial;
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
      const at = tsn & this.#mask;
      const state = this.#state[at]!;
      if (state === IN_FLIGHT || state === LOST) this.#acked(at, state);
      else if (state === ACKED) this.#ackedInGaps--;
      else this.#abandoned--;
      this.#messages.chunkDone(this.#slot[at]!);
    }
    if (tsnDistance(cumulative, this.#lostFrom) >= 0) this.#lostFrom = (cumulative + 1) | 0;
    if (tsnDistance(cumulative, this.#highestAcked) > 0) this.#highestAcked = cumulative;
  }

  /** A chunk is acknowledged for the first time. */
  #acked(at: number, state: number): void {
    const length = this.#length[at]!;
    if (state === IN_FLIGHT) this.#leave(length);
    else this.lost--;
    this.newlyAcked += chunkBytes(length);
    if (this.#serial[at]! > this.#latestAcked) this.#latestAcked = this.#serial[at]!;
  }

  #readGaps(view: DataView, at: number, gaps: number): void {
    let tsn = (this.cumulative + 1) | 0;
    for (let gap = 0; gap < gaps; gap++) {
      const start = (this.cumulative + view.getUint16(at + 4 * gap)) | 0;
      const end = (this.cumulative + view.getUint16(at + 4 * gap + 2)) | 0;
      tsn = this.#renege(tsn, start);
      for (; tsnDistance(tsn, end) <= 0; tsn = (tsn + 1) | 0) {
        const index = tsn & this.#mask;
        const state = this.#state[index]!;
        if (state !== IN_FLIGHT && state !== LOST) continue;
        this.#acked(index, state);
        this.#state[index] = ACKED;
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
      const at = tsn & this.#mask;
      if (this.#state[at] !== ACKED) continue;
      this.#state[at] = IN_FLIGHT;
      this.#ackedInGaps--;
      this.#enter(this.#length[at]!);
    }
    return tsn;
  }

  #countMissing(): void {
    const latest = this.#latestAcked;
    if (latest === 0) return;
    for (
      let tsn = (this.cumulative + 1) | 0;
      tsnDistance(tsn, this.#highestAcked) < 0;
      tsn = (tsn + 1) | 0
    ) {
      const at = tsn & this.#mask;
      if (this.#state[at] !== IN_FLIGHT || this.#serial[at]! > latest) continue;
      if (++this.#missing[at]! >= LOSS_INDICATIONS) this.#lose(tsn);
    }
  }

  /** A chunk is lost: it is to be sent again, or its message is given up. */
  #lose(tsn: number): void {
    const at = tsn & this.#mask;
    const slot = this.#slot[at]!;
    this.newlyLost++;
    this.#state[at] = LOST;
    this.#leave(this.#length[at]!);
    this.lost++;
    if (tsnDistance(tsn, this.#lostFrom) < 0) this.#lostFrom = tsn;
    const limit = this.#messages.maxRetransmits[slot]!;
    if (limit !== UNLIMITED && this.#sends[at]! > limit) this.onGivenUp(slot, tsn);
  }

  /** A message was lost too often; its owner gives it up, or does not if the peer cannot. */
  onGivenUp: (slot: number, tsn: number) => void = () => {};

  #abandonChunk(at: number): void {
    const state = this.#state[at]!;
    if (state === ABANDONED) return;
    this.#state[at] = ABANDONED;
    this.#abandoned++;
    if (state === IN_FLIGHT) this.#leave(this.#length[at]!);
    else if (state === LOST) this.lost--;
    else if (state === ACKED) this.#ackedInGaps--;
  }

  #grow(): void {
    const size = 2 * (this.#mask + 1);
    const slot = new Int32Array(size);
    const offset = new Uint32Array(size);
    const length = new Uint16Array(size);
    const state = new Uint8Array(size);
    const sends = new Uint16Array(size);
    const missing = new Uint8Array(size);
    const serial = new Float64Array(size);
    for (let tsn = (this.cumulative + 1) | 0; tsn !== this.nextTsn; tsn = (tsn + 1) | 0) {
      const from = tsn & this.#mask;
      const to = tsn & (size - 1);
      slot[to] = this.#slot[from]!;
      offset[to] = this.#offset[from]!;
      length[to] = this.#length[from]!;
      state[to] = this.#state[from]!;
      sends[to] = this.#sends[from]!;
      missing[to] = this.#missing[from]!;
      serial[to] = this.#serial[from]!;
    }
    this.#slot = slot;
    this.#offset = offset;
    this.#length = length;
    this.#state = state;
    this.#sends = sends;
    this.#missing = missing;
    this.#serial = serial;
    this.#mask = size - 1;
  }
}
