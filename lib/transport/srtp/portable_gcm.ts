/**
 * AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714 §8 and §9) on node:crypto, with an object per
 * packet: it has no other way to them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { writeUint32 } from "../../wire/big_endian.ts";
import type { SrtpCipher } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpSessionKeys } from "./srtp_keys.ts";
import {
  copyPayload,
  E_BIT,
  GCM_TAG_BYTES,
  RTCP_HEADER_BYTES,
  RTCP_INDEX_BYTES,
} from "./srtp_layout.ts";

/** One direction's AES-GCM cipher, on every platform. */
export class PortableGcm implements SrtpCipher {
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
