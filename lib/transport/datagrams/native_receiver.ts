/**
 * The receiving half of a UDP socket over the C library: whole batches by `recvmmsg`, drained as
 * far as one turn may take.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { Errno, type Libc, MSG_DONTWAIT } from "./libc.ts";
import { isSackRecord } from "./sack_record.ts";
import { NAME_WORDS, type SocketAddress, type SocketAddressTable } from "./socket_address.ts";
import { RECEIVE_BATCH, ReceiveMessages } from "./socket_messages.ts";

/** A turn of the event loop ends after so many received batches or sent datagrams: about 10 ms. */
const TURN_BATCHES = 8;
const TURN_SENDS = 4096;

/** What a receiver needs. */
export interface NativeReceiverOptions {
  readonly libc: Libc;
  readonly drops: DropSink<TransportDrop>;
  /** Of the socket. */
  readonly addresses: SocketAddressTable;
  /** Takes each datagram; as `Datagrams` has it. */
  readonly deliver: (bytes: Uint8Array, length: number, remote: SocketAddress) => void;
  /** After each batch, and after those in which nothing was. */
  readonly endBatch: () => void;
  /** Datagrams sent since the start: what is received may lead to many. */
  readonly sent: () => number;
}

/** Receives for one thread, from one socket or from several of one family. */
export class NativeReceiver {
  readonly #options: NativeReceiverOptions;
  readonly #incoming = new ReceiveMessages();
  /** Which of a batch are acknowledgements; what was delivered may have been written into. */
  readonly #sackAt = new Uint8Array(RECEIVE_BATCH);
  #received = 0;
  #sacks = 0;
  #isClosed = false;

  constructor(options: NativeReceiverOptions) {
    this.#options = options;
  }

  /**
   * Receives what is there, or as much of it as one turn may take.
   *
   * @returns Whether there may be more.
   */
  drain(fd: number): boolean {
    const { endBatch, sent } = this.#options;
    const sentBefore = sent();
    for (let batch = 0; batch < TURN_BATCHES; batch++) {
      if (this.#isClosed) return false;
      const count = this.#receiveBatch(fd);
      endBatch();
      if (count < RECEIVE_BATCH) return false;
      if (sent() - sentBefore >= TURN_SENDS) return true;
    }
    return true;
  }

  /** The same for a loop, which comes again by itself. @returns How many were delivered. */
  receiveTurn(fd: number): number {
    const before = this.#received;
    this.#sacks = 0;
    this.drain(fd);
    return this.#received - before;
  }

  /** How many SACKs were among what the last {@linkcode NativeReceiver.receiveTurn} delivered. */
  get sacks(): number {
    return this.#sacks;
  }

  /** Nothing more is delivered, also of what was received already. */
  close(): void {
    this.#isClosed = true;
  }

  /** @returns How many datagrams were there; 0 also after an error. */
  #receiveBatch(fd: number): number {
    const { libc, drops } = this.#options;
    const incoming = this.#incoming;
    const { pointer } = incoming;
    const count = libc.recvmmsg(fd, pointer, RECEIVE_BATCH, MSG_DONTWAIT, null);
    if (count < 0) {
      const errno = libc.errno();
      const isNothing = errno === Errno.EAGAIN || errno === Errno.EINTR;
      if (!isNothing) drops.count("udp_receive_failed");
      return 0;
    }
    let sacks = 0;
    const sackAt = this.#sackAt;
    for (let i = 0; i < count && !this.#isClosed; i++) {
      if (incoming.isCut(i)) drops.count("udp_received_too_long");
      else if (isSackRecord(incoming.views[i]!, incoming.lengthOf(i))) sackAt[sacks++] = i;
      else this.#deliver(i);
    }
    this.#sacks += sacks;
    // The last one first: with it, those that it overtakes need not be opened.
    while (sacks > 0 && !this.#isClosed) this.#deliver(sackAt[--sacks]!);
    return count;
  }

  #deliver(message: number): void {
    const { addresses, deliver } = this.#options;
    const incoming = this.#incoming;
    const address = addresses.find(incoming.names, message * NAME_WORDS);
    this.#received++;
    deliver(incoming.views[message]!, incoming.lengthOf(message), address);
  }
}
