/**
 * The sending side of one association (RFC 9260 §6, §7; RFC 3758): which chunks go into the next
 * packet, and what SACKs and time make of those that went.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { chunkBytes, ChunksInFlight, MAX_CHUNKS_IN_FLIGHT } from "./chunks_in_flight.ts";
import { CongestionWindow } from "./congestion_window.ts";
import { NO_SLOT, OutgoingMessages } from "./outgoing_messages.ts";
import { RetransmissionTimeout } from "./retransmission_timeout.ts";
import {
  CHUNK,
  DATA_FLAG,
  DATA_HEADER_BYTES,
  MAX_FRAGMENT_BYTES,
  MAX_PACKET_BYTES,
  type PacketWriter,
  tsnDistance,
} from "./sctp_packet.ts";
import { type MessageLeft, StreamScheduler } from "./stream_scheduler.ts";

/** A fragment that would be shorter waits for the next packet, unless it ends its message. */
const MIN_FRAGMENT_BYTES = 256;

/** Round trips, and more, ms, after which a FORWARD-TSN without an effect is taken for lost. */
const FORWARD_AGAIN_RTTS = 1.5;
const FORWARD_AGAIN_MS = 10;

/** What one association sends. */
export class Outbound {
  readonly messages = new OutgoingMessages();
  readonly streams: StreamScheduler;
  readonly timeout = new RetransmissionTimeout();
  #flight: ChunksInFlight;
  readonly #window = new CongestionWindow();
  readonly #drops: DropSink<TransportDrop>;
  /** What the peer has room for beyond what is in flight, as last told. */
  #peerWindow = 0;
  #peerCanForward = false;
  /** The message whose next chunk goes next, as last looked for. */
  #nextSlot = NO_SLOT;
  /** Losses up to this number are of one event. */
  #recoverTo = 0;
  #recovering = false;
  /** The first chunk of a fast retransmission goes whatever the window says (RFC 9260 §7.2.4). */
  #resendOne = false;
  /** The chunk whose round trip is measured, and when it went. */
  #timedTsn: number | undefined;
  #timedAt = 0;
  /** When what is in flight counts as lost, monotonic ms. */
  #timerAt = Infinity;
  /** A chunk may be sent although the peer has no room (RFC 9260 §6.1, A). */
  #mayProbe = false;
  #forwardNow = false;
  /** When the peer was last told what it need not wait for. */
  #forwardedAt = 0;
  /** When something was last in flight. */
  #activeAt = 0;

  /** @param left Told of messages that wait no more: all on their way, or given up. */
  constructor(drops: DropSink<TransportDrop>, left: MessageLeft) {
    this.#drops = drops;
    this.streams = new StreamScheduler(this.messages, left);
    this.#flight = new ChunksInFlight(this.messages, 0);
  }

  /** The association stands, and what waited may go. */
  start(initialTsn: number, peerWindow: number, peerCanForward: boolean): void {
    this.#flight = new ChunksInFlight(this.messages, initialTsn);
    this.#flight.onGivenUp = (slot, tsn) => this.#giveUp(slot, tsn);
    this.#recoverTo = this.#flight.cumulative;
    this.#peerWindow = peerWindow;
    this.#peerCanForward = peerCanForward;
  }

  /** When {@linkcode Outbound.timeOut} has something to do, monotonic ms. */
  get timerAt(): number {
    return this.#timerAt;
  }

