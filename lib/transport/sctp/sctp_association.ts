/**
 * One SCTP association (RFC 9260 §5 to §9, RFC 8831 §5) over DTLS: werift's stack behind a door
 * that checks every packet, and a queue that gives it one message at a time.
 *
 * Contract: whatever a peer sends affects this association only: bad packets are counted, never
 * thrown, never an unhandled rejection, and memory for unfinished messages is bounded. We wait for
 * the peer's INIT (every WebRTC client sends one). After `onClosed` or `close` no call comes and no
 * timer is left.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { RTCSctpTransport } from "werift";
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { OutboundLanes } from "./outbound_lanes.ts";
import {
  FIRST_FRAGMENT,
  type InboundMessage,
  LAST_FRAGMENT,
  tsnDistance,
} from "./sctp_inbound_stream.ts";
import { CHUNK_TYPE, readSctpPacket, type SctpPacket } from "./sctp_packets.ts";
import { repairSctp, type SctpInternals } from "./sctp_repairs.ts";

/**
 * Largest message taken from or given to a peer, bytes; LiveKit's limit (1.13.5,
 * `pkg/rtc/transport.go`).
 */
export const MAX_MESSAGE_BYTES = 65_535;
/** `a=sctp-port` of ours. */
export const LOCAL_SCTP_PORT = 5000;
/** Chunks a peer may be ahead of the first missing one: 1 MiB of window in 128-byte chunks. */
const MAX_TSN_AHEAD = 8192;
/** Receive window werift offers, bytes. */
const RECEIVE_WINDOW_BYTES = 1024 * 1024;
/** Stream ids in use; browsers count up from 0 or 1 and stop at 1,023. */
const MAX_STREAM_ID = 2047;
/** Chunks held for missing ones, in all streams: each is an object, however few bytes it has. */
const MAX_HELD_CHUNKS = 20_000;
/** How often, in chunks, the held ones are counted. */
const AUDIT_INTERVAL = 1024;
/** Packets waiting while an earlier one is still being worked on. */
const MAX_INBOX = 1024;
/** werift's names for association states. */
const STATE = { closed: 1, established: 4, shutdownPending: 5 } as const;

/** Why an association ended. */
export type SctpCloseReason = "closed_by_peer" | "message_too_large" | "internal_error";

/** Told by an association in the order things happened; nothing comes after `onClosed`. */
export interface SctpListener {
  onEstablished(): void;
  /** One whole message. `bytes` may be kept. */
  onMessage(streamId: number, ppid: number, bytes: Uint8Array): void;
  /** Streams were reset by either side: their channels are closed (RFC 8831 §6.7). */
  onStreamsReset(streamIds: readonly number[]): void;
  onClosed(reason: SctpCloseReason): void;
}

export interface SctpAssociationOptions {
  /** From the peer's `a=sctp-port`. */
  readonly remotePort: number;
  /** Sends one packet as one DTLS record. */
  readonly sendPacket: (bytes: Uint8Array) => void;
  readonly listener: SctpListener;
  readonly drops: DropSink<TransportDrop>;
}

/** A message to send, with what to do when the stack has taken it. */
export interface OutgoingMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
  readonly ordered: boolean;
  readonly maxRetransmits?: number;
  readonly onTaken?: () => void;
}

/**
 * One association. Whatever the peer sends is counted or delivered and never thrown; memory is
 * bounded, and after its end no call comes and no timer is left.
 */
export class SctpAssociation {
  readonly #options: SctpAssociationOptions;
  readonly #sctp: RTCSctpTransport["sctp"];
  readonly #internals: SctpInternals;
  #inbox: Uint8Array[] = [];
  #reading = false;
  readonly #outbox = new OutboundLanes<OutgoingMessage>();
  /** Which messages are kept back; absent while reading goes on. */
  #holds: ((streamId: number, ppid: number) => boolean) | undefined;
  /** Whole messages kept back: the peer sees them in a smaller window. */
  #held: InboundMessage[] = [];
  #writing = false;
  #ended = false;
  #chunksSinceAudit = 0;

