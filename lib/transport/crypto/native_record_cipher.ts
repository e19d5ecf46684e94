/**
 * AES-128-GCM for DTLS records on libcrypto, by address and in place.
 *
 * @module
 */
import type { Libcrypto, LibcryptoCalls } from "./libcrypto.ts";
import { addressOf } from "./native_address.ts";
import { GET_TAG, SET_TAG, setTagParam, tagParam } from "./native_tag.ts";
import {
  holdsContent,
  holdsRecord,
  RECORD_CONTENT_AT,
  RECORD_DATA_BYTES,
  RECORD_SALT_BYTES,
  RECORD_TAG_BYTES,
  type RecordCipher,
  type RecordCipherFactory,
  type RecordKey,
  writeExplicitNonce,
  writeRecordData,
} from "./record_cipher.ts";

const OPENS = 0;
const SEALS = 1;

/** The nonce, and what is only authenticated: one record is worked on at a time in a thread. */
const NONCE = 0;
const DATA = 16;
const scratch = new Uint8Array(32);

/** Each cipher holds memory of `library` until it is closed. */
export function nativeRecordCipherFactory(library: Libcrypto): RecordCipherFactory {
  return (key) => new NativeRecordCipher(library, key);
}

class NativeRecordCipher implements RecordCipher {
  readonly #library: Libcrypto;
  readonly #calls: LibcryptoCalls;
  readonly #context: bigint;
  readonly #salt: Uint8Array;
  readonly #nonceAt: bigint;
  readonly #dataAt: bigint;
  readonly #tagParam: bigint;
  #isClosed = false;

  constructor(library: Libcrypto, { key, salt }: RecordKey) {
    this.#library = library;
    this.#calls = library.calls;
    this.#salt = salt.slice(0, RECORD_SALT_BYTES);
    this.#nonceAt = addressOf(scratch) + BigInt(NONCE);
    this.#dataAt = addressOf(scratch) + BigInt(DATA);
    this.#tagParam = tagParam();
    this.#context = library.newContext("aes-128-gcm", key);
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
    if (!this.#begin(SEALS, bytes, at, length)) return false;
    const calls = this.#calls;
    const context = this.#context;
    const content = addressOf(bytes) + BigInt((at + RECORD_CONTENT_AT) | 0);
    const from = addressOf(source) + BigInt(sourceAt | 0);
    if (length > 0 && calls.EVP_Cipher(context, content, from, length) < 0) return false;
    if (calls.EVP_Cipher(context, content, 0n, 0) < 0) return false;
    const tag = content + BigInt(length | 0);
    if (calls.EVP_CIPHER_CTX_get_params === null) {
      return calls.EVP_CIPHER_CTX_ctrl(context, GET_TAG, RECORD_TAG_BYTES, tag) === 1;
    }
    setTagParam(tag);
    return calls.EVP_CIPHER_CTX_get_params(context, this.#tagParam) === 1;
  }

  open(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#isClosed || !holdsRecord(bytes, at, length)) return false;
    if (!this.#begin(OPENS, bytes, at, length)) return false;
    const calls = this.#calls;
    const context = this.#context;
    const content = addressOf(bytes) + BigInt((at + RECORD_CONTENT_AT) | 0);
    if (length > 0 && calls.EVP_Cipher(context, content, content, length) < 0) return false;
    const tag = content + BigInt(length | 0);
    if (calls.EVP_CIPHER_CTX_set_params === null) {
      if (calls.EVP_CIPHER_CTX_ctrl(context, SET_TAG, RECORD_TAG_BYTES, tag) !== 1) return false;
    } else {
      setTagParam(tag);
      if (calls.EVP_CIPHER_CTX_set_params(context, this.#tagParam) !== 1) return false;
    }
    // The tag is compared here, in constant time.
    return calls.EVP_Cipher(context, content, 0n, 0) >= 0;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#library.freeContext(this.#context);
  }

  /** Starts with the record's nonce and takes in what is only authenticated. */
  #begin(direction: number, bytes: Uint8Array, at: number, length: number): boolean {
    const calls = this.#calls;
    const context = this.#context;
    for (let i = 0; i < RECORD_SALT_BYTES; i++) scratch[NONCE + i] = this.#salt[i]!;
    writeExplicitNonce(scratch, NONCE + RECORD_SALT_BYTES, bytes, at);
    writeRecordData(scratch, DATA, bytes, at, length);
    return calls.EVP_CipherInit_ex(context, 0n, 0n, 0n, this.#nonceAt, direction) === 1 &&
      calls.EVP_Cipher(context, 0n, this.#dataAt, RECORD_DATA_BYTES) >= 0;
  }
}
