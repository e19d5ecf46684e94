/**
 * One socket between two nodes that know each other, from the proof to its end: frames sealed and
 * in parts, pings, and whether the other side still lives and reads.
 *
 * Contract: frames are told in the order they were sent, and none after the end; the end is told
 * once, and not if it was asked for by {@linkcode LinkConnection.close}.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import {
  encodeFrame,
  type LinkFrame,
  MAX_MESSAGE_BYTES,
  readFrame,
  writeFrame,
} from "./link_frames.ts";
import type { EstablishedLink } from "./link_handshake.ts";
import type { DatagramKind } from "./link_ports.ts";
import { LINK_CLOSE, type LinkSocket } from "./link_socket.ts";
import { OutgoingQueue, PART } from "./outgoing_queue.ts";

/** Between two pings, ms. */
export const PING_MS = 500;
/** Without anything from the other side for so long it is gone, ms. */
const DEAD_MS = 2_000;
/** A connection that is so far behind, bytes, for so long, ms, is begun anew. */
const MAX_BEHIND = 8 * 1024 * 1024;
const MAX_BEHIND_MS = 5_000;
/** What no connection may hold for even a moment, bytes. */
const MAX_QUEUE = 4 * MAX_BEHIND;
/** Parts of one message, which nodes make 32 KiB long: each costs something besides its bytes. */
const MAX_PARTS = 4_096;
/** While something waits the socket is asked again so often, ms. */
const PUMP_MS = 5;
/** Weight of the newest round trip in the smoothed one. */
const RTT_WEIGHT = 1 / 8;

/** Why a connection ended, for logs and for whoever dials again. */
export type LinkEnd = "closed" | "double" | "dead" | "slow" | "protocol";

/** Whom a connection tells. */
export interface ConnectionListener {
  /** @param bytes Its length. */
  onFrame(frame: LinkFrame, bytes: number): void;
  /** There is room for more; comes again and again while there is nothing to send. */
  onRoom(): void;
  onTick(now: number): void;
  onEnd(reason: LinkEnd): void;
}

/** A live connection. */
export class LinkConnection {
  readonly upAt: number;
  #rttMs: number | undefined;
  readonly #queue: OutgoingQueue;
  /** Parts of a message that is not whole yet. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #heardAt: number;
  #tickAt: number;
  #behindSince: number | undefined;
  #cancelTick: Cancel;
  #cancelPump: Cancel | undefined;
  #hasEnded = false;

  constructor(
    readonly link: EstablishedLink,
    readonly socket: LinkSocket,
    readonly platform: Platform,
    readonly counters: DropSink<ClusterDrop>,
    readonly listener: ConnectionListener,
  ) {
    const { clock, timers } = platform;
    this.upAt = this.#heardAt = clock.now();
    this.#tickAt = this.upAt + PING_MS;
    this.#queue = new OutgoingQueue({
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      transmit: (head, payload) => this.#transmit(head, payload),
    }, counters);
    this.#cancelTick = timers.after(PING_MS, () => this.#tick());
    socket.onMessage = (data) => this.#receive(data);
    socket.onClose = () => this.#end("closed");
  }

  get id(): string {
    return this.link.id;
  }

  /** Smoothed, ms. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Bytes that wait of what is sent in order, those in the socket not counted. */
  get orderedBytes(): number {
    return this.#queue.orderedBytes;
  }

  /** Bytes of media that wait, those in the socket with them. */
  get mediaBytes(): number {
    return this.#queue.mediaBytes;
  }

  /** Bytes that wait, those in the socket with them. */
  get waitingBytes(): number {
    return this.#queue.bytes + this.#queue.outlet.bufferedAmount;
  }

  /** Sends in order. @returns Whether it can be said at all. */
  send(frame: LinkFrame): boolean {
    const message = encodeFrame(frame);
    if (message === undefined) this.counters.count("link_message_unsendable");
    else this.sendEncoded(message);
    return message !== undefined;
  }

