/**
 * What waits to be sent over one connection, so that no more is given to its socket than it needs
 * to be busy: pings pass everything else, and the rest takes turns.
 *
 * Contract: ordered messages leave in order and whole, in parts between which others fit; a
 * datagram is refused, or leaves within {@linkcode MAX_DATAGRAM_AGE_MS}, or is dropped. What is
 * ordered and each kind of datagrams have a share of the connection each, counted in bytes, that
 * nothing else takes, however much of it there is and in whatever sizes; what some do not need, the
 * others have.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import type { DatagramKind } from "./link_ports.ts";

/** Bytes given to a socket and not taken by the network yet: a ping waits behind no more… */
export const SOCKET_WINDOW = 128 * 1024;
/** …nor, once it is known what the network takes, behind what that takes in so long, ms… */
const WINDOW_MS = 200;
/** …but for so many bytes. */
const LEAST_WINDOW = 16 * 1024;
/** It shrinks by no more at once: what waits is not to wait until all that is too much has left. */
const SHRINKING = 0.75;
/** What the network takes is measured over so long a time, ms, in which something always waits. */
const MEASURED_MS = 500;
/** A message that is longer leaves in parts. */
export const PART_BYTES = 32 * 1024;
/** Longer datagrams are refused. */
const MAX_DATAGRAM_BYTES = 96 * 1024;
/** What one message of the socket may be at most, sealed. */
export const MAX_SOCKET_MESSAGE_BYTES = MAX_DATAGRAM_BYTES + 1024;
/** Datagrams that waited longer are of no use any more, ms. */
export const MAX_DATAGRAM_AGE_MS = 500;
/** A kind is refused while more than this of it waits, bytes. */
const MAX_WAITING: Readonly<Record<DatagramKind, number>> = {
  levels: 64 * 1024,
  data: 256 * 1024,
  media: 1024 * 1024,
};
/** Shares of the connection where all wait: what matters least gives way first. */
const WEIGHTS = { ordered: 4, media: 4, data: 2, levels: 1 } as const;
/** What a part costs besides its bytes. */
const PART_COST = 64;

/** The socket below, which seals and sends one part. */
export interface PartOutlet {
  readonly bufferedAmount: number;
  transmit(head: number, payload: Uint8Array): void;
}

/** What a part is of its message: its first byte. */
export const PART = { whole: 0, more: 1, last: 2 } as const;

/** What waits of one kind: first in, first out, without moving what waits. */
class Line {
  /** Bytes that wait. */
  bytes = 0;
  /** What it has had of the connection, by its weight; see {@linkcode OutgoingQueue}. */
  had = 0;
  #items: (Waiting | undefined)[] = [];
  #head = 0;

  constructor(readonly weight: number) {}

  get first(): Waiting | undefined {
    return this.#items[this.#head];
  }

  push(item: Waiting): void {
    this.#items.push(item);
    this.bytes += item.message.length;
  }

