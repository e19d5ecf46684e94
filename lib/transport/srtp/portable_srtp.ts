/**
 * SRTP ciphers on node:crypto alone, for every platform Deno runs on.
 *
 * AES128_CM_HMAC_SHA1_80 avoids what is slow there, making cipher and HMAC objects per packet: one
 * AES object in ECB mode makes keystream for several packets, and HMAC is two plain SHA-1 hashes.
 * The AEAD ciphers have no such way and make an object per packet, so prefer the former.
 *
 * @module
 */
import { writeUint32 } from "../../wire/big_endian.ts";
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, hash } from "node:crypto";
import { CounterMode } from "./counter_mode.ts";
import {
  finishHmacSha1,
  hmacSha1,
  type HmacSha1Key,
  hmacSha1Key,
  SHA1_BLOCK_BYTES,
  SHA1_DIGEST_BYTES,
} from "../crypto/sha1.ts";
import type { SrtpCipher } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpProfile, type SrtpSessionKeys } from "./srtp_keys.ts";
import {
  E_BIT,
  GCM_TAG_BYTES,
  isWithin,
  MAX_CM_BYTES,
  RTCP_HEADER_BYTES,
  RTCP_INDEX_BYTES,
  SHA1_TAG_BYTES,
} from "./srtp_layout.ts";

/** Up to here hashing in place is faster than calling for it. */
const SHORT_BYTES = 384;
/** Beyond any MTU we receive; what is longer still is hashed in place, slowly. */
const LONG_BYTES = 2048;

/** In order of preference: an object per packet makes AEAD slow here, so it comes last. */
export const PORTABLE_PROFILES: readonly SrtpProfile[] = [
  SRTP_PROFILE.aes128CmSha1_80,
  SRTP_PROFILE.aeadAes128Gcm,
  SRTP_PROFILE.aeadAes256Gcm,
];

/** The portable cipher for the profile of `keys`. */
export function portableCipher(keys: SrtpSessionKeys): SrtpCipher {
  return keys.profile === SRTP_PROFILE.aes128CmSha1_80 ? new CmCipher(keys) : new GcmCipher(keys);
}

/**
 * Where a key's inner block and a packet are put together: hashing both with one call that makes no
 * object is cheaper than a copied hash object that knows the key, and than the call for bytes, too,
 * whose result is an object. Shared, because one hash runs at a time.
 */
const joined = new Uint8Array(SHA1_BLOCK_BYTES + LONG_BYTES);
/** Values of the hexadecimal digits by character code. */
const DIGIT_VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 0 : value;
});

/** HMAC-SHA1 with one key, over any length. */
class KeyedSha1 {
  readonly #key: HmacSha1Key;
  /** The key as the inner hash takes it in (RFC 2104 §2). */
  readonly #innerBlock = new Uint8Array(SHA1_BLOCK_BYTES).fill(0x36);
  readonly #digest = new Uint8Array(SHA1_DIGEST_BYTES);

  constructor(key: Uint8Array) {
    this.#key = hmacSha1Key(key);
    for (let i = 0; i < key.length; i++) this.#innerBlock[i]! ^= key[i]!;
  }

