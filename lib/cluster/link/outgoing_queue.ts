/**
 * What waits to be sent over one connection, so that no more is given to its socket than it needs
 * to be busy: pings pass everything else, and what may get lost gives way to what may not.
 *
 * Contract: ordered messages leave in order and whole, in parts between which others fit; a
 * datagram is refused, or leaves within {@linkcode MAX_DATAGRAM_AGE_MS}, or is dropped.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import type { DatagramKind } from "./link_ports.ts";

/** Bytes given to a socket and not taken by the network yet: a ping waits behind no more. */
export const SOCKET_WINDOW = 128 * 1024;
/** A message that is longer leaves in parts. */
export const PART_BYTES = 32 * 1024;
/** Longer datagrams are refused. */
const MAX_DATAGRAM_BYTES = 96 * 1024;
/** What one message of the socket may be at most, sealed. */
export const MAX_SOCKET_MESSAGE_BYTES = MAX_DATAGRAM_BYTES + 1024;
/** Datagrams that waited longer are of no use any more, ms. */
export const MAX_DATAGRAM_AGE_MS = 500;
/** A kind is refused while more than this waits, bytes: what matters least gives way first. */
const MAX_BEHIND: Readonly<Record<DatagramKind, number>> = {
  levels: 64 * 1024,
  data: 256 * 1024,
  media: 1024 * 1024,
};

/** The socket below, which seals and sends one part. */
export interface PartOutlet {
  readonly bufferedAmount: number;
  transmit(head: number, payload: Uint8Array): void;
}

/** What a part is of its message: its first byte. */
export const PART = { whole: 0, more: 1, last: 2 } as const;

interface Datagram {
  readonly message: Uint8Array;
  readonly at: number;
}

/** First in, first out, without moving what waits. */
class Line<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  drop(): void {
    this.#items[this.#head++] = undefined;
    if (this.#head < 64 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

/** The queue of one connection. */
export class OutgoingQueue {
  readonly #ordered = new Line<Uint8Array>();
  readonly #datagrams = new Line<Datagram>();
  /** Bytes of the first ordered message that have left. */
  #sent = 0;
  #orderedBytes = 0;
  #datagramBytes = 0;

  constructor(readonly outlet: PartOutlet, readonly counters: DropSink<ClusterDrop>) {}

  /** Bytes that wait, those in the socket not counted. */
  get bytes(): number {
    return this.#orderedBytes + this.#datagramBytes;
  }

  /** Sends before everything else; for what is small and rare. */
  pushUrgent(message: Uint8Array): void {
    this.outlet.transmit(PART.whole, message);
  }

  pushOrdered(message: Uint8Array): void {
    this.#ordered.push(message);
    this.#orderedBytes += message.length;
  }

  /** @returns Whether there was room. */
  pushDatagram(kind: DatagramKind, message: Uint8Array, now: number): boolean {
    const behind = this.bytes + this.outlet.bufferedAmount;
    if (behind > MAX_BEHIND[kind] || message.length > MAX_DATAGRAM_BYTES) {
      this.counters.count("link_datagram_shed");
      return false;
    }
    this.#datagrams.push({ message, at: now });
    this.#datagramBytes += message.length;
    return true;
  }

  /** Gives the socket what it can take. @returns Whether something still waits. */
  pump(now: number): boolean {
    while (this.outlet.bufferedAmount < SOCKET_WINDOW) {
      const hasDatagram = this.#pumpDatagram(now);
      const hasPart = this.#pumpPart();
      if (!hasDatagram && !hasPart) return false;
    }
    return this.bytes > 0;
  }

  #pumpDatagram(now: number): boolean {
    for (let next = this.#datagrams.first; next !== undefined; next = this.#datagrams.first) {
      this.#datagrams.drop();
      this.#datagramBytes -= next.message.length;
      if (now - next.at <= MAX_DATAGRAM_AGE_MS) {
        this.outlet.transmit(PART.whole, next.message);
        return true;
      }
      this.counters.count("link_datagram_stale");
    }
    return false;
  }

  #pumpPart(): boolean {
    const message = this.#ordered.first;
    if (message === undefined) return false;
    const part = message.subarray(this.#sent, this.#sent + PART_BYTES);
    const isLast = this.#sent + part.length === message.length;
    const head = !isLast ? PART.more : this.#sent === 0 ? PART.whole : PART.last;
    this.#sent += part.length;
    this.#orderedBytes -= part.length;
    if (isLast) {
      this.#ordered.drop();
      this.#sent = 0;
    }
    this.outlet.transmit(head, part);
    return true;
  }
}