  /** The last number that was given (RFC 6525 §4.1). */
  get lastTsn(): number {
    return (this.#flight.nextTsn - 1) | 0;
  }

  /** Whether everything that was given to it has been acknowledged. */
  get isDrained(): boolean {
    return this.#flight.outstanding === 0 && this.streams.isEmpty;
  }

  /** After all was sent that may be: whether something waits for the peer to say more. */
  get isHeld(): boolean {
    return !this.streams.isEmpty;
  }

  /** Whether there is nothing to be sent, now or when the peer says more. */
  get isDone(): boolean {
    return this.streams.isEmpty && this.#flight.lost === 0 && !this.#forwardNow;
  }

  /** What the peer has room for, as last told. */
  get peerWindow(): number {
    return this.#peerWindow;
  }

  /** Whether these numbers were given: a sound peer acknowledges no others. */
  covers(cumulative: number, view: DataView, at: number, gaps: number): boolean {
    const outstanding = tsnDistance(this.lastTsn, cumulative);
    if (outstanding < 0) return false;
    let previous = 0;
    for (let gap = 0; gap < gaps; gap++) {
      const start = view.getUint16(at + 4 * gap);
      const end = view.getUint16(at + 4 * gap + 2);
      if (start <= previous || end < start || end > outstanding) return false;
      previous = end;
    }
    return true;
  }

  /**
   * Reads a SACK whose numbers {@linkcode Outbound.covers}.
   *
   * @param window The peer's room for what it has not yet been sent or has not acknowledged.
   */
  acknowledge(
    cumulative: number,
    window: number,
    view: DataView,
    at: number,
    gaps: number,
    now: number,
  ): void {
    const flight = this.#flight;
    if (tsnDistance(cumulative, flight.cumulative) < 0) return; // an older one was overtaken
    const advanced = cumulative !== flight.cumulative;
    const wasFull = flight.bytes + MAX_PACKET_BYTES > this.#window.bytes;
    const wasProbing = this.#peerWindow < MAX_FRAGMENT_BYTES && flight.count <= 1;
    flight.acknowledge(cumulative, view, at, gaps);
    this.#peerWindow = window;
    if (this.#recovering && tsnDistance(cumulative, this.#recoverTo) >= 0) this.#recovering = false;
    this.#measure(now);
    this.#window.acknowledged(
      flight.newlyAcked,
      advanced,
      wasFull,
      this.#recovering,
      this.timeout.rttMs,
      now,
    );
    if (flight.newlyLost > 0) this.#noticeLoss();
    this.#forward();
    // SACKs that were under way must not each draw another one; a lost one is said again.
    if (now - this.#forwardedAt > this.timeout.rttMs * FORWARD_AGAIN_RTTS + FORWARD_AGAIN_MS) {
      this.#forwardNow = flight.mustForward;
    }
    if (advanced) this.timeout.succeeded();
    // What was refused for want of room goes again as soon as there is some.
    if (wasProbing && !advanced && window >= MAX_FRAGMENT_BYTES && flight.count > 0) {
      this.timeout.succeeded();
      flight.loseAll();
      this.#forward();
    }
    if (flight.outstanding === 0) {
      this.#timerAt = Infinity;
      this.#window.idle();
    } else if (advanced || flight.newlyAcked > 0) this.#timerAt = now + this.timeout.ms;
  }

  /** The timer was due (RFC 9260 §6.3.3). */
  timeOut(now: number): void {
    const flight = this.#flight;
    const isStalled = this.#peerWindow < MAX_FRAGMENT_BYTES && flight.count <= 1;
    if (isStalled) this.#mayProbe = true;
    // A peer without room says nothing of the path.
    else this.#window.timedOut();
    flight.loseAll();
    this.#recovering = false;
    this.#timedTsn = undefined;
    this.#forward();
    this.#forwardNow = flight.mustForward;
    this.timeout.backOff();
    this.#timerAt = flight.outstanding > 0 ? now + this.timeout.ms : Infinity;
  }

  /** Whether {@linkcode Outbound.write} would write something into an empty packet. */
  hasOutput(now: number): boolean {
    return this.#forwardNow || this.#canResend() || this.#nextFragment(now, Infinity) > 0;
  }

  /** Writes what is to go now and fits: numbers given up, lost chunks, new ones. */
  write(writer: PacketWriter, now: number): void {
    const flight = this.#flight;
    const before = writer.length;
    if (this.#forwardNow && writer.room >= 8 + 4 * 64) {
      this.#forwardNow = false;
      this.#forwardedAt = now;
      flight.writeForwardTsn(writer);
      if (this.#timerAt === Infinity) this.#timerAt = now + this.timeout.ms;
    }
    const chunksBefore = flight.count;
    while (this.#canResend() && this.#resend(writer, now)) continue;
    for (;;) {
      const length = this.#nextFragment(now, writer.room - DATA_HEADER_BYTES);
      if (length === 0) break;
      this.#sendNew(writer, length, now);
    }
    if (flight.count > chunksBefore) {
      this.#window.burst--;
      this.#activeAt = now;
    }
    if (writer.length > before && flight.outstanding > 0 && this.#timerAt === Infinity) {
      this.#timerAt = now + this.timeout.ms;
    }
  }

  #canResend(): boolean {
    const flight = this.#flight;
    if (flight.lost === 0) return false;
    if (this.#resendOne || flight.count === 0) return true;
    return this.#window.burst >= 1 && flight.bytes < this.#window.bytes;
  }

  /** Sends the first lost chunk again; `false` if it does not fit. */
  #resend(writer: PacketWriter, now: number): boolean {
    const flight = this.#flight;
    const tsn = flight.firstLost();
    const slot = flight.slotOf(tsn);
    if (this.#peerCanForward && now >= this.messages.expiresAt(slot)) {
      this.#giveUp(slot, tsn);
      this.#forward();
      return true;
    }
    const length = flight.lengthOf(tsn);
    if (chunkBytes(length) > writer.room) return false;
    this.#resendOne = false;
    flight.resend(tsn);
    if (this.#timedTsn === tsn) this.#timedTsn = undefined;
    this.#writeData(writer, tsn, slot, flight.offsetOf(tsn), length);
    // The earliest in flight is what the timer is for.
    if (tsn === ((flight.cumulative + 1) | 0)) this.#timerAt = now + this.timeout.ms;
    return true;
  }

  /** How many bytes of which message go next (`streams.next`); 0 if nothing may, or fits. */
  #nextFragment(now: number, room: number): number {
    const flight = this.#flight;
    const slot = this.#nextSlot = this.streams.next(now, this.#late);
    if (slot === NO_SLOT) return 0;
    if (flight.lost > 0 || flight.outstanding >= MAX_CHUNKS_IN_FLIGHT) return 0;
    if (flight.count > 0 && (flight.bytes >= this.#window.bytes || this.#window.burst < 1)) {
      return 0;
    }
    const left = this.messages.bytesOf(slot).length - this.messages.cutOf(slot);
    const length = Math.min(left, room, MAX_FRAGMENT_BYTES);
    if (length < left && length < MIN_FRAGMENT_BYTES) return 0;
    if (flight.payload + length <= this.#peerWindow) return length;
    return this.#probeLength(length, now);
  }

  /** The peer has no room: one chunk may ask now and then whether it has (§6.1, A). */
  #probeLength(length: number, now: number): number {
    if (this.#flight.outstanding > 0) return 0;
    if (this.#mayProbe) return length;
    if (this.#timerAt === Infinity) this.#timerAt = now + this.timeout.ms;
    return 0;
  }

  readonly #late = () => this.#drops.count("data_lossy_late");

  /** Sends `length` bytes of the message that was found last. */
  #sendNew(writer: PacketWriter, length: number, now: number): void {
    const { messages, streams } = this;
    const flight = this.#flight;
    const slot = this.#nextSlot;
    if (flight.outstanding === 0) {
      this.#window.rested(now - this.#activeAt, this.timeout.ms);
      if (this.#mayProbe) this.#timerAt = now + this.timeout.ms;
    }
    this.#mayProbe = false;
    streams.cut();
    const offset = messages.cutOf(slot);
    messages.setCut(slot, offset + length);
    const tsn = flight.add(slot, offset, length);
    if (this.#timedTsn === undefined) {
      this.#timedTsn = tsn;
      this.#timedAt = now;
    }
    this.#writeData(writer, tsn, slot, offset, length);
    if (offset + length === messages.bytesOf(slot).length) streams.finish();
    else if (now >= messages.expiresAt(slot) && this.#peerCanForward) {
      this.#giveUp(slot, tsn);
      this.#forward();
    }
  }

  #writeData(
    writer: PacketWriter,
    tsn: number,
    slot: number,
    offset: number,
    length: number,
  ): void {
    const { messages } = this;
    const bytes = messages.bytesOf(slot);
    const ordered = messages.isOrdered(slot);
    const flags = (offset === 0 ? DATA_FLAG.first : 0) |
      (offset + length === bytes.length ? DATA_FLAG.last : 0) |
      (ordered ? 0 : DATA_FLAG.unordered);
    const at = writer.chunk(CHUNK.data, flags, DATA_HEADER_BYTES + length);
    const { view } = writer;
    view.setInt32(at + 4, tsn);
    view.setUint16(at + 8, messages.streamIdOf(slot));
    view.setUint16(at + 10, ordered ? messages.streamSeqOf(slot) : 0);
    view.setUint32(at + 12, messages.ppidOf(slot));
    const out = writer.bytes;
    const to = at + DATA_HEADER_BYTES;
    if (length <= 32) { for (let i = 0; i < length; i++) out[to + i] = bytes[offset + i]!; }
    else if (length === bytes.length) out.set(bytes, to);
    else out.set(bytes.subarray(offset, offset + length), to);
  }

  /** Gives a message up, if the peer can be told. */
  #giveUp(slot: number, tsn: number): void {
    if (!this.#peerCanForward) return;
    const begun = this.streams.isBegun(slot);
    if (begun) this.streams.finish();
    this.#flight.abandon(slot, tsn);
    if (begun) this.#flight.addAbandoned(slot);
  }

  /** Looks what the peer need not wait for any more, and tells it if that has changed. */
  #forward(): void {
    const flight = this.#flight;
    const before = flight.abandonedTo;
    flight.advanceAbandoned();
    if (!flight.mustForward) this.#forwardNow = false;
    else if (flight.abandonedTo !== before) this.#forwardNow = true;
  }

  #noticeLoss(): void {
    if (this.#recovering) return;
    this.#recovering = true;
    this.#recoverTo = this.lastTsn;
    this.#resendOne = this.#flight.lost > 0;
    this.#window.lost();
  }

  #measure(now: number): void {
    const tsn = this.#timedTsn;
    if (tsn === undefined || !this.#flight.isAcked(tsn)) return;
    this.#timedTsn = undefined;
    const rttMs = now - this.#timedAt;
    this.timeout.measured(rttMs);
    this.#window.measured(rttMs);
  }
}
