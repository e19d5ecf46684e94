/**
 * Data that must reach one other node, each message once and in order, also when the connection is
 * lost and made anew: it is kept until the other side has confirmed it.
 *
 * @module
 */
import type { PackedValue } from "../../wire/message_pack.ts";
import { encodeFrame } from "./link_frames.ts";

/** Beyond this senders should wait, bytes. */
const CONGESTED_BYTES = 1024 * 1024;
/** Below this they may go on, bytes. */
const DRAINED_BYTES = 256 * 1024;
/** What is kept for a node at most, bytes; one message may be larger. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;
/** What a kept message costs besides its bytes. */
const MESSAGE_COST = 128;
/** The receiver confirms after so many bytes, and at each tick. */
export const ACK_BYTES = 64 * 1024;

interface KeptData {
  readonly number: number;
  readonly message: Uint8Array;
}

/** What goes to one node. */
export class ReliableSender {
  /** Not confirmed, in order. */
  #kept: KeptData[] = [];
  #bytes = 0;
  #lastNumber = 0;
  /** How many of those kept have left over this connection; nothing leaves while undefined. */
  #sent: number | undefined;
  /** Number of the last that has left over any connection. */
  #everSent = 0;
  #congested = false;

  get isCongested(): boolean {
    return this.#congested;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns Whether it was taken. */
  push(room: string, value: PackedValue): boolean {
    if (this.#bytes > MAX_KEPT_BYTES) return false;
    const number = this.#lastNumber + 1;
    const message = encodeFrame({ kind: "data", number, room, value });
    if (message === undefined) return false;
    this.#lastNumber = number;
    this.#kept.push({ number, message });
    this.#bytes += message.length + MESSAGE_COST;
    this.#congested ||= this.#bytes > CONGESTED_BYTES;
    return true;
  }

  /** The next message to be sent over this connection. */
  next(): Uint8Array | undefined {
    if (this.#sent === undefined) return undefined;
    const next = this.#kept[this.#sent];
    if (next === undefined) return undefined;
    this.#sent++;
    this.#everSent = Math.max(this.#everSent, next.number);
    return next.message;
  }

  /** The connection is lost: nothing leaves until the other side has said what it has. */
  pause(): void {
    this.#sent = undefined;
  }

  /**
   * The other side has a new memory: what it may have had already does not come again.
   *
   * @returns Whether senders that waited may go on.
   */
  forget(): boolean {
    const isDrained = this.confirmed(this.#everSent);
    this.pause();
    return isDrained;
  }

  /**
   * The other side has everything up to `number`.
   *
   * @returns Whether senders that waited may go on.
   */
  confirmed(number: number): boolean {
    let count = 0;
    while (count < this.#kept.length && this.#kept[count]!.number <= number) {
      this.#bytes -= this.#kept[count]!.message.length + MESSAGE_COST;
      count++;
    }
    if (count > 0) this.#kept = this.#kept.slice(count);
    this.#sent = Math.max(0, (this.#sent ?? 0) - count);
    if (!this.#congested || this.#bytes > DRAINED_BYTES) return false;
    this.#congested = false;
    return true;
  }
}

/** What comes from one node. */
export class ReliableReceiver {
  #last = 0;
  #unconfirmedBytes = 0;
  #confirmed = 0;
  /** Nothing has come since the other side began anew, so any number may be the first. */
  #isFresh = true;

  /** Everything up to this number has come. */
  get last(): number {
    return this.#last;
  }

  /** What a message with this number is. */
  receive(number: number, bytes: number): "next" | "repeated" | "after_loss" {
    if (number <= this.#last) return "repeated";
    const inOrder = this.#isFresh || number === this.#last + 1;
    this.#isFresh = false;
    this.#last = number;
    this.#unconfirmedBytes += bytes;
    return inOrder ? "next" : "after_loss";
  }

  /** The number to be confirmed now, if it is time. */
  due(atLeastBytes: number): number | undefined {
    if (this.#confirmed === this.#last || this.#unconfirmedBytes < atLeastBytes) return undefined;
    return this.confirm();
  }

  /** The number to be confirmed, whether or not it was before. */
  confirm(): number {
    this.#unconfirmedBytes = 0;
    return this.#confirmed = this.#last;
  }

  /** The other side has a new memory. */
  reset(): void {
    this.#last = this.#confirmed = this.#unconfirmedBytes = 0;
    this.#isFresh = true;
  }
}
