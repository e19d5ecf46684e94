/**
 * AES-128-GCM for DTLS records, everywhere. Long records are `node:crypto`'s, which makes an object
 * for each; for short ones, messages and acknowledgements, that costs several times the cipher
 * itself, so their keystream is made for several at once and their tags are computed here.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { Ghash, GHASH_BYTES } from "./ghash.ts";
import {
  holdsContent,
  holdsRecord,
  RECORD_CONTENT_AT,
  RECORD_DATA_BYTES,
  RECORD_HEADER_BYTES,
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
import { MAX_KEYSTREAM_CONTENT, RecordKeystream } from "./record_keystream.ts";

const ALGORITHM = "aes-128-gcm";

/** For every platform, and the default everywhere. */
export const portableRecordCipher: RecordCipherFactory = (key) => new PortableRecordCipher(key);

class PortableRecordCipher implements RecordCipher {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(RECORD_NONCE_BYTES);
  readonly #data = new Uint8Array(RECORD_DATA_BYTES);
  /** For short records, from the first of them on. */
  #short: { readonly keystream: RecordKeystream; readonly hash: Ghash } | undefined;
  readonly #tag = new Uint8Array(RECORD_TAG_BYTES);
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
    if (length <= MAX_KEYSTREAM_CONTENT) this.#sealShort(bytes, at, source, sourceAt, length);
    else this.#sealLong(bytes, at, source, sourceAt, length);
    return true;
  }

  open(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#isClosed || !holdsRecord(bytes, at, length)) return false;
    if (length <= MAX_KEYSTREAM_CONTENT) return this.#openShort(bytes, at, length);
    return this.#openLong(bytes, at, length);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#key.fill(0);
    this.#short?.keystream.close();
    this.#short?.hash.close();
  }

  #sealShort(
    bytes: Uint8Array,
    at: number,
    source: Uint8Array,
    sourceAt: number,
    length: number,
  ): void {
    const { keystream, hash } = this.#short ??= this.#makeShort();
    const begin = keystream.find(bytes, at + RECORD_HEADER_BYTES, length);
    const stream = keystream.bytes;
    const from = at + RECORD_CONTENT_AT;
    const key = begin + GHASH_BYTES;
    for (let i = 0; i < length; i++) bytes[from + i] = source[sourceAt + i]! ^ stream[key + i]!;
    this.#computeTag(hash, bytes, at, length, stream, begin);
    for (let i = 0; i < RECORD_TAG_BYTES; i++) bytes[from + length + i] = this.#tag[i]!;
  }

  #openShort(bytes: Uint8Array, at: number, length: number): boolean {
    const { keystream, hash } = this.#short ??= this.#makeShort();
    const begin = keystream.find(bytes, at + RECORD_HEADER_BYTES, length);
    const stream = keystream.bytes;
    const from = at + RECORD_CONTENT_AT;
    this.#computeTag(hash, bytes, at, length, stream, begin);
    // Every byte whatever the others are, so that time tells nothing.
    let difference = 0;
    for (let i = 0; i < RECORD_TAG_BYTES; i++) {
      difference |= bytes[from + length + i]! ^ this.#tag[i]!;
    }
    if (difference !== 0) return false;
    const key = begin + GHASH_BYTES;
    for (let i = 0; i < length; i++) bytes[from + i]! ^= stream[key + i]!;
    return true;
  }

  /** The tag of the record at `at`, whose content is encrypted. */
  #computeTag(
    hash: Ghash,
    bytes: Uint8Array,
    at: number,
    length: number,
    stream: Uint8Array,
    maskAt: number,
  ): void {
    const data = this.#data;
    writeRecordData(data, 0, bytes, at, length);
    const from = at + RECORD_CONTENT_AT;
    const tag = this.#tag;
    hash.digest(data, bytes, from, from + length, tag);
    for (let i = 0; i < RECORD_TAG_BYTES; i++) tag[i]! ^= stream[maskAt + i]!;
  }

  #makeShort() {
    const keystream = new RecordKeystream(this.#key, this.#nonce);
    return { keystream, hash: new Ghash(keystream.hashKey()) };
  }

  #sealLong(
    bytes: Uint8Array,
    at: number,
    source: Uint8Array,
    sourceAt: number,
    length: number,
  ): void {
    this.#begin(bytes, at, length);
    const from = at + RECORD_CONTENT_AT;
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce);
    cipher.setAAD(this.#data);
    bytes.set(cipher.update(source.subarray(sourceAt, sourceAt + length)), from);
    cipher.final();
    bytes.set(cipher.getAuthTag(), from + length);
  }

  #openLong(bytes: Uint8Array, at: number, length: number): boolean {
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

  #begin(bytes: Uint8Array, at: number, length: number): void {
    writeExplicitNonce(this.#nonce, RECORD_SALT_BYTES, bytes, at);
    writeRecordData(this.#data, 0, bytes, at, length);
  }
}