  /** The same with what `encodeFrame` gave. */
  sendEncoded(message: Uint8Array): void {
    if (this.#hasEnded) return;
    this.#queue.pushOrdered(message);
    if (this.#queue.bytes > MAX_QUEUE) return this.#fail("slow");
    this.#pump();
  }

  /** Sends what may get lost. @returns Whether it was taken. */
  sendDatagram(of: DatagramKind, message: Uint8Array): boolean {
    if (this.#hasEnded) return false;
    const taken = this.#queue.pushDatagram(of, message, this.platform.clock.now());
    if (taken) this.#pump();
    return taken;
  }

  /** Asks for {@linkcode ConnectionListener.onRoom}, never from within. */
  awaitRoom(): void {
    if (!this.#hasEnded) this.#cancelPump ??= this.platform.timers.after(0, () => this.#pumped());
  }

  /** Ends the connection, and tells nobody here. Idempotent. */
  close(reason: LinkEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cancelTick();
    this.#cancelPump?.();
    this.#parts = [];
    this.socket.close(codeOf(reason), reason);
  }

  /** In a turn of its own: whoever sends does not expect to be told of the end from within. */
  #fail(reason: LinkEnd): void {
    this.close(reason);
    this.platform.timers.after(0, () => this.listener.onEnd(reason));
  }

  #end(reason: LinkEnd): void {
    if (this.#hasEnded) return;
    this.close(reason);
    this.listener.onEnd(reason);
  }

  #transmit(head: number, payload: Uint8Array): void {
    this.socket.send(this.link.outgoing.seal(HEADS[head]!, payload));
  }

  #pump(): void {
    if (!this.#queue.pump(this.platform.clock.now())) return;
    this.#cancelPump ??= this.platform.timers.after(PUMP_MS, () => this.#pumped());
  }

  #pumped(): void {
    this.#cancelPump = undefined;
    this.#pump();
    this.listener.onRoom();
  }

  #receive(data: Uint8Array | string): void {
    if (this.#hasEnded) return;
    this.#heardAt = this.platform.clock.now();
    const part = typeof data === "string" ? undefined : this.link.incoming.open(data);
    if (part === undefined || part.length === 0) return this.#makesNoSense();
    const message = this.#join(part);
    if (message === "none") return;
    const frame = message && readFrame(message);
    if (message === undefined || frame === undefined) return this.#makesNoSense();
    if (frame === "unknown") return this.counters.count("link_frame_unknown");
    this.#heard(frame, message.length);
  }

  /** The message that `part` completes; `none` if it does not, `undefined` if it has no place. */
  #join(part: Uint8Array): Uint8Array | "none" | undefined {
    const payload = part.subarray(1);
    if (part[0] === PART.whole) return payload;
    if (part[0] !== PART.more && part[0] !== PART.last) return undefined;
    this.#parts.push(payload);
    this.#partBytes += payload.length;
    if (payload.length === 0 || this.#partBytes > MAX_MESSAGE_BYTES) return undefined;
    if (this.#parts.length > MAX_PARTS) return undefined;
    if (part[0] === PART.more) return "none";
    const whole = joinBytes(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    return whole;
  }

  #heard(frame: LinkFrame, bytes: number): void {
    if (frame.kind === "ping") {
      return this.#queue.pushUrgent(writeFrame({ kind: "pong", sentAt: frame.sentAt }));
    }
    if (frame.kind !== "pong") return this.listener.onFrame(frame, bytes);
    const rttMs = Math.max(0, this.platform.clock.now() - frame.sentAt);
    this.#rttMs = this.#rttMs === undefined
      ? rttMs
      : this.#rttMs + (rttMs - this.#rttMs) * RTT_WEIGHT;
  }

  #makesNoSense(): void {
    this.counters.count("link_frame_unreadable");
    this.#end("protocol");
  }

  #tick(): void {
    const now = this.platform.clock.now();
    // While this process stood still it could not hear anything either.
    this.#heardAt += Math.max(0, now - this.#tickAt);
    this.#tickAt = now + PING_MS;
    if (now - this.#heardAt >= DEAD_MS) {
      this.counters.count("link_dead");
      return this.#end("dead");
    }
    if (this.#queue.bytes <= MAX_BEHIND) this.#behindSince = undefined;
    else this.#behindSince ??= now;
    if (this.#behindSince !== undefined && now - this.#behindSince >= MAX_BEHIND_MS) {
      this.counters.count("link_too_slow");
      return this.#end("slow");
    }
    if (this.link.outgoing.isSpent) return this.#end("closed");
    this.#queue.pushUrgent(writeFrame({ kind: "ping", sentAt: now }));
    this.#cancelTick = this.platform.timers.after(PING_MS, () => this.#tick());
    this.listener.onTick(now);
  }
}

/** First bytes of parts, ready to be sealed. */
const HEADS: readonly Uint8Array[] = [PART.whole, PART.more, PART.last].map((head) =>
  Uint8Array.of(head)
);

function codeOf(reason: LinkEnd): number {
  switch (reason) {
    case "double":
      return LINK_CLOSE.double;
    case "dead":
      return LINK_CLOSE.dead;
    case "slow":
      return LINK_CLOSE.slow;
    case "protocol":
      return LINK_CLOSE.protocol;
    case "closed":
      return LINK_CLOSE.done;
  }
}
