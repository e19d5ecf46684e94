/**
 * One SCTP association (RFC 9260, RFC 8831 §5) over DTLS, without sockets, timers or a clock.
 *
 * Contract: its owner gives it packets, takes whole messages when it likes ({@linkcode
 * SctpAssociation.take}; what waits counts against the peer's window), and asks for packets with
 * {@linkcode SctpAssociation.poll} until there is none: after each batch of packets, after sending,
 * and when {@linkcode SctpAssociation.nextWakeAt} has come. Whatever a peer sends affects this
 * association only: bad input is counted, never thrown, and memory is bounded in bytes and in
 * chunks. After an end only what had come can still be taken.
 *
 * The peer of a path is watched by ICE, so nothing is given up after a number of attempts, and no
 * heartbeats of ours are needed; the peer's are answered.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Random } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { Handshake } from "./handshake.ts";
import { Inbound } from "./inbound.ts";
import { InboundQueue, type ReceivedMessage, STREAM_END } from "./inbound_queue.ts";
import { Outbound } from "./outbound.ts";
import {
  CHUNK,
  CHUNK_HEADER_BYTES,
  copyOf,
  nextChunk,
  NO_VIEW,
  PACKET_HEADER_BYTES,
  packetRefusal,
  PacketWriter,
} from "./sctp_packet.ts";
import type { MessageLeft } from "./stream_scheduler.ts";
import { StreamResets } from "./stream_resets.ts";

/** Why an association ended. */
export type SctpCloseReason = "closed_by_peer" | "message_too_large" | "internal_error";

/** Told by an association as things happen, within `receive` and `poll`. */
export interface SctpListener {
  /** The peer began anew: its streams, and ours, are gone with all that waited. */
  onRestarted(): void;
  /** The last byte of a message is on its way, or the message was given up before. */
  readonly onLeft: MessageLeft;
}

export interface SctpAssociationOptions {
  /** From the peer's `a=sctp-port`. */
  readonly remotePort: number;
  /** A longer message of the peer's ends the association. */
  readonly maxReceivedBytes: number;
  readonly random: Random;
  readonly listener: SctpListener;
  readonly drops: DropSink<TransportDrop>;
}

/** ABORT and SHUTDOWN COMPLETE in answer to a tag that we did not know (RFC 9260 §8.5.1). */
const TAG_REFLECTED = 1;
/** SHUTDOWN ACKs before the association ends without the peer's last word. */
const MAX_SHUTDOWN_ACKS = 5;
/** Bytes of a heartbeat that are sent back; those of real stacks have some dozens. */
const MAX_HEARTBEAT_BYTES = 512;
const NO_BYTES = new Uint8Array(0);

/** One association. Nothing a peer sends throws; memory is bounded. */
export class SctpAssociation {
  readonly #options: SctpAssociationOptions;
  readonly #drops: DropSink<TransportDrop>;
  readonly #handshake: Handshake;
  #queue = new InboundQueue();
  #outbound: Outbound;
  /** Absent before the association stands. */
  #inbound: Inbound | undefined;
  #resets: StreamResets | undefined;
  readonly #writer = new PacketWriter();
  /** Of the buffer that packets come in, which is often the same. */
  #view: DataView = NO_VIEW;
  #viewed: Uint8Array = NO_BYTES;
  /**
   * The peer's tag, and whether it does without checksums, while the handshake has nothing to say
   * and need not be looked at; 0 before, and when the peer has begun again.
   */
  #settledTag = 0;
  #zeroChecksum = false;
  /** The packet that is being read had a SACK. */
  #hasSack = false;
  /** The heartbeat to be answered. */
  #heartbeat: Uint8Array | undefined;
  /** The peer wants to end (§9.2): when the answer goes, again, and how often it has. */
  #isShuttingDown = false;
  #shutdownAt = Infinity;
  #shutdownAcks = 0;
  /** An ABORT is to be sent with this tag. */
  #abortTag: number | undefined;
  #endReason: SctpCloseReason | undefined;
  #isClosed = false;

