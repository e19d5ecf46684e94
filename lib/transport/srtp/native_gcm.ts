/**
 * AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714 §8 and §9) on libcrypto, by address and in place.
 *
 * @module
 */
import { writeUint32 } from "../../wire/big_endian.ts";
import type { Libcrypto, LibcryptoCalls } from "../crypto/libcrypto.ts";
import { addressOf } from "../crypto/native_address.ts";
import { GET_TAG, SET_TAG, setTagParam } from "../crypto/native_tag.ts";
import { nativeScratch, RTCP_DATA_BYTES, saltWords, setIv, setRtcpData } from "./native_scratch.ts";
import type { SrtpCipher } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpSessionKeys } from "./srtp_keys.ts";
import {
  E_BIT,
  GCM_TAG_BYTES,
  isWithin,
  RTCP_HEADER_BYTES,
  RTCP_INDEX_BYTES,
} from "./srtp_layout.ts";

const NEITHER = -1;
const OPENS = 0;
const SEALS = 1;

/** A cipher's state in libcrypto. */
interface Context {
  readonly handle: bigint;
  /** What it has done last, if that went well. */
  did: typeof NEITHER | typeof OPENS | typeof SEALS;
}

/**
 * One direction's AES-GCM cipher: seals the same bytes as its portable twin. It holds memory of
 * libcrypto until `close`, after which it may not be called.
 *
 * A context that has just done the same is only given the next IV, as libcrypto's TLS gives its
 * own: to start it anew, libcrypto 3.0 looks up how long one is among all that a cipher can be
 * asked for. To open, the tag goes with it.
 */
export class NativeGcm implements SrtpCipher {
  readonly rtpOverhead = GCM_TAG_BYTES;
  readonly rtcpOverhead = GCM_TAG_BYTES + RTCP_INDEX_BYTES;
  readonly rtcpIndexFromEnd = RTCP_INDEX_BYTES;
  readonly #library: Libcrypto;
  readonly #calls: LibcryptoCalls;
  readonly #scratch = nativeScratch();
  readonly #rtp: Context;
  readonly #rtcp: Context;
  readonly #rtpSalt: Int32Array;
  readonly #rtcpSalt: Int32Array;
  readonly #takesNonces: boolean;
  #isClosed = false;

  /** @param takesNonces Whether the library, if it can, is given IVs as its TLS does. */
  constructor(library: Libcrypto, keys: SrtpSessionKeys, takesNonces = true) {
    this.#library = library;
    this.#calls = library.calls;
    this.#takesNonces = takesNonces && library.calls.EVP_CIPHER_CTX_set_params !== null;
    this.#rtpSalt = saltWords(keys.rtpSalt, "gcm");
    this.#rtcpSalt = saltWords(keys.rtcpSalt, "gcm");
    const cipher = keys.profile === SRTP_PROFILE.aeadAes256Gcm ? "aes-256-gcm" : "aes-128-gcm";
    const [rtp, rtcp] = library.newContextPair(cipher, keys.rtpKey, keys.rtcpKey);
    this.#rtp = { handle: rtp, did: NEITHER };
    this.#rtcp = { handle: rtcp, did: NEITHER };
  }

