/**
 * AES-128-GCM for DTLS records on libcrypto, by address and in place.
 *
 * A record is what libcrypto's TLS has of it: told what is only authenticated, one call takes the
 * nonce out of the record, or counts it on into it, works on the content, and writes or compares
 * the tag. By the calls that are for any message it is five, of which those for nonce and tag look
 * parameters up by name.
 *
 * @module
 */
import type { Libcrypto, LibcryptoCalls } from "./libcrypto.ts";
import { addressOf } from "./native_address.ts";
import { octetParam } from "./native_params.ts";
import {
  holdsContent,
  holdsRecord,
  RECORD_CONTENT_AT,
  RECORD_DATA_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_OVERHEAD_BYTES,
  RECORD_SALT_BYTES,
  RECORD_TAG_BYTES,
  type RecordCipher,
  type RecordCipherFactory,
  type RecordKey,
  writeExplicitNonce,
  writeRecordData,
} from "./record_cipher.ts";

const NEITHER = -1;
const OPENS = 0;
const SEALS = 1;

/** `EVP_CTRL_AEAD_TLS1_AAD` and `EVP_CTRL_GCM_SET_IV_FIXED` of `openssl/evp.h`. */
const TLS_DATA = 0x16;
const TLS_NONCE = 0x12;
/** Of the latter: the whole nonce, and not only the part that stays. */
const WHOLE = -1;

/** The nonce, and what is only authenticated: one record is worked on at a time in a thread. */
const NONCE = 0;
const DATA = 16;
const scratch = new Uint8Array(32);
/** Where the last content stood: packets of data are all written in one place. */
let lastSource: Uint8Array | undefined;
let lastSourceAddress = 0n;

/** Each cipher holds memory of `library` until it is closed. */
export function nativeRecordCipherFactory(library: Libcrypto): RecordCipherFactory {
  return (key) => new NativeRecordCipher(library, key);
}

class NativeRecordCipher implements RecordCipher {
  readonly #library: Libcrypto;
  readonly #calls: LibcryptoCalls;
  readonly #context: bigint;
  readonly #salt: Uint8Array;
  readonly #dataParam: bigint;
  /** What the context is set to do, and which nonce it would use next to seal. */
  #direction = NEITHER;
  #nextHigh = 0;
  #nextLow = 0;
  #isClosed = false;

  constructor(library: Libcrypto, { key, salt }: RecordKey) {
    this.#library = library;
    this.#calls = library.calls;
    this.#salt = salt.slice(0, RECORD_SALT_BYTES);
    this.#dataParam = dataParam();
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
    const content = at + RECORD_CONTENT_AT;
    const address = addressOf(bytes);
    if (source !== bytes || sourceAt !== content) {
      this.#copy(source, sourceAt, bytes, address, content, length);
    }
    const isSealed = this.#countsFrom(bytes, at) &&
      this.#run(bytes, address, at, length, RECORD_OVERHEAD_BYTES - RECORD_TAG_BYTES);
    // Whether it has counted is not known.
    if (!isSealed) this.#direction = NEITHER;
    return isSealed;
  }

  open(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#isClosed || !holdsRecord(bytes, at, length)) return false;
    if (this.#direction !== OPENS && !this.#turn(OPENS, bytes, at)) return false;
    // The tag is compared here, in constant time.
    return this.#run(bytes, addressOf(bytes), at, length, RECORD_OVERHEAD_BYTES);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#library.freeContext(this.#context);
  }

  /** By a call, as a part of an array that the runtime is to copy is an object. */
  #copy(
    source: Uint8Array,
    from: number,
    out: Uint8Array,
    address: bigint,
    to: number,
    length: number,
  ): void {
    const { memcpy } = this.#calls;
    if (memcpy === null) return out.set(source.subarray(from, from + length), to);
    if (source !== lastSource) {
      lastSourceAddress = addressOf(source);
      lastSource = source;
    }
    memcpy(address + BigInt(to | 0), lastSourceAddress + BigInt(from | 0), BigInt(length | 0));
  }

  /** The context takes the record's nonce for the next to be sealed. */
  #countsFrom(bytes: Uint8Array, at: number): boolean {
    const high = readWord(bytes, at + RECORD_HEADER_BYTES);
    const low = readWord(bytes, at + RECORD_HEADER_BYTES + 4);
    const isNext = this.#direction === SEALS && low === this.#nextLow && high === this.#nextHigh;
    if (!isNext && !this.#turn(SEALS, bytes, at)) return false;
    this.#nextLow = (low + 1) | 0;
    this.#nextHigh = low === -1 ? (high + 1) | 0 : high;
    return true;
  }

  #turn(direction: number, bytes: Uint8Array, at: number): boolean {
    const calls = this.#calls;
    for (let i = 0; i < RECORD_SALT_BYTES; i++) scratch[NONCE + i] = this.#salt[i]!;
    writeExplicitNonce(scratch, NONCE + RECORD_SALT_BYTES, bytes, at);
    this.#direction = NEITHER;
    const nonce = addressOf(scratch) + BigInt(NONCE);
    if (calls.EVP_CipherInit_ex(this.#context, 0n, 0n, 0n, 0n, direction) !== 1) return false;
    if (calls.EVP_CIPHER_CTX_ctrl(this.#context, TLS_NONCE, WHOLE, nonce) !== 1) return false;
    this.#direction = direction;
    return true;
  }

  /** @param extra What counts as content beside it. */
  #run(bytes: Uint8Array, address: bigint, at: number, length: number, extra: number): boolean {
    const calls = this.#calls;
    const context = this.#context;
    writeRecordData(scratch, DATA, bytes, at, length + extra);
    if (calls.EVP_CIPHER_CTX_set_params === null) {
      const data = addressOf(scratch) + BigInt(DATA);
      if (calls.EVP_CIPHER_CTX_ctrl(context, TLS_DATA, RECORD_DATA_BYTES, data) <= 0) return false;
    } else if (calls.EVP_CIPHER_CTX_set_params(context, this.#dataParam) !== 1) return false;
    const from = address + BigInt((at + RECORD_HEADER_BYTES) | 0);
    return calls.EVP_Cipher(context, from, from, length + RECORD_OVERHEAD_BYTES) >= 0;
  }
}

let param: bigint | undefined;

/** Where what is only authenticated stands, for libcrypto 3: the same for all ciphers. */
function dataParam(): bigint {
  return param ??= octetParam("tlsaad", addressOf(scratch) + BigInt(DATA), RECORD_DATA_BYTES);
}

function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}
