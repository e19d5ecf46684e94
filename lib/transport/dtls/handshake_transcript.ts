/**
 * All messages of a handshake that count for Finished, one behind the other (RFC 6347 §4.2.6).
 *
 * @module
 */
import type { HandshakeCrypto } from "../crypto/handshake_crypto.ts";

/** Room at first: a handshake with small certificates. */
const FIRST_BYTES = 2_048;

/** What both sides have said so far. */
export class HandshakeTranscript {
  readonly #crypto: HandshakeCrypto;
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  constructor(crypto: HandshakeCrypto) {
    this.#crypto = crypto;
  }

  /** Everything so far; valid until the next message. */
  get said(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Enters a whole message, in one fragment with its header. */
  add(message: Uint8Array): void {
    const length = this.#length + message.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.said);
      this.#bytes = larger;
    }
    this.#bytes.set(message, this.#length);
    this.#length = length;
  }

  /** SHA-256 of everything so far. */
  hash(): Uint8Array {
    return this.#crypto.sha256(this.said);
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0;
  }

  /** Nothing more will be said. */
  end(): void {
    this.#length = 0;
    this.#bytes = new Uint8Array(0);
  }
}