  /** Leaves out the first, of which so many bytes have left before. */
  drop(sent = 0): void {
    this.bytes -= this.first!.message.length - sent;
    this.#items[this.#head++] = undefined;
    if (this.#head < 64 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

interface Waiting {
  readonly message: Uint8Array;
  readonly at: number;
}

/** What a socket was given and holds back. */
class SocketContents {
  /** Bytes of media among it. */
  media = 0;
  /** Bytes that it may hold back. */
  window = SOCKET_WINDOW;
  /** What was given to it last, of which the network may have taken the first. */
  #parts: { readonly bytes: number; readonly isMedia: boolean }[] = [];
  #first = 0;
  #bytes = 0;
  #given = 0;
  /** Since when something has always waited, and what the network had taken then. */
  #busySince: number | undefined;
  #takenBefore = 0;

  add(bytes: number, isMedia: boolean): void {
    this.#parts.push({ bytes, isMedia });
    this.#bytes += bytes;
    this.#given += bytes;
    if (isMedia) this.media += bytes;
  }

  /** Forgets what the network has taken. */
  keep(bufferedAmount: number): void {
    for (let part = this.#parts[this.#first]; part !== undefined; part = this.#parts[this.#first]) {
      if (this.#bytes - part.bytes < bufferedAmount) break;
      this.#bytes -= part.bytes;
      if (part.isMedia) this.media -= part.bytes;
      this.#first++;
    }
    if (2 * this.#first < this.#parts.length) return;
    this.#parts = this.#parts.slice(this.#first);
    this.#first = 0;
  }

  /** To be called while something waits: how far the window is to go. */
  measure(bufferedAmount: number, now: number): void {
    const taken = this.#given - bufferedAmount;
    const ms = now - (this.#busySince ??= this.#begin(taken, now));
    if (ms < MEASURED_MS) return;
    const bytes = (taken - this.#takenBefore) * WINDOW_MS / ms;
    const least = Math.max(LEAST_WINDOW, this.window * SHRINKING);
    this.window = Math.max(least, Math.min(SOCKET_WINDOW, bytes));
    this.#busySince = this.#begin(taken, now);
  }

  /** Little is there to be taken: what is taken now is not all that could be. */
  rest(): void {
    this.#busySince = undefined;
  }

  #begin(taken: number, now: number): number {
    this.#takenBefore = taken;
    return now;
  }
}

/**
 * The queue of one connection. Of the lines that wait the one goes on that has had least, by its
 * weight; who had nothing to send for a while has saved nothing up.
 */
export class OutgoingQueue {
  readonly #ordered = new Line(WEIGHTS.ordered);
  readonly #datagrams: Readonly<Record<DatagramKind, Line>> = {
    media: new Line(WEIGHTS.media),
    data: new Line(WEIGHTS.data),
    levels: new Line(WEIGHTS.levels),
  };
  readonly #lines = [...Object.values(this.#datagrams), this.#ordered];
  readonly #socket = new SocketContents();
  /** What the line that went on last had had. */
  #turn = 0;
  /** Bytes of the first ordered message that have left. */
  #sent = 0;

  constructor(readonly outlet: PartOutlet, readonly counters: DropSink<ClusterDrop>) {}

  /** Bytes that wait, those in the socket not counted. */
  get bytes(): number {
    return this.#lines.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Bytes that wait of what is ordered, those in the socket not counted. */
  get orderedBytes(): number {
    return this.#ordered.bytes;
  }

  /** Bytes of media that wait, those in the socket with them. */
  get mediaBytes(): number {
    this.#socket.keep(this.outlet.bufferedAmount);
    return this.#datagrams.media.bytes + this.#socket.media;
  }

  /** Sends before everything else; for what is small and rare. */
  pushUrgent(message: Uint8Array): void {
    this.#transmit(PART.whole, message, false);
  }

  pushOrdered(message: Uint8Array): void {
    this.#push(this.#ordered, message, 0);
  }

  /** @returns Whether there was room. */
  pushDatagram(kind: DatagramKind, message: Uint8Array, now: number): boolean {
    const line = this.#datagrams[kind];
    const bytes = line.bytes + message.length;
    if (bytes > MAX_WAITING[kind] || message.length > MAX_DATAGRAM_BYTES) {
      this.counters.count("link_datagram_shed");
      return false;
    }
    this.#push(line, message, now);
    return true;
  }

  /** Gives the socket what it can take. @returns Whether something still waits. */
  pump(now: number): boolean {
    this.#socket.measure(this.outlet.bufferedAmount, now);
    while (true) {
      const line = this.#next(now);
      if (line === undefined || !this.#fits(line)) break;
      this.#turn = line.had;
      const bytes = line === this.#ordered ? this.#sendPart() : this.#sendDatagram(line);
      line.had += (bytes + PART_COST) / line.weight;
    }
    if (this.bytes > 0) return true;
    if (this.outlet.bufferedAmount < this.#socket.window / 2) this.#socket.rest();
    return false;
  }

  #push(line: Line, message: Uint8Array, at: number): void {
    if (line.first === undefined) line.had = Math.max(line.had, this.#turn);
    line.push({ message, at });
  }

  /** The line whose turn it is. */
  #next(now: number): Line | undefined {
    let next: Line | undefined;
    for (const line of this.#lines) {
      if (line !== this.#ordered) this.#dropStale(line, now);
      if (line.first === undefined) continue;
      if (next === undefined || line.had < next.had) next = line;
    }
    return next;
  }

  #dropStale(line: Line, now: number): void {
    while (line.first !== undefined && now - line.first.at > MAX_DATAGRAM_AGE_MS) {
      line.drop();
      this.counters.count("link_datagram_stale");
    }
  }

  /** What is long leaves alone, so that what comes next does not wait for more than that. */
  #fits(line: Line): boolean {
    const { bufferedAmount } = this.outlet;
    const { length } = line.first!.message;
    const bytes = line === this.#ordered ? Math.min(PART_BYTES, length - this.#sent) : length;
    return bufferedAmount === 0 || bufferedAmount + bytes <= this.#socket.window;
  }

  #sendDatagram(line: Line): number {
    const { message } = line.first!;
    line.drop();
    this.#transmit(PART.whole, message, line === this.#datagrams.media);
    return message.length;
  }

  #sendPart(): number {
    const { message } = this.#ordered.first!;
    const part = message.subarray(this.#sent, this.#sent + PART_BYTES);
    const isLast = this.#sent + part.length === message.length;
    const head = !isLast ? PART.more : this.#sent === 0 ? PART.whole : PART.last;
    if (isLast) {
      this.#ordered.drop(this.#sent);
      this.#sent = 0;
    } else {
      this.#ordered.bytes -= part.length;
      this.#sent += part.length;
    }
    this.#transmit(head, part, false);
    return part.length;
  }

  #transmit(head: number, payload: Uint8Array, isMedia: boolean): void {
    this.outlet.transmit(head, payload);
    this.#socket.add(payload.length, isMedia);
    this.#socket.keep(this.outlet.bufferedAmount);
  }
}
