/**
 * Ends of streams, which are ends of data channels (RFC 6525; RFC 8831 §6.7).
 *
 * One request of ours is under way at a time and is repeated until it is answered. A request of the
 * peer's takes effect when everything it sent before has come; it is answered then, or as "in
 * progress" if it comes again before.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import {
  CHUNK,
  CHUNK_HEADER_BYTES,
  type PacketWriter,
  padded,
  RECONFIG,
  tsnDistance,
} from "./sctp_packet.ts";
import { MAX_STREAMS } from "./inbound.ts";

/** Results (RFC 6525 §4.4). */
const RESULT = {
  nothing: 0,
  performed: 1,
  denied: 2,
  busy: 4,
  badSequence: 5,
  inProgress: 6,
} as const;
const OUTGOING_BYTES = 16;
const RESPONSE_BYTES = 12;
/** A peer that answers no requests is asked this seldom, ms. */
const MAX_REPEAT_MS = 3_000;
/** Streams in one request of ours. */
const MAX_REQUESTED = 256;

/** What resets do to the two sides of the association. */
export interface ResetOwner {
  /** The last number that was given to a chunk of ours. */
  readonly lastTsn: number;
  /** The last of the peer's numbers up to which everything came. */
  readonly cumulativeTsn: number;
  /** Whether more may wait for our owner; ends of streams wait there, too. */
  readonly hasRoom: boolean;
  /** Whether a message of the stream is half sent. */
  isBusy(streamId: number): boolean;
  /** What waits on the stream is dropped, and what comes to wait, waits for the peer's answer. */
  pause(streamId: number): void;
  /** The peer has taken note: the stream counts from 0 again. */
  restart(streamId: number): void;
  /** The peer ended the stream. */
  ended(streamId: number): void;
}

/** Both directions' resets of one association. */
export class StreamResets {
  readonly #owner: ResetOwner;
  readonly #drops: DropSink<TransportDrop>;
  /** Streams of ours that are to be reset. */
  readonly #wanted = new Set<number>();
  /** Those of the request under way. */
  #requested: number[] = [];
  #requestNumber: number;
  /** The peer's request that ours answers, if it does. */
  #answers: number;
  #requestTsn = 0;
  /** When the request goes, again: monotonic ms; and how often it has. */
  #requestAt = Infinity;
  #attempts = 0;
  /** The number of the peer's next request, and what the last one came to. */
  #nextRequest: number;
  #result: number = RESULT.nothing;
  /** The peer's request that waits for data, and up to which number. */
  #deferred: number[] | undefined;
  #deferredTsn = 0;
  /** The request to be answered. */
  #respondTo: number | undefined;
  #respondWith: number = RESULT.nothing;
  /** There is nothing to be written, as nearly always: the lists need not be looked at. */
  #isIdle = true;

  /**
   * @param initialTsn Ours, which is also the number of our first request (RFC 6525 §4.1).
   * @param peerTsn The peer's.
   */
  constructor(
    owner: ResetOwner,
    drops: DropSink<TransportDrop>,
    initialTsn: number,
    peerTsn: number,
  ) {
    this.#owner = owner;
    this.#drops = drops;
    this.#requestNumber = initialTsn | 0;
    this.#nextRequest = peerTsn | 0;
    this.#answers = (peerTsn - 1) | 0;
  }

  /** When something is to be written, monotonic ms; `-Infinity` for now. */
  get dueAt(): number {
    return this.#isIdle ? Infinity : this.#lookWhenDue();
  }

