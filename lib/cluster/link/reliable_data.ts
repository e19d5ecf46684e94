/**
 * Data that must reach one other node, each message once and in order, also when the connection is
 * lost and made anew: it is kept until the other side has confirmed it.
 *
 * Order is that of each room. Rooms take turns, by bytes, and what each may keep is its own: one
 * that floods waits for itself.
 *
 * @module
 */
import type { PackedValue } from "../../wire/message_pack.ts";
import { encodeData, numberData } from "./link_frames.ts";
import { Turns, type Waiter } from "./turns.ts";

/** Beyond this senders of a room should wait, bytes… */
const CONGESTED_BYTES = 1024 * 1024;
/** …or beyond this part of what is left, so that a room that comes next always finds some. */
const CONGESTED_PART = 1 / 8;
/** Below this, or that part of where they had to wait, they may go on, bytes. */
const DRAINED_BYTES = 256 * 1024;
const DRAINED_PART = DRAINED_BYTES / CONGESTED_BYTES;
/**
 * What is kept for a node at most, bytes; one message may be larger. A room may keep as much as it
 * leaves to others: half of it if it is alone.
 */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** What a kept message costs besides its bytes. */
const MESSAGE_COST = 128;
/** The receiver confirms after so many bytes, and at each tick. */
export const ACK_BYTES = 64 * 1024;

/** What one room has for the other node. */
class RoomLine implements Waiter {
  had = 0;
  takesPart = false;
  isCongested = false;
  /** Kept, also of what has left. */
  bytes = 0;
  #waiting: Uint8Array[] = [];
  #first = 0;

  constructor(readonly name: string) {}

  get isWaiting(): boolean {
    return this.#first < this.#waiting.length;
  }

  push(message: Uint8Array): void {
    this.#waiting.push(message);
  }

  shift(): Uint8Array {
    const message = this.#waiting[this.#first++]!;
    if (2 * this.#first < this.#waiting.length) return message;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
    return message;
  }
}

/** A message that has left, and is kept until it is confirmed. */
interface KeptData {
  readonly number: number;
  readonly room: RoomLine;
  readonly message: Uint8Array;
}

/** What goes to one node. */
export class ReliableSender {
  /** Those of which something is kept, or that have had more than their share. */
  readonly #rooms = new Map<string, RoomLine>();
  readonly #turns = new Turns<RoomLine>((room) => this.#letGo(room));
  readonly #congested = new Set<RoomLine>();
  /** Has left over any connection, and is not confirmed, in order. */
  #kept: KeptData[] = [];
  /** Of all that waits or is kept. */
  #bytes = 0;
  /** Messages are numbered as they leave. */
  #lastNumber = 0;
  /** How many of those kept have left over this connection; nothing leaves while undefined. */
  #sent: number | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  isCongested(room: string): boolean {
    return this.#rooms.get(room)?.isCongested ?? false;
  }

  /** @returns Whether it was taken. */
  push(name: string, value: PackedValue): boolean {
    const room = this.#rooms.get(name) ?? new RoomLine(name);
    if (room.bytes + this.#bytes > MAX_KEPT_BYTES) return false;
    const message = encodeData(name, value);
    if (message === undefined) return false;
    this.#rooms.set(name, room);
    room.push(message);
    this.#turns.wait(room);
    this.#count(room, message, 1);
    if (room.bytes > this.#limit) {
      room.isCongested = true;
      this.#congested.add(room);
    }
    return true;
  }

  /** The next message to be sent over this connection. */
  next(): Uint8Array | undefined {
    if (this.#sent === undefined) return undefined;
    if (this.#sent < this.#kept.length) return this.#kept[this.#sent++]!.message;
    const room = this.#turns.next();
    if (room === undefined) return undefined;
    const message = room.shift();
    this.#turns.took(message.length + MESSAGE_COST);
    const number = ++this.#lastNumber;
    numberData(message, number);
    this.#kept.push({ number, room, message });
    this.#sent++;
    return message;
  }

  /** The connection is lost: nothing leaves until the other side has said what it has. */
  pause(): void {
    this.#sent = undefined;
  }

  /**
   * The other side has a new memory: what it may have had already does not come again.
   *
   * @returns As {@linkcode confirmed}.
   */
  forget(): readonly string[] {
    const drained = this.confirmed(this.#lastNumber);
    this.pause();
    return drained;
  }

  /**
   * The other side has everything up to `number`.
   *
   * @returns The rooms whose senders waited and may go on.
   */
  confirmed(number: number): readonly string[] {
    let count = 0;
    while (count < this.#kept.length && this.#kept[count]!.number <= number) {
      const { room, message } = this.#kept[count++]!;
      this.#count(room, message, -1);
      this.#letGo(room);
    }
    if (count > 0) this.#kept = this.#kept.slice(count);
    this.#sent = Math.max(0, (this.#sent ?? 0) - count);
    return this.#drained();
  }

  /** What a room may keep before its senders should wait, bytes. */
  get #limit(): number {
    return Math.min(CONGESTED_BYTES, (MAX_KEPT_BYTES - this.#bytes) * CONGESTED_PART);
  }

  /** Those that wait no longer. */
  #drained(): readonly string[] {
    const names: string[] = [];
    for (const room of this.#congested) {
      if (room.bytes > 0 && room.bytes > this.#limit * DRAINED_PART) continue;
      room.isCongested = false;
      this.#congested.delete(room);
      names.push(room.name);
    }
    return names;
  }

  #count(room: RoomLine, message: Uint8Array, by: 1 | -1): void {
    const bytes = by * (message.length + MESSAGE_COST);
    room.bytes += bytes;
    this.#bytes += bytes;
  }

  #letGo(room: RoomLine): void {
    if (room.bytes === 0 && !room.takesPart) this.#rooms.delete(room.name);
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