  constructor(options: SctpAssociationOptions) {
    this.#options = options;
    this.#drops = options.drops;
    this.#handshake = new Handshake(options.random, options.drops);
    this.#outbound = this.#makeOutbound();
  }

  /** Whether it stands: data flows. */
  get isUp(): boolean {
    return this.#inbound !== undefined;
  }

  /** Why it ended, once it has. */
  get endReason(): SctpCloseReason | undefined {
    return this.#endReason;
  }

  /** What {@linkcode SctpAssociation.take} took last. */
  get message(): ReceivedMessage {
    return this.#queue.message;
  }

  /** Whether anything has begun: an INIT came, or one of ours is under way. */
  get hasBegun(): boolean {
    return this.#handshake.localTag !== 0 || this.#handshake.wasAsked;
  }

  /** Sends an INIT of ours, unless the association has begun: the peer need not be the first. */
  begin(): void {
    if (!this.#isOver) this.#handshake.begin();
  }

  /** Takes the packet `bytes[0, length)`, which is the caller's again afterwards. */
  receive(bytes: Uint8Array, length: number, now: number): void {
    if (this.#isOver) return;
    if (this.#viewed !== bytes) {
      this.#viewed = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const view = this.#view;
    const refusal = packetRefusal(bytes, view, length, this.#handshake.takesZeroChecksum);
    if (refusal !== undefined) this.#drops.count(refusal);
    else this.#receiveChunks(bytes, view, length, now);
  }

  /**
   * Queues a message. `bytes`, at least one, are kept and must not change.
   *
   * @param maxRetransmits `UNLIMITED` for as often as needed.
   * @param expiresAt When it is worth nothing any more, monotonic ms; `Infinity` for never.
   * @param sender Whose it is: order is kept among the messages of one, and where many wait on a
   *   stream, their senders take turns.
   */
  send(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    ordered: boolean,
    maxRetransmits: number,
    expiresAt: number,
    sender = 0,
  ): void {
    if (this.#isOver || this.#isShuttingDown) return;
    const { messages, streams } = this.#outbound;
    streams.push(messages.add(streamId, ppid, bytes, ordered, maxRetransmits, expiresAt, sender));
  }

  /** Bytes of the message of this stream that has begun and is not all on its way. */
  begunBytes(streamId: number): number {
    return this.#outbound.streams.begunBytes(streamId);
  }

  /** See {@linkcode StreamScheduler.dropOldest}. */
  dropOldest(streamId: number): boolean {
    return this.#outbound.streams.dropOldest(streamId);
  }

  /** See {@linkcode StreamScheduler.dropFor}. */
  dropFor(streamId: number, sender: number, bytes: number): boolean {
    return this.#outbound.streams.dropFor(streamId, sender, bytes);
  }

  /** See {@linkcode StreamScheduler.waitingOf}. */
  waitingOf(streamId: number, sender: number): number {
    return this.#outbound.streams.waitingOf(streamId, sender);
  }

  /** See {@linkcode StreamScheduler.sendersOn}. */
  sendersOn(streamId: number): number {
    return this.#outbound.streams.sendersOn(streamId);
  }

  /** Messages on this stream may be left standing while others are taken. */
  setPatient(streamId: number, patient: boolean): void {
    this.#queue.setPatient(streamId, patient);
  }

  /** Whether {@linkcode SctpAssociation.take} would take something. */
  hasMessage(withPatient: boolean): boolean {
    return this.#queue.has(withPatient);
  }

  /** Takes the next message into {@linkcode SctpAssociation.message}; `false` if there is none. */
  take(withPatient: boolean): boolean {
    if (!this.#queue.take(withPatient)) return false;
    this.#inbound?.roomMade();
    return true;
  }

  /** Ends streams of ours; what waits on them is dropped. */
  resetStreams(streamIds: readonly number[]): void {
    if (!this.#isOver) this.#resets?.request(streamIds);
  }

  /**
   * Whether something waits for the peer to say more; of use once {@linkcode SctpAssociation.poll}
   * has written nothing.
   */
  get isHeld(): boolean {
    return this.#outbound.isHeld;
  }

  /**
   * Whether {@linkcode SctpAssociation.poll} has nothing to do before
   * {@linkcode SctpAssociation.nextWakeAt}.
   */
  get isDone(): boolean {
    return !this.#isOver && this.#heartbeat === undefined && this.#outbound.isDone;
  }

  /** When {@linkcode SctpAssociation.poll} has something to do, monotonic ms. */
  nextWakeAt(): number {
    if (this.#isOver) return this.#abortTag === undefined ? Infinity : -Infinity;
    return Math.min(
      this.#settledTag === 0 ? this.#handshake.dueAt : Infinity,
      this.#inbound?.sackAt ?? Infinity,
      this.#outbound.timerAt,
      this.#resets?.dueAt ?? Infinity,
      this.#shutdownAt,
    );
  }

  /**
   * Writes the next packet into `out`, which has room for `MAX_PACKET_BYTES`.
   *
   * @returns Its length; 0 if nothing is to be sent now.
   */
  poll(out: Uint8Array, now: number): number {
    if (this.#isOver) return this.#writeAbort(out);
    if (this.#settledTag === 0) return this.#pollUnsettled(out, now);
    const writer = this.#writer;
    writer.begin(out, this.#options.remotePort, this.#settledTag);
    this.#writeChunks(writer, now);
    return writer.isEmpty ? 0 : writer.end(this.#zeroChecksum);
  }

  /** The same while the handshake may have something to say. */
  #pollUnsettled(out: Uint8Array, now: number): number {
    const { remotePort } = this.#options;
    const writer = this.#writer;
    const handshake = this.#handshake;
    if (handshake.writeAlone(writer, out, remotePort, now)) return writer.end(false);
    const tag = handshake.offeredTag ?? handshake.peer?.tag;
    if (tag === undefined) return 0;
    writer.begin(out, remotePort, tag);
    handshake.writeBundled(writer, now);
    const isOpening = handshake.offeredTag !== undefined;
    if (!isOpening) this.#writeChunks(writer, now);
    const zeroChecksum = !isOpening && handshake.peer?.zeroChecksum === true;
    if (this.isUp && handshake.dueAt === Infinity) {
      this.#settledTag = tag;
      this.#zeroChecksum = zeroChecksum;
    }
    return writer.isEmpty ? 0 : writer.end(zeroChecksum);
  }

  /** Ends with an ABORT, which is the last packet to be polled. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#endReason === undefined) this.#abortTag = this.#handshake.peer?.tag;
    this.#queue = new InboundQueue();
    this.#letGo();
  }

  /** Ends because a bug of ours was hit. */
  fail(): void {
    this.#drops.count("sctp_internal_error");
    this.#end("internal_error", true);
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#endReason !== undefined;
  }

  #end(reason: SctpCloseReason, abort: boolean): void {
    if (this.#isOver) return;
    this.#endReason = reason;
    if (abort) this.#abortTag = this.#handshake.peer?.tag;
    this.#letGo();
  }

  /** Whatever is only of use to an association that lives. */
  #letGo(): void {
    this.#outbound = this.#makeOutbound();
    this.#inbound = undefined;
    this.#resets = undefined;
  }

  #makeOutbound(): Outbound {
    return new Outbound(this.#drops, this.#options.listener.onLeft);
  }

  #receiveChunks(bytes: Uint8Array, view: DataView, length: number, now: number): void {
    const first = view.getUint8(PACKET_HEADER_BYTES);
    const tag = view.getInt32(4);
    if (first === CHUNK.init) return this.#receiveInit(view, tag, length);
    this.#hasSack = false;
    for (let at = PACKET_HEADER_BYTES; at < length; at = nextChunk(view, at, length)) {
      const type = view.getUint8(at);
      const size = view.getUint16(at + 2);
      if (type === CHUNK.cookieEcho) {
        // It comes first (§5.1), and each costs a signature.
        if (at !== PACKET_HEADER_BYTES) return this.#drops.count("sctp_bad_chunk");
        const cookie = bytes.subarray(at + CHUNK_HEADER_BYTES, at + size);
        this.#receiveCookie(cookie, tag, now);
      } else if (type === CHUNK.abort || type === CHUNK.shutdownComplete) {
        return this.#receiveLast(type, view.getUint8(at + 1), tag);
      } else if (tag !== this.#handshake.localTag || tag === 0) {
        return this.#drops.count(tag === 0 ? "sctp_not_established" : "sctp_bad_tag");
      } else if (type === CHUNK.initAck) this.#handshake.receiveInitAck(bytes, view, at, size);
      else if (type === CHUNK.cookieAck) {
        if (this.#handshake.receiveCookieAck()) this.#establish();
      } else if (this.#inbound === undefined) {
        if (type === CHUNK.error) this.#handshake.receiveError(view, at, size);
        else this.#drops.count("sctp_not_established");
      } else this.#receiveChunk(type, bytes, view, at, size, now);
      if (this.#isOver) return;
    }
    this.#endPacket(now);
  }

  #endPacket(now: number): void {
    const inbound = this.#inbound;
    if (inbound === undefined) return;
    inbound.endPacket(now);
    this.#resets!.dataCame();
    if (inbound.isTooLong) this.#end("message_too_large", true);
  }

  #receiveChunk(
    type: number,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    size: number,
    now: number,
  ): void {
    switch (type) {
      case CHUNK.data:
        return this.#inbound!.receiveData(bytes, view, at, size);
      case CHUNK.sack: {
        // Nobody sends two (§6.2), and each may name thousands of numbers.
        if (this.#hasSack) return this.#drops.count("sctp_bad_chunk");
        this.#hasSack = true;
        const gaps = view.getUint16(at + 12);
        const cumulative = view.getInt32(at + 4);
        return this.#receiveSack(view, cumulative, view.getUint32(at + 8), at, gaps, now);
      }
      case CHUNK.forwardTsn:
        return this.#inbound!.receiveForwardTsn(view, at, size);
      case CHUNK.reconfig:
        return this.#resets!.receive(view, at, size);
      case CHUNK.heartbeat:
        if (size > MAX_HEARTBEAT_BYTES) return this.#drops.count("sctp_bad_chunk");
        this.#heartbeat = copyOf(bytes, at + CHUNK_HEADER_BYTES, at + size);
        return;
      case CHUNK.shutdown:
        return this.#receiveShutdown(view, at, now);
    }
  }

  #receiveInit(view: DataView, tag: number, length: number): void {
    this.#settledTag = 0;
    const isAlone = nextChunk(view, PACKET_HEADER_BYTES, length) >= length;
    if (!isAlone || tag !== 0) return this.#drops.count("sctp_bad_chunk");
    const size = view.getUint16(PACKET_HEADER_BYTES + 2);
    this.#handshake.receiveInit(view, PACKET_HEADER_BYTES, size);
  }

  #receiveCookie(cookie: Uint8Array, tag: number, now: number): void {
    this.#settledTag = 0;
    const outcome = this.#handshake.receiveCookieEcho(cookie, tag, now);
    if (outcome === "restarted") {
      this.#outbound = this.#makeOutbound();
      this.#queue = new InboundQueue();
      this.#isShuttingDown = false;
      this.#shutdownAt = Infinity;
      this.#establish();
      this.#options.listener.onRestarted();
    } else if (outcome === "established") this.#establish();
  }

  #establish(): void {
    const { peer, localTsn } = this.#handshake;
    const { initialTsn, window, canForward } = peer!;
    const outbound = this.#outbound;
    outbound.start(localTsn, window, canForward);
    const { maxReceivedBytes } = this.#options;
    const inbound = new Inbound(initialTsn, this.#queue, this.#drops, maxReceivedBytes);
    this.#inbound = inbound;
    const { streams } = outbound;
    const owner = {
      get lastTsn() {
        return outbound.lastTsn;
      },
      get cumulativeTsn() {
        return inbound.tracker.cumulative;
      },
      get hasRoom() {
        return inbound.hasRoom;
      },
      isBusy: (id: number) => streams.isBusy(id),
      pause: (id: number) => streams.pause(id),
      restart: (id: number) => streams.restart(id),
      ended: (id: number) => {
        inbound.resetStream(id);
        this.#queue.push(id, STREAM_END, NO_BYTES, false);
      },
    };
    this.#resets = new StreamResets(owner, this.#drops, localTsn, initialTsn);
  }

  #receiveSack(
    view: DataView,
    cumulative: number,
    window: number,
    at: number,
    gaps: number,
    now: number,
  ): void {
    if (!this.#outbound.covers(cumulative, view, at + 16, gaps)) {
      return this.#drops.count("sctp_bad_sack");
    }
    this.#outbound.acknowledge(cumulative, window, view, at + 16, gaps, now);
    if (this.#isShuttingDown && this.#shutdownAcks === 0) this.#shutdownAt = -Infinity;
  }

  /** The peer sends no more; when all that we sent has come, we say so (§9.2). */
  #receiveShutdown(view: DataView, at: number, now: number): void {
    const outbound = this.#outbound;
    const cumulative = view.getInt32(at + 4);
    if (!outbound.covers(cumulative, view, 0, 0)) return this.#drops.count("sctp_bad_sack");
    outbound.acknowledge(cumulative, outbound.peerWindow, view, 0, 0, now);
    this.#isShuttingDown = true;
    this.#shutdownAt = -Infinity;
  }

  #receiveLast(type: number, flags: number, tag: number): void {
    const { localTag, peer } = this.#handshake;
    const expected = (flags & TAG_REFLECTED) !== 0 ? peer?.tag : localTag;
    if (tag === 0 || tag !== expected) return this.#drops.count("sctp_bad_tag");
    if (type === CHUNK.abort || this.#shutdownAcks > 0) this.#end("closed_by_peer", false);
  }

  #writeChunks(writer: PacketWriter, now: number): void {
    const outbound = this.#outbound;
    const inbound = this.#inbound!;
    const resets = this.#resets!;
    if (now >= outbound.timerAt) outbound.timeOut(now);
    const hasData = outbound.hasOutput(now);
    if (now >= inbound.sackAt || (hasData && inbound.hasSack)) inbound.writeSack(writer);
    const heartbeat = this.#heartbeat;
    if (heartbeat !== undefined && writer.room >= CHUNK_HEADER_BYTES + MAX_HEARTBEAT_BYTES) {
      this.#heartbeat = undefined;
      const size = CHUNK_HEADER_BYTES + heartbeat.length;
      const at = writer.chunk(CHUNK.heartbeatAck, 0, size);
      writer.bytes.set(heartbeat, at + CHUNK_HEADER_BYTES);
    }
    if (now >= resets.dueAt) resets.write(writer, now, outbound.timeout.ms);
    if (hasData) outbound.write(writer, now);
    if (this.#isShuttingDown && now >= this.#shutdownAt) this.#writeShutdownAck(writer, now);
  }

  #writeShutdownAck(writer: PacketWriter, now: number): void {
    const outbound = this.#outbound;
    if (!outbound.isDrained) {
      this.#shutdownAt = Infinity; // the next SACK, or SHUTDOWN, looks again
      return;
    }
    if (this.#shutdownAcks++ === MAX_SHUTDOWN_ACKS) return this.#end("closed_by_peer", false);
    writer.chunk(CHUNK.shutdownAck, 0, CHUNK_HEADER_BYTES);
    this.#shutdownAt = now + outbound.timeout.ms;
  }

  #writeAbort(out: Uint8Array): number {
    const tag = this.#abortTag;
    if (tag === undefined) return 0;
    this.#abortTag = undefined;
    this.#writer.begin(out, this.#options.remotePort, tag);
    this.#writer.chunk(CHUNK.abort, 0, CHUNK_HEADER_BYTES);
    return this.#writer.end(false);
  }
}