  constructor(options: SctpAssociationOptions) {
    this.#options = options;
    const transport = new RTCSctpTransport(LOCAL_SCTP_PORT, MAX_MESSAGE_BYTES);
    transport.setDtlsTransport(this.#fakeDtls());
    this.#sctp = transport.sctp;
    this.#internals = this.#sctp as unknown as SctpInternals;
    this.#listen();
    repairSctp(this.#internals);
    this.#sctp.isServer = true;
    this.#sctp.start(options.remotePort).catch(() => this.#end("internal_error"));
  }

  get established(): boolean {
    return !this.#ended && this.#internals.associationState === STATE.established;
  }

  /** Takes one packet, which may be kept. */
  receive(packet: Uint8Array): void {
    if (this.#ended) return;
    if (this.#inbox.length >= MAX_INBOX) return this.#options.drops.count("sctp_inbox_full");
    this.#inbox.push(packet);
    if (!this.#reading) this.#read();
  }

  /**
   * Queues a message; those that may be lost go before those that may not. Dropped if the
   * association has ended.
   */
  send(message: OutgoingMessage): void {
    if (this.#ended) return;
    this.#outbox.push(message, message.maxRetransmits !== undefined);
    this.#write();
  }

  /**
   * Keeps back the messages that `holds` names, until {@linkcode resume}. They stay in the receive
   * window, so a peer that goes on sending is stopped by it (RFC 9260 §6.2).
   */
  hold(holds: (streamId: number, ppid: number) => boolean): void {
    this.#holds = holds;
  }

  /** Hands over what was kept back and tells the peer of the room there is again. */
  resume(): void {
    this.#holds = undefined;
    const held = this.#held;
    let handedOver = 0;
    // What the listener does may be to hold again, or to end.
    while (handedOver < held.length && this.#holds === undefined && !this.#ended) {
      const [streamId, ppid, bytes] = held[handedOver++]!;
      this.#internals.advertisedRwnd += bytes.length;
      this.#options.listener.onMessage(streamId, ppid, new Uint8Array(bytes));
    }
    if (handedOver === 0 || this.#ended) return;
    this.#held = held.slice(handedOver);
    this.#internals.sackNeeded = true;
    this.#internals.sendSack().catch(() => {});
  }

  /** Asks the peer to close these streams' channels. */
  resetStreams(streamIds: readonly number[]): void {
    if (!this.established) return;
    for (const id of streamIds) {
      if (!this.#internals.reconfigQueue.includes(id)) this.#internals.reconfigQueue.push(id);
    }
    this.#internals.transmitReconfigRequest().catch(() => {});
  }

  /** Sends ABORT and ends. Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop();
  }

  #stop(): void {
    this.#inbox = [];
    this.#outbox.clear();
    this.#held = [];
    if (this.#internals.associationState !== STATE.closed) this.#internals.abort().catch(() => {});
    this.#internals.setState(STATE.closed); // clears every timer
  }

  #end(reason: SctpCloseReason): void {
    if (this.#ended) return;
    this.close();
    this.#options.listener.onClosed(reason);
  }

  /** What werift's SCTP transport wants of a DTLS transport. */
  #fakeDtls(): RTCSctpTransport["dtlsTransport"] {
    const fake = {
      id: "roomwire",
      onStateChange: { subscribe: () => ({ unSubscribe: () => {} }) },
      iceTransport: { role: "controlled" },
      dataReceiver: () => {},
      sendData: (bytes: Uint8Array) => {
        if (!this.#ended || bytes[12] === CHUNK_TYPE.abort) this.#options.sendPacket(bytes);
        return Promise.resolve();
      },
    };
    return fake as unknown as RTCSctpTransport["dtlsTransport"];
  }

  /** Takes the place of werift's own data channels as the listener of its SCTP. */
  #listen(): void {
    const sctp = this.#sctp;
    const { listener } = this.#options;
    for (const event of [sctp.onReceive, sctp.onReconfigStreams]) event.allUnsubscribe();
    for (const event of Object.values(sctp.stateChanged)) event.allUnsubscribe();
    sctp.onSackReceived = () => Promise.resolve();
    sctp.onReceive.subscribe((streamId: number, ppid: number, bytes: Buffer) => {
      if (this.#ended) return;
      if (bytes.length > MAX_MESSAGE_BYTES) return this.#end("message_too_large");
      if (this.#holds?.(streamId, ppid)) {
        this.#internals.advertisedRwnd -= bytes.length;
        this.#held.push([streamId, ppid, bytes]);
        return;
      }
      listener.onMessage(streamId, ppid, new Uint8Array(bytes));
    });
    sctp.onReconfigStreams.subscribe((ids: number[]) => {
      if (!this.#ended) listener.onStreamsReset(ids);
    });
    sctp.stateChanged.connected.subscribe(() => {
      if (this.#ended) return;
      listener.onEstablished();
      this.#write();
    });
    sctp.stateChanged.closed.subscribe(() => this.#end("closed_by_peer"));
  }

  /** One packet after the other: werift awaits in the middle of one. */
  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#inbox.length > 0) {
      const waiting = this.#inbox;
      this.#inbox = [];
      for (const bytes of waiting) {
        if (this.#ended) break;
        await this.#readPacket(bytes);
      }
    }
    this.#reading = false;
  }

  async #readPacket(bytes: Uint8Array): Promise<void> {
    const { drops } = this.#options;
    try {
      const packet = readSctpPacket(bytes);
      if (typeof packet === "string") return drops.count(packet);
      const refusal = this.#refusal(packet);
      if (refusal !== undefined) return drops.count(refusal);
      const view = packet.bytes;
      await this.#internals.handleData(Buffer.from(view.buffer, view.byteOffset, view.length));
      if (this.#ended) return;
      if (this.#internals.associationState >= STATE.shutdownPending) {
        return this.#end("closed_by_peer");
      }
      if (this.#hasOversizeMessage(packet) || this.#holdsTooMany(packet)) {
        this.#end("message_too_large");
      }
    } catch {
      drops.count("sctp_internal_error");
    }
  }

  /** Why the stack must not see this packet: claims that no honest peer makes in this state. */
  #refusal({ bytes, chunks }: SctpPacket): TransportDrop | undefined {
    const state = this.#internals;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const { type, at, length } of chunks) {
      if (type === CHUNK_TYPE.init) {
        if (chunks.length > 1) return "sctp_bad_chunk";
        // A late copy would set the receive state back.
        if (state.associationState === STATE.established) return "sctp_repeated_init";
      } else if (type === CHUNK_TYPE.data || type === CHUNK_TYPE.forwardTsn) {
        if (state.lastReceivedTsn === undefined) return "sctp_not_established";
        const tsn = view.getUint32(at + 4);
        if (tsnDistance(tsn, state.lastReceivedTsn) > MAX_TSN_AHEAD) return "sctp_tsn_too_far";
        if (type === CHUNK_TYPE.data) {
          if (view.getUint16(at + 8) > MAX_STREAM_ID) return "sctp_bad_stream";
          if (this.#overrunsWindow(tsn, length)) return "sctp_window_exceeded";
        } else if (!this.#namesGoodStreams(view, at + 8, at + length)) return "sctp_bad_stream";
      } else if (type === CHUNK_TYPE.sack && !this.#isSoundSack(view, at)) {
        return "sctp_bad_sack";
      }
    }
    return undefined;
  }

  #namesGoodStreams(view: DataView, from: number, to: number): boolean {
    for (let at = from; at < to; at += 4) if (view.getUint16(at) > MAX_STREAM_ID) return false;
    return true;
  }

  /** Now and then counts the chunks that wait, in all streams, for something that does not come. */
  #holdsTooMany({ chunks }: SctpPacket): boolean {
    this.#chunksSinceAudit += chunks.length;
    if (this.#chunksSinceAudit < AUDIT_INTERVAL) return false;
    this.#chunksSinceAudit = 0;
    const held = Object.values(this.#internals.inboundStreams)
      .reduce((sum, stream) => sum + stream.reassembly.length, 0);
    return held > MAX_HELD_CHUNKS;
  }

  /** A peer may exceed its window only with the chunk that everything else waits for. */
  #overrunsWindow(tsn: number, length: number): boolean {
    const { advertisedRwnd, lastReceivedTsn } = this.#internals;
    return advertisedRwnd < length && tsnDistance(tsn, lastReceivedTsn!) !== 1;
  }

  /**
   * Acknowledges only what was sent, in ascending blocks; werift walks through every number in
   * them.
   */
  #isSoundSack(view: DataView, at: number): boolean {
    const cumulative = view.getUint32(at + 4);
    const outstanding = tsnDistance(this.#internals.localTsn - 1, cumulative);
    if (outstanding < 0) return false;
    let previous = 0;
    for (let gap = 0; gap < view.getUint16(at + 12); gap++) {
      const start = view.getUint16(at + 16 + gap * 4);
      const end = view.getUint16(at + 18 + gap * 4);
      if (start <= previous || end < start || end > outstanding) return false;
      previous = end;
    }
    return true;
  }

  /** Whether fragments of one message that already exceed the limit are held for its end. */
  #hasOversizeMessage({ bytes, chunks }: SctpPacket): boolean {
    const held = RECEIVE_WINDOW_BYTES - this.#internals.advertisedRwnd;
    if (held <= MAX_MESSAGE_BYTES) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return chunks.some((chunk) =>
      chunk.type === CHUNK_TYPE.data && this.#holdsTooMuch(view.getUint16(chunk.at + 8))
    );
  }

  #holdsTooMuch(streamId: number): boolean {
    let size = 0;
    let expected = -1;
    for (
      const { tsn, flags, userData } of this.#internals.inboundStreams[streamId]?.reassembly ??
        []
    ) {
      if ((flags & FIRST_FRAGMENT) !== 0 || tsn !== expected) size = 0;
      size += userData.length;
      if (size > MAX_MESSAGE_BYTES) return true;
      if ((flags & LAST_FRAGMENT) !== 0) size = 0;
      expected = (tsn + 1) >>> 0;
    }
    return false;
  }

  /**
   * Gives the stack one message at a time: it slows down quadratically with messages that wait in
   * it.
   */
  async #write(): Promise<void> {
    if (this.#writing || !this.established) return;
    this.#writing = true;
    try {
      while (!this.#ended) {
        const message = this.#outbox.take();
        if (message === undefined) return;
        const { streamId, ppid, bytes, ordered, maxRetransmits } = message;
        await this.#sctp.send(streamId, ppid, Buffer.from(bytes), {
          ordered,
          ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
        });
        message.onTaken?.();
      }
    } catch {
      this.#end("internal_error");
    } finally {
      this.#writing = false;
    }
  }
}