  /** 20 bytes over `bytes[0 .. length)`, overwritten by the next call. */
  digest(bytes: Uint8Array, length: number): Uint8Array {
    const digest = this.#digest;
    if (length <= SHORT_BYTES || length > LONG_BYTES) {
      hmacSha1(this.#key, bytes, length, digest);
      return digest;
    }
    joined.set(this.#innerBlock);
    joined.set(bytes.subarray(0, length), SHA1_BLOCK_BYTES);
    const inner = hash("sha1", joined.subarray(0, SHA1_BLOCK_BYTES + length), "hex");
    for (let i = 0; i < SHA1_DIGEST_BYTES; i++) {
      const high = DIGIT_VALUES[inner.charCodeAt(2 * i)]!;
      digest[i] = (high << 4) | DIGIT_VALUES[inner.charCodeAt(2 * i + 1)]!;
    }
    finishHmacSha1(this.#key, digest, digest);
    return digest;
  }
}

/** AES128_CM_HMAC_SHA1_80 (RFC 3711 §4). */
class CmCipher implements SrtpCipher {
  readonly rtpOverhead = SHA1_TAG_BYTES;
  readonly rtcpOverhead = SHA1_TAG_BYTES + RTCP_INDEX_BYTES;
  readonly rtcpIndexFromEnd = SHA1_TAG_BYTES + RTCP_INDEX_BYTES;
  readonly #rtp: CounterMode;
  readonly #rtcp: CounterMode;
  readonly #rtpAuth: KeyedSha1;
  readonly #rtcpAuth: KeyedSha1;
  readonly #tag = new Uint8Array(SHA1_TAG_BYTES);
  #isClosed = false;

  constructor(keys: SrtpSessionKeys) {
    this.#rtp = new CounterMode(keys.rtpKey, keys.rtpSalt);
    this.#rtcp = new CounterMode(keys.rtcpKey, keys.rtcpSalt);
    this.#rtpAuth = new KeyedSha1(keys.rtpAuth);
    this.#rtcpAuth = new KeyedSha1(keys.rtcpAuth);
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
    if (!this.#rtp.apply(bytes, headerLength, length, ssrc, roc, seq)) return 0;
    // The counter is authenticated behind the packet (§4.2) and then gives way to the tag.
    writeUint32(bytes, length, roc);
    writeTag(bytes, length, this.#rtpAuth.digest(bytes, length + 4));
    return length + SHA1_TAG_BYTES;
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
    if (prefixLength < 0 || !copyPayload(out, from, source, sourceAt, sourceLength)) return 0;
    return this.sealRtp(out, from + sourceLength, headerLength, ssrc, roc, seq);
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
    this.#keepTag(bytes, end);
    writeUint32(bytes, end, roc);
    if (!this.#isTag(this.#rtpAuth.digest(bytes, end + 4))) return -1;
    return this.#rtp.apply(bytes, headerLength, end, ssrc, roc, seq) ? end : -1;
  }

  sealRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, length, this.rtcpOverhead)) return 0;
    const rtcp = this.#rtcp;
    if (!rtcp.apply(bytes, RTCP_HEADER_BYTES, length, ssrc, index >>> 16, index & 0xffff)) return 0;
    const end = length + RTCP_INDEX_BYTES;
    writeUint32(bytes, length, index | E_BIT);
    writeTag(bytes, end, this.#rtcpAuth.digest(bytes, end));
    return end + SHA1_TAG_BYTES;
  }

  openRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    const signed = length - SHA1_TAG_BYTES;
    const end = signed - RTCP_INDEX_BYTES;
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, end, this.rtcpOverhead)) return -1;
    this.#keepTag(bytes, signed);
    if (!this.#isTag(this.#rtcpAuth.digest(bytes, signed))) return -1;
    const rtcp = this.#rtcp;
    return rtcp.apply(bytes, RTCP_HEADER_BYTES, end, ssrc, index >>> 16, index & 0xffff) ? end : -1;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#rtp.close();
    this.#rtcp.close();
  }

  /** Whether `[from .. to)` of `bytes` can be worked on and `overhead` bytes follow. */
  #fits(bytes: Uint8Array, from: number, to: number, overhead: number): boolean {
    return !this.#isClosed && from >= 0 && from <= to && to + overhead <= bytes.length &&
      to - from <= MAX_CM_BYTES;
  }

  #keepTag(bytes: Uint8Array, at: number): void {
    for (let i = 0; i < SHA1_TAG_BYTES; i++) this.#tag[i] = bytes[at + i]!;
  }

  /**
   * Compares every byte whatever the others are, so that time tells nothing. By hand, because
   * `timingSafeEqual` takes ten times as long (0.6 µs in Deno 2.9.6), for every packet.
   */
  #isTag(digest: Uint8Array): boolean {
    let difference = 0;
    for (let i = 0; i < SHA1_TAG_BYTES; i++) difference |= this.#tag[i]! ^ digest[i]!;
    return difference === 0;
  }
}

/** AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714 §8 and §9). */
class GcmCipher implements SrtpCipher {
  readonly rtpOverhead = GCM_TAG_BYTES;
  readonly rtcpOverhead = GCM_TAG_BYTES + RTCP_INDEX_BYTES;
  readonly rtcpIndexFromEnd = RTCP_INDEX_BYTES;
  readonly #name: "aes-128-gcm" | "aes-256-gcm";
  readonly #keys: SrtpSessionKeys;
  readonly #iv = Buffer.alloc(12);
  /** RTCP header and index word. */
  readonly #rtcpData = Buffer.alloc(RTCP_HEADER_BYTES + RTCP_INDEX_BYTES);
  #isClosed = false;

  constructor(keys: SrtpSessionKeys) {
    this.#name = keys.profile === SRTP_PROFILE.aeadAes256Gcm ? "aes-256-gcm" : "aes-128-gcm";
    this.#keys = keys;
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
    this.#setRtpIv(ssrc, roc, seq);
    const header = bytes.subarray(0, headerLength);
    this.#seal(this.#keys.rtpKey, bytes, headerLength, length, header);
    return length + GCM_TAG_BYTES;
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
    if (prefixLength < 0 || !copyPayload(out, from, source, sourceAt, sourceLength)) return 0;
    return this.sealRtp(out, from + sourceLength, headerLength, ssrc, roc, seq);
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
    this.#setRtpIv(ssrc, roc, seq);
    const header = bytes.subarray(0, headerLength);
    return this.#open(this.#keys.rtpKey, bytes, headerLength, end, header) ? end : -1;
  }

  sealRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, length, this.rtcpOverhead)) return 0;
    this.#setRtcpIv(ssrc, index);
    const data = this.#setRtcpData(bytes, index);
    this.#seal(this.#keys.rtcpKey, bytes, RTCP_HEADER_BYTES, length, data);
    writeUint32(bytes, length + GCM_TAG_BYTES, index | E_BIT);
    return length + GCM_TAG_BYTES + RTCP_INDEX_BYTES;
  }

  openRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number {
    const end = length - GCM_TAG_BYTES - RTCP_INDEX_BYTES;
    if (!this.#fits(bytes, RTCP_HEADER_BYTES, end, this.rtcpOverhead)) return -1;
    this.#setRtcpIv(ssrc, index);
    const data = this.#setRtcpData(bytes, index);
    return this.#open(this.#keys.rtcpKey, bytes, RTCP_HEADER_BYTES, end, data) ? end : -1;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Whether `[from .. to)` of `bytes` can be worked on and `overhead` bytes follow. */
  #fits(bytes: Uint8Array, from: number, to: number, overhead: number): boolean {
    return !this.#isClosed && from >= 0 && from <= to && to + overhead <= bytes.length;
  }

  #seal(key: Uint8Array, bytes: Uint8Array, from: number, to: number, data: Uint8Array): void {
    const cipher = createCipheriv(this.#name, key, this.#iv);
    cipher.setAAD(data);
    bytes.set(cipher.update(bytes.subarray(from, to)), from);
    cipher.final();
    bytes.set(cipher.getAuthTag(), to);
  }

  #open(key: Uint8Array, bytes: Uint8Array, from: number, to: number, data: Uint8Array): boolean {
    const decipher = createDecipheriv(this.#name, key, this.#iv, {
      authTagLength: GCM_TAG_BYTES,
    });
    decipher.setAAD(data);
    decipher.setAuthTag(bytes.subarray(to, to + GCM_TAG_BYTES));
    const clear = decipher.update(bytes.subarray(from, to));
    try {
      decipher.final();
    } catch {
      return false; // node:crypto says "not authentic" with an exception
    }
    bytes.set(clear, from);
    return true;
  }

  /** 00 00, SSRC, roll-over counter, sequence number; exclusive-or the salt (RFC 7714 §8.1). */
  #setRtpIv(ssrc: number, roc: number, seq: number): void {
    this.#iv.writeUInt16BE(0, 0);
    this.#iv.writeUInt32BE(ssrc >>> 0, 2);
    this.#iv.writeUInt32BE(roc >>> 0, 6);
    this.#iv.writeUInt16BE(seq, 10);
    for (let i = 0; i < 12; i++) this.#iv[i]! ^= this.#keys.rtpSalt[i]!;
  }

  /** 00 00, SSRC, 00 00, index; exclusive-or the salt (RFC 7714 §9.1). */
  #setRtcpIv(ssrc: number, index: number): void {
    this.#iv.writeUInt16BE(0, 0);
    this.#iv.writeUInt32BE(ssrc >>> 0, 2);
    this.#iv.writeUInt16BE(0, 6);
    this.#iv.writeUInt32BE(index >>> 0, 8);
    for (let i = 0; i < 12; i++) this.#iv[i]! ^= this.#keys.rtcpSalt[i]!;
  }

  /** Header, E bit and index are authenticated (RFC 7714 §9.2). */
  #setRtcpData(bytes: Uint8Array, index: number): Uint8Array {
    this.#rtcpData.set(bytes.subarray(0, RTCP_HEADER_BYTES));
    this.#rtcpData.writeUInt32BE((index | E_BIT) >>> 0, RTCP_HEADER_BYTES);
    return this.#rtcpData;
  }
}

/** The first 80 bits of an HMAC-SHA1 (RFC 3711 §4.2.1). */
function writeTag(bytes: Uint8Array, at: number, digest: Uint8Array): void {
  for (let i = 0; i < SHA1_TAG_BYTES; i++) bytes[at + i] = digest[i]!;
}

/** Puts the end of a payload behind its beginning; `false` if it is not there or has no room. */
function copyPayload(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  sourceAt: number,
  length: number,
): boolean {
  if (!isWithin(source, sourceAt, length) || !isWithin(out, at, length)) return false;
  out.set(source.subarray(sourceAt, sourceAt + length), at);
  return true;
}
