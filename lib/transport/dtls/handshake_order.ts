/**
 * Puts handshake messages together from fragments and in order of `message_seq` (RFC 6347 §4.2.3).
 *
 * Contract: fragments may come in any order, twice, or overlapping; each message is given out once.
 * Memory is bounded: few messages ahead, few fragments each, 16 KiB a message, 32 KiB in all.
 *
 * @module
 */
import type { HandshakeFragment } from "./dtls_records.ts";

/** A certificate chain is the largest message; browsers' are under 1 KiB. */
const MAX_MESSAGE_BYTES = 16_384;
/** How far ahead of the next message one is kept: a client's flight has four. */
const MAX_AHEAD = 8;
/** Fragments kept for one message; a message of 16 KiB over an MTU of 1,200 needs 14. */
const MAX_FRAGMENTS = 32;

/** Bytes kept of all messages: the largest one, and what came early of the rest of its flight. */
const MAX_KEPT_BYTES = 32_768;

/** A whole handshake message. */
export interface HandshakeMessage {
  readonly type: number;
  readonly messageSeq: number;
  readonly body: Uint8Array;
}

interface PartialMessage {
  readonly type: number;
  readonly length: number;
  readonly fragments: { readonly offset: number; readonly bytes: Uint8Array }[];
}

/**
 * One peer's handshake messages, put together: each comes out once, whole, in order of
 * `message_seq`, and memory is bounded whatever comes.
 */
export class HandshakeOrder {
  /** `message_seq` of the next message to give out. */
  #next = 0;
  readonly #partial = new Map<number, PartialMessage>();
  #keptBytes = 0;

  get next(): number {
    return this.#next;
  }

  /** Starts over at `next`; what was kept for older messages is forgotten. */
  skipTo(next: number): void {
    this.#next = next;
    for (const seq of [...this.#partial.keys()]) if (seq < next) this.forget(seq);
  }

  /** Forgets what was kept for one message, so that a retransmission can be read afresh. */
  forget(messageSeq: number): void {
    for (const { bytes } of this.#partial.get(messageSeq)?.fragments ?? []) {
      this.#keptBytes -= bytes.length;
    }
    this.#partial.delete(messageSeq);
  }

  /**
   * Keeps a copy of a fragment. Returns `false` if it is too old, too far ahead, too large or odd.
   */
  push(fragment: HandshakeFragment): boolean {
    const { messageSeq, type, length, offset } = fragment;
    if (messageSeq < this.#next || messageSeq >= this.#next + MAX_AHEAD) return false;
    if (length > MAX_MESSAGE_BYTES) return false;
    let partial = this.#partial.get(messageSeq);
    if (partial === undefined) {
      partial = { type, length, fragments: [] };
      this.#partial.set(messageSeq, partial);
    }
    if (partial.type !== type || partial.length !== length) return false;
    const isKept = partial.fragments.some((kept) =>
      kept.offset === offset && kept.bytes.length >= fragment.bytes.length
    );
    if (isKept) return true; // a flight that is sent again
    this.#makeRoom(messageSeq, fragment.bytes.length);
    const isTooMuch = this.#keptBytes + fragment.bytes.length > MAX_KEPT_BYTES;
    if (isTooMuch || partial.fragments.length === MAX_FRAGMENTS) {
      // Never complete after so many: start over, the sender will send it again.
      this.forget(messageSeq);
      return false;
    }
    partial.fragments.push({ offset, bytes: fragment.bytes.slice() });
    this.#keptBytes += fragment.bytes.length;
    return true;
  }

  /** What comes later in the flight gives way, the last first. */
  #makeRoom(messageSeq: number, length: number): void {
    const later = [...this.#partial.keys()].filter((seq) => seq > messageSeq).sort((a, b) => a - b);
    while (this.#keptBytes + length > MAX_KEPT_BYTES && later.length > 0) this.forget(later.pop()!);
  }

  /** The message `messageSeq` if all its bytes are here; it stays until `skipTo` or `forget`. */
  peek(messageSeq: number): HandshakeMessage | undefined {
    const partial = this.#partial.get(messageSeq);
    if (partial === undefined) return undefined;
    const [first] = partial.fragments;
    if (first !== undefined && first.bytes.length === partial.length) {
      return { type: partial.type, messageSeq, body: first.bytes }; // whole, as most are
    }
    const ordered = partial.fragments.toSorted((a, b) => a.offset - b.offset);
    let covered = 0;
    for (const { offset, bytes } of ordered) {
      if (offset > covered) return undefined;
      covered = Math.max(covered, offset + bytes.length);
    }
    if (covered < partial.length) return undefined;
    const body = new Uint8Array(partial.length);
    for (const { offset, bytes } of ordered) body.set(bytes, offset);
    return { type: partial.type, messageSeq, body };
  }

  /** The next message, once it is complete; the one after it becomes the next. */
  take(): HandshakeMessage | undefined {
    const message = this.peek(this.#next);
    if (message !== undefined) this.skipTo(this.#next + 1);
    return message;
  }
}
