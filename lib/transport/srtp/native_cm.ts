/**
 * AES128_CM_HMAC_SHA1_80 (RFC 3711 §4) on libcrypto, by address and in place.
 *
 * The HMAC is libcrypto's SHA-1 started from states that are kept of the key (RFC 2104 §4), which
 * costs five calls less than libcrypto's own HMAC and no object.
 *
 * @module
 */
import { writeUint32 } from "../../wire/big_endian.ts";
import type { Libcrypto, LibcryptoCalls } from "../crypto/libcrypto.ts";
import { readInt32 } from "../../wire/big_endian.ts";
import { addressOf } from "../crypto/native_address.ts";
import {
  nativeScratch,
  saltWords,
  setIv,
  setShaAfterBlock,
  setShaState,
  shaWord,
} from "./native_scratch.ts";
import { type HmacSha1Key, hmacSha1Key } from "../crypto/sha1.ts";
import type { SrtpCipher } from "./srtp_cipher.ts";
import type { SrtpSessionKeys } from "./srtp_keys.ts";
import {
  E_BIT,
  isWithin,
  MAX_CM_BYTES,
  RTCP_HEADER_BYTES,
  RTCP_INDEX_BYTES,
  SHA1_TAG_BYTES,
} from "./srtp_layout.ts";

/**
 * One direction's AES-CM cipher: seals the same bytes as its portable twin. It holds memory of
 * libcrypto until `close`, after which it may not be called.
 */
export class NativeCm implements SrtpCipher {
  readonly rtpOverhead = SHA1_TAG_BYTES;
  readonly rtcpOverhead = SHA1_TAG_BYTES + RTCP_INDEX_BYTES;
  readonly rtcpIndexFromEnd = SHA1_TAG_BYTES + RTCP_INDEX_BYTES;
  readonly #library: Libcrypto;
  readonly #calls: LibcryptoCalls;
  readonly #scratch = nativeScratch();
  readonly #rtp: bigint;
  readonly #rtcp: bigint;
  readonly #rtpSalt: Int32Array;
  readonly #rtcpSalt: Int32Array;
  readonly #rtpAuth: HmacSha1Key;
  readonly #rtcpAuth: HmacSha1Key;
  #isClosed = false;

