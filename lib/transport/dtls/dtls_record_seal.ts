/**
 * Seals the records of epoch 1 where they leave and opens them in place (RFC 6347 §4.1.2, RFC 5288
 * §3).
 *
 * Contract: a sequence number is never used twice under one key, and when there is none left
 * nothing is sealed any more; what is not authentic does not open. Per record nothing is allocated
 * where the ciphers do not. Whether a number was seen before is asked elsewhere.
 *
 * @module
 */
import {
  RECORD_CONTENT_AT,
  RECORD_OVERHEAD_BYTES,
  RECORD_TAG_BYTES,
  type RecordCipher,
  type RecordCipherFactory,
  type RecordKey,
} from "../crypto/record_cipher.ts";
import {
  MAX_PLAINTEXT_BYTES,
  RECORD_HEADER_BYTES,
  SEQUENCE_LIMIT,
  writeRecordHeader,
} from "./dtls_records.ts";

/** The only one that is sealed, as there is no renegotiation. */
const EPOCH = 1;

/**
 * Keys and numbers of one direction pair. No number is used twice; a record that is not authentic
 * does not open. Holds its ciphers until `close`, after which it does neither.
 */
export class DtlsRecordSeal {
  readonly #sealer: RecordCipher;
  readonly #opener: RecordCipher;
  /** Next sequence number of ours. */
  #sequence = 0;

  constructor(local: RecordKey, remote: RecordKey, factory: RecordCipherFactory) {
    this.#sealer = factory(local);
    try {
      this.#opener = factory(remote);
    } catch (error) {
      this.#sealer.close();
      throw error;
    }
  }

  /** Goes on from `sequence`, if numbers up to there were used by others. */
  skipTo(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence);
  }

  /** A whole record around a copy of `body`; `undefined` if it cannot be sealed. */
  seal(type: number, body: Uint8Array): Uint8Array | undefined {
    const record = new Uint8Array(RECORD_CONTENT_AT + body.length + RECORD_TAG_BYTES);
    return this.sealInto(record, type, body, 0, body.length) > 0 ? record : undefined;
  }

  /**
   * Makes a record around `source[sourceAt, sourceAt + length)`, which is only read, in `out` from
   * index 0 on.
   *
   * @returns Its length, or 0 if it has no room or number.
   */
  sealInto(
    out: Uint8Array,
    type: number,
    source: Uint8Array,
    sourceAt: number,
    length: number,
  ): number {
    const end = RECORD_CONTENT_AT + length + RECORD_TAG_BYTES;
    const fits = length >= 0 && length <= MAX_PLAINTEXT_BYTES && end <= out.length;
    if (!fits || this.#sequence >= SEQUENCE_LIMIT) return 0;
    writeRecordHeader(out, type, EPOCH, this.#sequence++, length + RECORD_OVERHEAD_BYTES);
    // The explicit part of the nonce is epoch and sequence number, as they stand in the header.
    for (let i = 0; i < 8; i++) out[RECORD_HEADER_BYTES + i] = out[3 + i]!;
    return this.#sealer.seal(out, 0, source, sourceAt, length) ? end : 0;
  }

  /**
   * Opens the record `bytes[at, end)` of the peer's. Its content then stands from
   * `at + `{@linkcode RECORD_CONTENT_AT} on.
   *
   * @returns The content's length, or -1 if it is not authentic.
   */
  open(bytes: Uint8Array, at: number, end: number): number {
    const length = end - at - RECORD_CONTENT_AT - RECORD_TAG_BYTES;
    return length >= 0 && this.#opener.open(bytes, at, length) ? length : -1;
  }

  /** Lets go of the keys. Idempotent. */
  close(): void {
    this.#sealer.close();
    this.#opener.close();
  }
}
