/**
 * Flights of a handshake: messages that are sent together, again and again, until the peer's next
 * flight shows that they came (RFC 6347 §4.2.4).
 *
 * Contract: a record number is never used twice, in a repeated flight neither, which a peer's
 * replay window would drop. After `end` nothing is sent and no timer is left.
 *
 * @module
 */
import type { Cancel, Timers } from "../../base/platform.ts";
import type { HandshakeOwner } from "./dtls_handshake.ts";
import type { DtlsRecordSeal } from "./dtls_record_seal.ts";
import { CONTENT_TYPE, HANDSHAKE_TYPE, packDatagrams, writeRecord } from "./dtls_records.ts";

/** First wait before a flight is sent again; doubles up to the second number. */
const RETRANSMIT_MS = 200;
const MAX_RETRANSMIT_MS = 2000;

/** A whole message; Finished alone is sealed, and follows ChangeCipherSpec. */
export interface FlightMessage {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** One side's flights. */
export class HandshakeFlight {
  readonly #owner: HandshakeOwner;
  readonly #timers: Timers;
  #messages: readonly FlightMessage[] = [];
  /** Seals Finished. */
  #records: DtlsRecordSeal | undefined;
  /** Next epoch-0 record number of ours. */
  #plainSequence = 0;
  #cancel: Cancel | undefined;

  constructor(owner: HandshakeOwner, timers: Timers) {
    this.#owner = owner;
    this.#timers = timers;
  }

  /** A record of epoch 0 under the next number. */
  plain(type: number, body: Uint8Array): Uint8Array {
    return writeRecord(type, 0, this.#plainSequence++, body);
  }

  /**
   * Sends a flight, and again after a while, then after longer and longer; replaces what ran
   * before.
   *
   * @param records What seals, if Finished is in it.
   * @param firstMs The first wait.
   */
  start(
    messages: readonly FlightMessage[],
    records?: DtlsRecordSeal,
    firstMs: number = RETRANSMIT_MS,
  ): void {
    this.#set(messages, records);
    this.#repeatAfter(firstMs); // first, as the answer may come within the call that sends
    this.repeat();
  }

  /** Sends a flight that is repeated only when asked for. */
  once(messages: readonly FlightMessage[], records?: DtlsRecordSeal): void {
    this.#set(messages, records);
    this.repeat();
  }

  /** Sends the flight again, in new records. */
  repeat(): void {
    const records: Uint8Array[] = [];
    for (const { type, bytes } of this.#messages) {
      if (type !== HANDSHAKE_TYPE.finished) {
        records.push(this.plain(CONTENT_TYPE.handshake, bytes));
        continue;
      }
      records.push(this.plain(CONTENT_TYPE.changeCipherSpec, Uint8Array.of(1)));
      const sealed = this.#records?.seal(CONTENT_TYPE.handshake, bytes);
      if (sealed !== undefined) records.push(sealed);
    }
    for (const datagram of packDatagrams(records)) this.#owner.send(datagram);
  }

  /** It came: it is not repeated by itself any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Forgets everything. Idempotent. */
  end(): void {
    this.stop();
    this.#messages = [];
    this.#records = undefined;
  }

  #set(messages: readonly FlightMessage[], records: DtlsRecordSeal | undefined): void {
    this.stop();
    this.#messages = messages;
    this.#records = records;
  }

  #repeatAfter(delayMs: number): void {
    this.#cancel = this.#timers.after(delayMs, () => {
      this.#repeatAfter(Math.min(delayMs * 2, MAX_RETRANSMIT_MS));
      this.#owner.guarded(() => this.repeat());
    });
  }
}