  constructor(library: Libcrypto, keys: SrtpSessionKeys) {
    this.#library = library;
    this.#calls = library.calls;
    this.#rtpSalt = saltWords(keys.rtpSalt, "cm");
    this.#rtcpSalt = saltWords(keys.rtcpSalt, "cm");
    this.#rtpAuth = hmacSha1Key(keys.rtpAuth);
    this.#rtcpAuth = hmacSha1Key(keys.rtcpAuth);
    [this.#rtp, this.#rtcp] = library.newContextPair("aes-128-ctr", keys.rtpKey, keys.rtcpKey);
  }

  sealRtp(
    bytes: Uint8Array,
    length: number,
    headerLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    if (!this.#fits(bytes, headerLength, length, SHA1_TAG_BYTES)) return 0;
    const address = addressOf(bytes);
    const payload = address + BigInt(headerLength | 0);
    setIv(this.#rtpSalt, ssrc, roc, seq);
    if (!this.#begin(this.#rtp)) return 0;
    if (!this.#apply(this.#rtp, payload, payload, length - headerLength)) return 0;
    return this.#tagRtp(bytes, address, length, roc);
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
    if (!this.#fits(out, headerLength, length, SHA1_TAG_BYTES)) return 0;
    const address = addressOf(out);
    const payload = address + BigInt(headerLength | 0);
    const sourceAddress = addressOf(source) + BigInt(sourceAt | 0);
    setIv(this.#rtpSalt, ssrc, roc, seq);
    if (!this.#begin(this.#rtp)) return 0;
    if (!this.#apply(this.#rtp, payload, payload, prefixLength)) return 0;
    if (!this.#apply(this.#rtp, address + BigInt(from | 0), sourceAddress, sourceLength)) return 0;
    return this.#tagRtp(out, address, length, roc);
  }

  openRtp(
    bytes: Uint8Array,
    length: number,
    headerLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    const end = length - SHA1_TAG_BYTES;
    if (!this.#fits(bytes, headerLength, end, SHA1_TAG_BYTES)) return -1;
    const address = addressOf(bytes);
    // The counter is authenticated where the tag begins (§4.2); what stood there is kept.
    const tagStart = readInt32(bytes, end);
    writeUint32(bytes, end, roc);
    this.#digest(this.#rtpAuth, address, end + 4);
    if (!isTag(tagStart, bytes, end + 4)) return -1;
    const payload = address + BigInt(headerLength | 0);
    setIv(this.#rtpSalt, ssrc, roc, seq);
    if (!this.#begin(this.#rtp)) return -1;
    return this.#apply(this.#rtp, payload, payload, end - headerLength) ? end : -1;
  }

  sealRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, length, this.rtcpOverhead)) return 0;
    const address = addressOf(bytes);
    const body = address + BigInt(RTCP_HEADER_BYTES);
    setIv(this.#rtcpSalt, ssrc, index >>> 16, index & 0xffff);
    if (!this.#begin(this.#rtcp)) return 0;
    if (!this.#apply(this.#rtcp, body, body, length - RTCP_HEADER_BYTES)) return 0;
    const end = length + RTCP_INDEX_BYTES;
    writeUint32(bytes, length, index | E_BIT);
    this.#digest(this.#rtcpAuth, address, end);
    writeTag(bytes, end);
    return end + SHA1_TAG_BYTES;
  }

  openRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    const signed = length - SHA1_TAG_BYTES;
    const end = signed - RTCP_INDEX_BYTES;
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, end, this.rtcpOverhead)) return -1;
    const address = addressOf(bytes);
    this.#digest(this.#rtcpAuth, address, signed);
    if (!isTag(readInt32(bytes, signed), bytes, signed + 4)) return -1;
    const body = address + BigInt(RTCP_HEADER_BYTES);
    setIv(this.#rtcpSalt, ssrc, index >>> 16, index & 0xffff);
    if (!this.#begin(this.#rtcp)) return -1;
    return this.#apply(this.#rtcp, body, body, end - RTCP_HEADER_BYTES) ? end : -1;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#library.freeContext(this.#rtp);
    this.#library.freeContext(this.#rtcp);
  }

  /** Whether `[from .. to)` of `bytes` can be worked on and `overhead` bytes follow. */
  #fits(bytes: Uint8Array, from: number, to: number, overhead: number): boolean {
    return !this.#isClosed && from >= 0 && from <= to && to + overhead <= bytes.length &&
      to - from <= MAX_CM_BYTES;
  }

  /** Starts the keystream over with the IV in the scratch. */
  #begin(context: bigint): boolean {
    return this.#calls.EVP_CipherInit_ex(context, 0n, 0n, 0n, this.#scratch.cmIv, 1) === 1;
  }

  /** Adds the next `length` bytes of keystream. */
  #apply(context: bigint, to: bigint, from: bigint, length: number): boolean {
    return length === 0 || this.#calls.EVP_Cipher(context, to, from, length) > 0;
  }

  #tagRtp(bytes: Uint8Array, address: bigint, length: number, roc: number): number {
    writeUint32(bytes, length, roc);
    this.#digest(this.#rtpAuth, address, length + 4);
    writeTag(bytes, length);
    return length + SHA1_TAG_BYTES;
  }

  /** Leaves the HMAC of `length` bytes as the words of the scratch's hash. */
  #digest(key: HmacSha1Key, address: bigint, length: number): void {
    const calls = this.#calls;
    const { sha, outer } = this.#scratch;
    setShaAfterBlock(key.inner);
    calls.SHA1_Update(sha, address, BigInt(length | 0));
    calls.SHA1_Final(outer, sha);
    setShaState(key.outer);
    calls.SHA1_Transform(sha, outer);
  }
}

/** The first 80 bits of the digest (RFC 3711 §4.2.1). */
function writeTag(bytes: Uint8Array, at: number): void {
  writeUint32(bytes, at, shaWord(0));
  writeUint32(bytes, at + 4, shaWord(1));
  const third = shaWord(2);
  bytes[at + 8] = third >>> 24;
  bytes[at + 9] = third >>> 16;
}

/**
 * Whether a tag is that of the digest: its first word, and six bytes at `at`. Looks at all of it
 * whatever it finds, so that time tells nothing; by hand, because a call costs every packet more
 * than the comparison, and would need views.
 */
function isTag(firstWord: number, bytes: Uint8Array, at: number): boolean {
  const lastBytes = (bytes[at + 4]! << 8) | bytes[at + 5]!;
  const difference = (firstWord ^ shaWord(0)) | (readInt32(bytes, at) ^ shaWord(1)) |
    (lastBytes ^ (shaWord(2) >>> 16));
  return difference === 0;
}