  sealRtp(
    bytes: Uint8Array,
    length: number,
    headerLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    if (!this.#fits(bytes, headerLength, length, GCM_TAG_BYTES)) return 0;
    const context = this.#rtp;
    const address = addressOf(bytes);
    const payload = address + BigInt(headerLength | 0);
    setIv(this.#rtpSalt, ssrc, roc, seq);
    if (!this.#beginSeal(context, address, headerLength)) return 0;
    if (!this.#apply(context, payload, payload, length - headerLength)) return 0;
    return this.#finishSeal(context, address, length) ? length + GCM_TAG_BYTES : 0;
  }

  sealRtpFrom(
    out: Uint8Array,
    headerLength: number,
    prefixLength: number,
    source: Uint8Array,
    sourceAt: number,
    sourceLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const from = headerLength + prefixLength;
    const length = from + sourceLength;
    if (prefixLength < 0 || !isWithin(source, sourceAt, sourceLength)) return 0;
    if (!this.#fits(out, headerLength, length, GCM_TAG_BYTES)) return 0;
    const context = this.#rtp;
    const address = addressOf(out);
    const payload = address + BigInt(headerLength | 0);
    const sourceAddress = addressOf(source) + BigInt(sourceAt | 0);
    setIv(this.#rtpSalt, ssrc, roc, seq);
    if (!this.#beginSeal(context, address, headerLength)) return 0;
    if (!this.#apply(context, payload, payload, prefixLength)) return 0;
    if (!this.#apply(context, address + BigInt(from | 0), sourceAddress, sourceLength)) return 0;
    return this.#finishSeal(context, address, length) ? length + GCM_TAG_BYTES : 0;
  }

  openRtp(
    bytes: Uint8Array,
    length: number,
    headerLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const end = length - GCM_TAG_BYTES;
    if (!this.#fits(bytes, headerLength, end, GCM_TAG_BYTES)) return -1;
    const context = this.#rtp;
    const address = addressOf(bytes);
    const payload = address + BigInt(headerLength | 0);
    setIv(this.#rtpSalt, ssrc, roc, seq);
    if (!this.#beginOpen(context, address, end, address, headerLength)) return -1;
    if (!this.#apply(context, payload, payload, end - headerLength)) return -1;
    return this.#finishOpen(context, address) ? end : -1;
  }

  sealRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, length, this.rtcpOverhead)) return 0;
    const context = this.#rtcp;
    const address = addressOf(bytes);
    const body = address + BigInt(RTCP_HEADER_BYTES);
    setIv(this.#rtcpSalt, ssrc, index >>> 16, index & 0xffff);
    setRtcpData(bytes, index | E_BIT);
    if (!this.#beginSeal(context, this.#scratch.rtcpData, RTCP_DATA_BYTES)) return 0;
    if (!this.#apply(context, body, body, length - RTCP_HEADER_BYTES)) return 0;
    if (!this.#finishSeal(context, address, length)) return 0;
    writeUint32(bytes, length + GCM_TAG_BYTES, index | E_BIT);
    return length + GCM_TAG_BYTES + RTCP_INDEX_BYTES;
  }

  openRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    const end = length - GCM_TAG_BYTES - RTCP_INDEX_BYTES;
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, end, this.rtcpOverhead)) return -1;
    const context = this.#rtcp;
    const address = addressOf(bytes);
    const body = address + BigInt(RTCP_HEADER_BYTES);
    const data = this.#scratch.rtcpData;
    setIv(this.#rtcpSalt, ssrc, index >>> 16, index & 0xffff);
    setRtcpData(bytes, index | E_BIT);
    if (!this.#beginOpen(context, address, end, data, RTCP_DATA_BYTES)) return -1;
    if (!this.#apply(context, body, body, end - RTCP_HEADER_BYTES)) return -1;
    return this.#finishOpen(context, address) ? end : -1;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#library.freeContext(this.#rtp.handle);
    this.#library.freeContext(this.#rtcp.handle);
  }

  /** Whether `[from .. to)` of `bytes` can be worked on and `overhead` bytes follow. */
  #fits(bytes: Uint8Array, from: number, to: number, overhead: number): boolean {
    return !this.#isClosed && from >= 0 && from <= to && to + overhead <= bytes.length;
  }

  /** Starts with the IV in the scratch and takes in what is only authenticated. */
  #beginSeal(context: Context, data: bigint, dataLength: number): boolean {
    const calls = this.#calls;
    const { gcmIv, nonceParam } = this.#scratch;
    const { handle, did } = context;
    context.did = NEITHER;
    if (did === SEALS && this.#takesNonces) {
      if (calls.EVP_CIPHER_CTX_set_params!(handle, nonceParam) !== 1) return false;
    } else if (calls.EVP_CipherInit_ex(handle, 0n, 0n, 0n, gcmIv, SEALS) !== 1) return false;
    return calls.EVP_Cipher(handle, 0n, data, dataLength) >= 0;
  }

  /** The same to open what has its tag, 16 bytes, behind the first `length` at `address`. */
  #beginOpen(
    context: Context,
    address: bigint,
    length: number,
    data: bigint,
    dataLength: number,
  ): boolean {
    const calls = this.#calls;
    const { gcmIv, tagParam, tagAndNonceParam } = this.#scratch;
    const { handle, did } = context;
    context.did = NEITHER;
    const tag = address + BigInt(length | 0);
    setTagParam(tag);
    if (did === OPENS && this.#takesNonces) {
      if (calls.EVP_CIPHER_CTX_set_params!(handle, tagAndNonceParam) !== 1) return false;
    } else {
      if (calls.EVP_CipherInit_ex(handle, 0n, 0n, 0n, gcmIv, OPENS) !== 1) return false;
      if (calls.EVP_CIPHER_CTX_set_params === null) {
        if (calls.EVP_CIPHER_CTX_ctrl(handle, SET_TAG, GCM_TAG_BYTES, tag) !== 1) return false;
      } else if (calls.EVP_CIPHER_CTX_set_params(handle, tagParam) !== 1) return false;
    }
    return calls.EVP_Cipher(handle, 0n, data, dataLength) >= 0;
  }

  /** Encrypts or decrypts the next `length` bytes. */
  #apply({ handle }: Context, to: bigint, from: bigint, length: number): boolean {
    return length === 0 || this.#calls.EVP_Cipher(handle, to, from, length) >= 0;
  }

  /**
   * Writes the 16 bytes of the tag behind the first `length` at `address`: the sum is made here, as
   * one handed over would be an object where V8 does not inline the call.
   */
  #finishSeal(context: Context, address: bigint, length: number): boolean {
    const calls = this.#calls;
    const { handle } = context;
    const tag = address + BigInt(length | 0);
    if (calls.EVP_Cipher(handle, tag, 0n, 0) < 0) return false;
    if (calls.EVP_CIPHER_CTX_get_params === null) {
      if (calls.EVP_CIPHER_CTX_ctrl(handle, GET_TAG, GCM_TAG_BYTES, tag) !== 1) return false;
    } else {
      setTagParam(tag);
      if (calls.EVP_CIPHER_CTX_get_params(handle, this.#scratch.tagParam) !== 1) return false;
    }
    context.did = SEALS;
    return true;
  }

  /** Compares the tag, in constant time. */
  #finishOpen(context: Context, address: bigint): boolean {
    if (this.#calls.EVP_Cipher(context.handle, address, 0n, 0) < 0) return false;
    context.did = OPENS;
    return true;
  }
}
