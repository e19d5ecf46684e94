/**
 * AES-128-GCM for DTLS records by `node:crypto`, everywhere. It makes an object for each record.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import {
  holdsContent,
  holdsRecord,
  RECORD_CONTENT_AT,
  RECORD_DATA_BYTES,
  RECORD_KEY_BYTES,
  RECORD_NONCE_BYTES,
  RECORD_SALT_BYTES,
  RECORD_TAG_BYTES,
  type RecordCipher,
  type RecordCipherFactory,
  type RecordKey,
  writeExplicitNonce,
  writeRecordData,
} from "./record_cipher.ts";

const ALGORITHM = "aes-128-gcm";

/** For every platform, and the default everywhere. */
export const portableRecordCipher: RecordCipherFactory = (key) => new PortableRecordCipher(key);

class PortableRecordCipher implements RecordCipher {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(RECORD_NONCE_BYTES);
  readonly #data = new Uint8Array(RECORD_DATA_BYTES);
  #isClosed = false;

  constructor({ key, salt }: RecordKey) {
    if (key.length !== RECORD_KEY_BYTES) {
      throw new Error(
        `Cannot set a key of ${key.length} bytes: a record's has ${RECORD_KEY_BYTES}`,
      );
    }
    this.#key = key.slice();
    this.#nonce.set(salt.subarray(0, RECORD_SALT_BYTES));
  }

  seal(
    bytes: Uint8Array,
    at: number,
    source: Uint8Array,
    sourceAt: number,
    length: number,
  ): boolean {
    if (this.#isClosed || !holdsRecord(bytes, at, length)) return false;
    if (!holdsContent(source, sourceAt, length)) return false;
    this.#begin(bytes, at, length);
    const from = at + RECORD_CONTENT_AT;
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce);
    cipher.setAAD(this.#data);
    bytes.set(cipher.update(source.subarray(sourceAt, sourceAt + length)), from);
    cipher.final();
    bytes.set(cipher.getAuthTag(), from + length);
    return true;
  }

  open(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#isClosed || !holdsRecord(bytes, at, length)) return false;
    this.#begin(bytes, at, length);
    const from = at + RECORD_CONTENT_AT;
    const to = from + length;
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce);
    decipher.setAAD(this.#data);
    decipher.setAuthTag(bytes.subarray(to, to + RECORD_TAG_BYTES));
    const content = decipher.update(bytes.subarray(from, to));
    try {
      decipher.final();
    } catch {
      return false;
    }
    bytes.set(content, from);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#key.fill(0);
  }

  #begin(bytes: Uint8Array, at: number, length: number): void {
    writeExplicitNonce(this.#nonce, RECORD_SALT_BYTES, bytes, at);
    writeRecordData(this.#data, 0, bytes, at, length);
  }
}
