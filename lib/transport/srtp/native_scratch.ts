/**
 * The memory through which SRTP hands small things to libcrypto: IVs and the state of a hash.
 *
 * All ciphers of a thread share it, because one packet is worked on at a time and nothing in it has
 * to outlive that.
 *
 * @module
 */
import { addressOf } from "../crypto/native_address.ts";
import { nonceParam, tagAndNonceParam, tagParam } from "../crypto/native_tag.ts";
import { SHA1_BLOCK_BYTES, SHA1_DIGEST_BYTES } from "../crypto/sha1.ts";
import { RTCP_HEADER_BYTES, RTCP_INDEX_BYTES, swapBytes } from "./srtp_layout.ts";

/** Where things stand, bytes from the start. */
const IV = 0;
/** A GCM IV has 12 bytes; from here its words are those of AES-CM's. */
const GCM_IV = IV + 2;
const RTCP_DATA = 16;
/** `SHA_CTX` (`openssl/sha.h`), 96 bytes. */
const SHA = 32;
/** The block that an HMAC's outer hash takes: the inner digest and padding. */
const OUTER = 128;
const TOTAL_BYTES = OUTER + SHA1_BLOCK_BYTES;

const bytes = new Uint8Array(TOTAL_BYTES);
const words = new Int32Array(bytes.buffer);

const SHA_WORD = SHA >> 2;
/** Low and high word of the number of bits hashed. */
const SHA_BITS_WORD = SHA_WORD + 5;
/** How many bytes of data wait for the rest of their block. */
const SHA_PENDING_WORD = SHA_WORD + 23;

/** Addresses of the parts; made once the library is used, as it takes the permission. */
class NativeScratch {
  /** 16 bytes, for AES-CM. */
  readonly cmIv: bigint;
  /** 12 bytes. */
  readonly gcmIv: bigint;
  /** 12 bytes: what GCM authenticates of an RTCP packet. */
  readonly rtcpData: bigint;
  readonly sha: bigint;
  readonly outer: bigint;
  readonly tagParam: bigint;
  /** The nonce of `gcmIv`, by itself and with the tag. */
  readonly nonceParam: bigint;
  readonly tagAndNonceParam: bigint;

  constructor() {
    const base = addressOf(bytes);
    this.cmIv = base + BigInt(IV);
    this.gcmIv = base + BigInt(GCM_IV);
    this.rtcpData = base + BigInt(RTCP_DATA);
    this.sha = base + BigInt(SHA);
    this.outer = base + BigInt(OUTER);
    this.tagParam = tagParam();
    this.nonceParam = nonceParam(this.gcmIv);
    this.tagAndNonceParam = tagAndNonceParam(this.gcmIv);
    const view = new DataView(bytes.buffer);
    bytes[OUTER + SHA1_DIGEST_BYTES] = 0x80;
    view.setUint16(OUTER + SHA1_BLOCK_BYTES - 2, (SHA1_BLOCK_BYTES + SHA1_DIGEST_BYTES) * 8);
  }
}

let scratch: NativeScratch | undefined;

/** This thread's scratch. */
export function nativeScratch(): NativeScratch {
  return scratch ??= new NativeScratch();
}

/** A salt as {@linkcode setIv} takes it; GCM's stands two bytes further right than AES-CM's. */
export function saltWords(salt: Uint8Array, mode: "cm" | "gcm"): Int32Array {
  const padded = new Uint8Array(16);
  padded.set(salt, mode === "gcm" ? GCM_IV : IV);
  return new Int32Array(padded.buffer);
}

/**
 * Writes the IV of a packet: of RFC 3711 §4.1.1 from `cmIv` on, of RFC 7714 §8.1 and §9.1 from
 * `gcmIv` on.
 *
 * @param high Upper 32 bits of the 48-bit index.
 * @param low Lower 16 bits of it.
 */
export function setIv(salt: Int32Array, ssrc: number, high: number, low: number): void {
  words[0] = salt[0]!;
  words[1] = salt[1]! ^ swapBytes(ssrc);
  words[2] = salt[2]! ^ swapBytes(high);
  words[3] = salt[3]! ^ swapBytes(low << 16);
}

/** Writes an RTCP packet's header and its index word, with the E bit (RFC 7714 §9.2). */
export function setRtcpData(packet: Uint8Array, indexWord: number): void {
  for (let i = 0; i < RTCP_HEADER_BYTES; i++) bytes[RTCP_DATA + i] = packet[i]!;
  words[(RTCP_DATA + RTCP_HEADER_BYTES) >> 2] = swapBytes(indexWord);
}
export const RTCP_DATA_BYTES = RTCP_HEADER_BYTES + RTCP_INDEX_BYTES;

/** Makes the hash that of one block, after which it had this state, and nothing more. */
export function setShaAfterBlock(state: Int32Array): void {
  setShaState(state);
  words[SHA_BITS_WORD] = SHA1_BLOCK_BYTES * 8;
  words[SHA_BITS_WORD + 1] = 0;
  words[SHA_PENDING_WORD] = 0;
}

/** Replaces the five words of the hash. */
export function setShaState(state: Int32Array): void {
  words[SHA_WORD] = state[0]!;
  words[SHA_WORD + 1] = state[1]!;
  words[SHA_WORD + 2] = state[2]!;
  words[SHA_WORD + 3] = state[3]!;
  words[SHA_WORD + 4] = state[4]!;
}

/** One of the five words of the hash. */
export function shaWord(index: number): number {
  return words[SHA_WORD + index]!;
}
