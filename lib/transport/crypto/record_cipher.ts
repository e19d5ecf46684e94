/**
 * The cipher port of DTLS 1.2 records: AES-128-GCM (RFC 5288 §3), one record at a time, in place.
 * It is the cipher of every suite that our handshakes agree on.
 *
 * Contract: a cipher knows one direction's key; numbers, replay and content types are the session's
 * (`dtls_record_seal.ts`). Calls are synchronous, keep no reference to a record, touch only the
 * record, and never throw; arguments that reach beyond `bytes` are refused. A failed `open` may
 * leave the record's content changed.
 *
 * @module
 */

/** Type, version, epoch, sequence number and length (RFC 6347 §4.1). */
export const RECORD_HEADER_BYTES = 13;
const EXPLICIT_NONCE_BYTES = 8;
/** From a record's start to its content: the header, and the part of the nonce that it carries. */
export const RECORD_CONTENT_AT = RECORD_HEADER_BYTES + EXPLICIT_NONCE_BYTES;
/** Behind the content. */
export const RECORD_TAG_BYTES = 16;
/** What sealing adds to a record's body. */
export const RECORD_OVERHEAD_BYTES = EXPLICIT_NONCE_BYTES + RECORD_TAG_BYTES;

export const RECORD_KEY_BYTES = 16;
export const RECORD_SALT_BYTES = 4;
export const RECORD_NONCE_BYTES = RECORD_SALT_BYTES + EXPLICIT_NONCE_BYTES;
/** What is only authenticated (RFC 5246 §6.2.3.3). */
export const RECORD_DATA_BYTES = 13;

/** One direction's key of AES-128-GCM. */
export interface RecordKey {
  /** {@linkcode RECORD_KEY_BYTES}. */
  readonly key: Uint8Array;
  /** The four bytes of the nonce that stay. */
  readonly salt: Uint8Array;
}

/**
 * One direction's cipher. A record begins at `at`, where its header, whose length field is not
 * read, and its explicit nonce stand; `length` bytes of content follow, and the tag.
 */
export interface RecordCipher {
  /**
   * Encrypts the content out of `source[sourceAt, sourceAt + length)`, which is the same as copying
   * it, and writes the tag. The source may be where the content belongs; else it must not overlap
   * `bytes`. Returns whether it did.
   */
  seal(
    bytes: Uint8Array,
    at: number,
    source: Uint8Array,
    sourceAt: number,
    length: number,
  ): boolean;
  /** Decrypts the content. Returns whether it and the header are authentic. */
  open(bytes: Uint8Array, at: number, length: number): boolean;
  /**
   * Lets go of the key and of memory the collector does not see. Idempotent; later calls refuse.
   */
  close(): void;
}

/**
 * Makes the cipher of one direction; whoever calls it closes what it made. Throws for a key of
 * another length, or without memory.
 */
export type RecordCipherFactory = (key: RecordKey) => RecordCipher;

/** Whether `source[at, at + length)` is there. */
export function holdsContent(source: Uint8Array, at: number, length: number): boolean {
  return at >= 0 && length >= 0 && at + length <= source.length;
}

/** Whether a record with `length` bytes of content, from `at` on, is within `bytes`. */
export function holdsRecord(bytes: Uint8Array, at: number, length: number): boolean {
  return at >= 0 && length >= 0 &&
    at + RECORD_CONTENT_AT + length + RECORD_TAG_BYTES <= bytes.length;
}

/**
 * Writes what is only authenticated of the record at `at` to `out`, from `to` on: epoch and number,
 * type, version, and the length of the content.
 */
export function writeRecordData(
  out: Uint8Array,
  to: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): void {
  for (let i = 0; i < 8; i++) out[to + i] = bytes[at + 3 + i]!;
  for (let i = 0; i < 3; i++) out[to + 8 + i] = bytes[at + i]!;
  out[to + 11] = length >> 8;
  out[to + 12] = length;
}

/** Writes the part of the nonce that the record at `at` carries to `out`, from `to` on. */
export function writeExplicitNonce(
  out: Uint8Array,
  to: number,
  bytes: Uint8Array,
  at: number,
): void {
  for (let i = 0; i < EXPLICIT_NONCE_BYTES; i++) out[to + i] = bytes[at + RECORD_HEADER_BYTES + i]!;
}