  #lookWhenDue(): number {
    if (this.#respondTo !== undefined) return -Infinity;
    if (this.#requested.length > 0) return this.#requestAt;
    this.#isIdle = this.#wanted.size === 0;
    for (const id of this.#wanted) if (!this.#owner.isBusy(id)) return -Infinity;
    return Infinity;
  }

  /** Ends streams of ours, which drop what waits on them. */
  request(streamIds: readonly number[]): void {
    this.#isIdle = false;
    for (const id of streamIds) {
      this.#owner.pause(id);
      this.#wanted.add(id);
    }
  }

  /** Takes a RE-CONFIG chunk of `size` bytes at `at`, which is sound. */
  receive(view: DataView, at: number, size: number): void {
    for (let from = at + CHUNK_HEADER_BYTES; from + CHUNK_HEADER_BYTES <= at + size;) {
      const type = view.getUint16(from);
      const length = view.getUint16(from + 2);
      if (type === RECONFIG.response) {
        this.#onResponse(view.getInt32(from + 4), view.getUint32(from + 8));
      } else if (type >= RECONFIG.outgoingReset && type <= RECONFIG.addIncoming) {
        this.#onRequest(view, type, from, length);
      }
      from += padded(length);
    }
  }

  /** More of the peer's data came: a request that waited for it may take effect. */
  dataCame(): void {
    const streams = this.#deferred;
    if (streams === undefined) return;
    if (tsnDistance(this.#deferredTsn, this.#owner.cumulativeTsn) > 0) return;
    // The peer asks again until there is room.
    if (!this.#owner.hasRoom) return;
    this.#deferred = undefined;
    for (const id of streams) this.#owner.ended(id);
    this.#respond((this.#nextRequest - 1) | 0, RESULT.performed);
  }

  /** Writes what is due and fits. */
  write(writer: PacketWriter, now: number, timeoutMs: number): void {
    if (this.#respondTo !== undefined && writer.room >= CHUNK_HEADER_BYTES + RESPONSE_BYTES) {
      const at = writer.chunk(CHUNK.reconfig, 0, CHUNK_HEADER_BYTES + RESPONSE_BYTES);
      writer.view.setUint16(at + 4, RECONFIG.response);
      writer.view.setUint16(at + 6, RESPONSE_BYTES);
      writer.view.setInt32(at + 8, this.#respondTo);
      writer.view.setUint32(at + 12, this.#respondWith);
      this.#respondTo = undefined;
    }
    if (this.#requested.length === 0) this.#beginRequest();
    else if (now < this.#requestAt) return;
    const parameter = OUTGOING_BYTES + 2 * this.#requested.length;
    if (this.#requested.length === 0 || writer.room < CHUNK_HEADER_BYTES + padded(parameter)) {
      return;
    }
    const at = writer.chunk(CHUNK.reconfig, 0, CHUNK_HEADER_BYTES + parameter);
    const { view } = writer;
    view.setUint16(at + 4, RECONFIG.outgoingReset);
    view.setUint16(at + 6, parameter);
    view.setInt32(at + 8, this.#requestNumber);
    view.setInt32(at + 12, this.#answers);
    view.setInt32(at + 16, this.#requestTsn);
    this.#requested.forEach((id, i) => view.setUint16(at + 20 + 2 * i, id));
    this.#requestAt = now + Math.min(timeoutMs * 2 ** this.#attempts++, MAX_REPEAT_MS);
  }

  #beginRequest(): void {
    for (const id of this.#wanted) {
      if (this.#requested.length === MAX_REQUESTED) break;
      if (!this.#owner.isBusy(id)) this.#requested.push(id);
    }
    for (const id of this.#requested) this.#wanted.delete(id);
    this.#requestTsn = this.#owner.lastTsn;
    // In the next packet if there is no room in this one.
    this.#requestAt = -Infinity;
  }

  #onResponse(number: number, result: number): void {
    if (this.#requested.length === 0 || number !== this.#requestNumber) return;
    if (result === RESULT.inProgress) return; // it is asked again
    if (result !== RESULT.nothing && result !== RESULT.performed) {
      this.#drops.count("sctp_reset_refused");
    }
    const done = this.#requested;
    this.#requested = [];
    this.#attempts = 0;
    this.#requestNumber = (this.#requestNumber + 1) | 0;
    this.#requestAt = Infinity;
    // One whose next use has ended, too, goes on when the peer has taken note of that.
    for (const id of done) if (!this.#wanted.has(id)) this.#owner.restart(id);
  }

  #onRequest(view: DataView, type: number, at: number, length: number): void {
    const number = view.getInt32(at + 4);
    if (number === ((this.#nextRequest - 1) | 0)) {
      return this.#respond(number, this.#deferred ? RESULT.inProgress : this.#result);
    }
    if (number !== this.#nextRequest) return this.#respond(number, RESULT.badSequence);
    if (this.#deferred !== undefined) return this.#respond(number, RESULT.busy);
    this.#nextRequest = (number + 1) | 0;
    if (type === RECONFIG.outgoingReset) return this.#onOutgoing(view, at, length);
    if (type === RECONFIG.incomingReset) return this.#onIncoming(view, at, length, number);
    // All numbers anew, or more streams than a channel needs (RFC 8831 §6.2 wants neither).
    if (type >= RECONFIG.associationReset) this.#respond(number, RESULT.denied);
  }

  #onOutgoing(view: DataView, at: number, length: number): void {
    const streams = this.#streamsIn(view, at + OUTGOING_BYTES, at + length);
    // Without a list it is about all streams, which no channel needs.
    if (streams.length === 0) return this.#respond(view.getInt32(at + 4), RESULT.denied);
    this.#deferred = streams;
    this.#deferredTsn = view.getInt32(at + 12);
    this.dataCame();
  }

  /** The peer asks us to end streams of ours; our request is the answer (RFC 6525 §5.2.3). */
  #onIncoming(view: DataView, at: number, length: number, number: number): void {
    const streams = this.#streamsIn(view, at + 8, at + length);
    if (this.#requested.length > 0 || streams.length === 0) {
      return this.#respond(number, streams.length === 0 ? RESULT.nothing : RESULT.busy);
    }
    this.#result = RESULT.performed;
    this.#answers = number;
    this.request(streams);
  }

  /** Each once: a stream that is named hundreds of times ends once, too. */
  #streamsIn(view: DataView, from: number, to: number): number[] {
    const streams = new Set<number>();
    for (let at = from; at + 2 <= to; at += 2) {
      const id = view.getUint16(at);
      if (id >= MAX_STREAMS) this.#drops.count("sctp_bad_stream");
      else streams.add(id);
    }
    return [...streams];
  }

  #respond(number: number, result: number): void {
    // A request that is out of turn is no part of the row of requests and their results.
    if (number === ((this.#nextRequest - 1) | 0) && result !== RESULT.inProgress) {
      this.#result = result;
    }
    this.#isIdle = false;
    this.#respondTo = number;
    this.#respondWith = result;
  }
}
