/**
 * The cipher port of SRTP (RFC 3711 §3, RFC 7714 §8 and §9): seals and opens single packets in
 * place.
 *
 * Contract: a cipher knows one direction's session keys and nothing about packet order; roll-over,
 * replay and header parsing are the session's (`srtp_session.ts`). Calls are synchronous, keep no
 * reference to a packet, and touch only `bytes[0 .. length + overhead)`; arguments that reach
 * beyond `bytes` are refused. A failed `open` may leave the packet's bytes changed.
 *
 * @module
 */
import type { SrtpSessionKeys } from "./srtp_keys.ts";

/**
 * One direction's cipher, without memory of packet order. Lengths and offsets are in bytes from the
 * start of `bytes`; calls are synchronous and touch only the packet and its overhead.
 */
export interface SrtpCipher {
  /** Added to an RTP packet: the authentication tag. */
  readonly rtpOverhead: number;
  /** Added to an RTCP packet: the tag and the word with E bit and index. */
  readonly rtcpOverhead: number;
  /** Where the word with the SRTCP index stands, counted from the end of a sealed packet. */
  readonly rtcpIndexFromEnd: number;

  /**
   * Encrypts and authenticates an RTP packet.
   *
   * @param headerLength Fixed header, CSRCs and extension: authenticated, not encrypted.
   * @param ssrc 32 bits, signed or unsigned.
   * @param roc Roll-over counter, 32 bits.
   * @param seq 16 bits.
   * @returns The new length, or 0 if the packet does not fit the cipher.
   */
  sealRtp(
    bytes: Uint8Array,
    length: number,
    headerLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number;

  /**
   * As {@linkcode SrtpCipher.sealRtp}, for a packet whose payload's end still stands elsewhere:
   * encrypting it is also copying it. `source` is only read and must not overlap `out`.
   *
   * @param out Holds `headerLength` bytes of header and `prefixLength` bytes of clear payload.
   * @param sourceAt Where the other `sourceLength` bytes of payload begin in `source`.
   */
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
  ): number;

  /** Checks and decrypts an RTP packet. Returns its clear length, or -1 if it is not authentic. */
  openRtp(
    bytes: Uint8Array,
    length: number,
    headerLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number;

  /** Encrypts a compound RTCP packet; `index` has 31 bits. Returns the new length, or 0. */
  sealRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number;

  /** Checks and decrypts a compound RTCP packet with the E bit. Returns its clear length, or -1. */
  openRtcp(bytes: Uint8Array, length: number, ssrc: number, index: number): number;

  /**
   * Lets go of the keys and of memory the collector does not see. Idempotent; later calls refuse.
   */
  close(): void;
}

/** Makes the cipher of one direction; whoever calls it closes what it made. */
export type SrtpCipherFactory = (keys: SrtpSessionKeys) => SrtpCipher;
