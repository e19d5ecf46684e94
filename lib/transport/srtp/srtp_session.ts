/**
 * SRTP and SRTCP for one peer, in place: packet indices with roll-over (RFC 3711 §3.3.1) and replay
 * windows (§3.3.2) per SSRC around an {@linkcode SrtpCipher}.
 *
 * Contract: receive state changes only after a packet authenticated; network input is never thrown
 * at, a packet that is not used is counted under its reason. The number of received SSRCs with
 * state is bounded: the longest silent one gives way. Sent SSRCs keep their state for the session's
 * life, because starting one over would use a keystream twice. After {@linkcode SrtpSession.close}
 * every packet is a counted drop.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { SealedStream, WrittenPacket } from "../../base/packet_sink.ts";
import { readInt32, readUint32 } from "../../wire/big_endian.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import { extendSeq, type ExtSeq } from "../../wire/seq.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { portableCipher } from "./portable_srtp.ts";
import { ReplayWindow } from "../crypto/replay_window.ts";
import type { SrtpCipher, SrtpCipherFactory } from "./srtp_cipher.ts";
import { deriveSessionKeys, type SrtpParameters } from "./srtp_keys.ts";
import { E_BIT, RTCP_HEADER_BYTES } from "./srtp_layout.ts";

/**
 * RTP packets an SSRC may be late: a second of 8 Mbit/s video. Browsers repeat old packets to
 * probe.
 */
const RTP_WINDOW = 1024;
const RTCP_WINDOW = 128;
/** Received SSRCs with state: 30 published tracks with three layers and RTX stay below it. */
export const MAX_RECEIVED_SSRCS = 256;
const MIN_RTP_BYTES = 12;
/** 2^31 compound packets per key: the index has no more bits. */
const SRTCP_INDEX_LIMIT = E_BIT;
/** 2^48 packets per key (RFC 3711 §9.2): beyond any session, but checked. */
const RTP_INDEX_LIMIT = 2 ** 48;

/** On the packet that is being sealed. */
const CLEAR = new RtpView();

/** A received SSRC. */
interface ReceivedSource {
  readonly window: ReplayWindow;
  /** Value of the session's packet count when it was last heard. */
  heardAt: number;
}

export interface SrtpSessionOptions {
  readonly parameters: SrtpParameters;
  readonly drops: DropSink<TransportDrop>;
  /** Default: the portable cipher. */
  readonly cipherFactory?: SrtpCipherFactory;
}

/**
 * One peer's SRTP in both directions. `bytes` always starts with the packet and `length` is the
 * packet's; a packet that does not authenticate changes nothing and is counted.
 */
export class SrtpSession {
  /** On the packet that was opened last, but for what {@linkcode RtpView.opened} reads. */
  readonly packet: RtpView = new RtpView();
  /** While it is tried whose a packet is: what it is not is nothing to be counted. */
  isTrying = false;
  /** Whether nothing was opened before the last packet that its sender had sealed later. */
  isNewest = false;
  readonly #sealer: SrtpCipher;
  readonly #opener: SrtpCipher;
  readonly #drops: DropSink<TransportDrop>;
  // By SSRC as signed 32 bits: numbers that V8 looks up without making an object.
  readonly #rtpSources = new Map<number, ReceivedSource>();
  readonly #rtcpSources = new Map<number, ReceivedSource>();
  readonly #sent = new Map<number, SealedStream>();
  #rtcpIndex = 0;
  #heard = 0;
  #isClosed = false;

  constructor({ parameters, drops, cipherFactory = portableCipher }: SrtpSessionOptions) {
    this.#drops = drops;
    this.#sealer = cipherFactory(deriveSessionKeys(parameters.profile, parameters.local));
    try {
      this.#opener = cipherFactory(deriveSessionKeys(parameters.profile, parameters.remote));
    } catch (error) {
      this.#sealer.close();
      throw error;
    }
  }

  /** Room a packet needs behind it: the most that `protectRtp` and `protectRtcp` append, bytes. */
  get overhead(): number {
    return this.#sealer.rtcpOverhead;
  }

  /**
   * Seals an RTP packet in place. Packets of one SSRC may be late by less than 2^15 numbers; the
   * same number may be sealed again only with the same content.
   *
   * @returns The new length, or 0 (counted) if it is no RTP packet or `bytes` has no room for the
   *   tag.
   */
  protectRtp(bytes: Uint8Array, length: number): number {
    if (this.#isClosed) return this.#drop("srtp_closed");
    if (
      !CLEAR.wrapSealed(bytes, length) || length + this.#sealer.rtpOverhead > bytes.length
    ) return this.#drop("srtp_cannot_seal");
    const headerLength = CLEAR.payloadOffset;
    const ssrc = CLEAR.ssrc | 0;
    const seq = CLEAR.sequenceNumber;
    const index = this.#indexToSeal(this.#streamOf(ssrc, seq), seq);
    if (index < 0) return 0;
    const sealed = this.#sealer.sealRtp(bytes, length, headerLength, ssrc, rocOf(index), seq);
    return sealed === 0 ? this.#drop("srtp_cannot_seal") : sealed;
  }

  /**
   * As {@linkcode protectRtp}, for a packet whose payload's end is read from elsewhere: cheaper
   * than copying it and sealing then. What is in the header is taken as `packet` says.
   *
   * @param out Holds the header and, up to `packet.written`, what of the payload differs from the
   *   source, which must not overlap it.
   */
  protectWritten(out: Uint8Array, packet: WrittenPacket): number {
    if (this.#isClosed) return this.#drop("srtp_closed");
    const { headerLength, written, sourceLength } = packet;
    if (
      headerLength < MIN_RTP_BYTES || headerLength > written ||
      written + sourceLength + this.#sealer.rtpOverhead > out.length
    ) return this.#drop("srtp_cannot_seal");
    const ssrc = packet.ssrc | 0;
    const seq = packet.sequence & 0xffff;
    let stream = packet.sealing;
    if (stream === undefined || stream.ssrc !== ssrc || stream.owner !== this) {
      stream = packet.sealing = this.#streamOf(ssrc, seq);
    }
    const index = this.#indexToSeal(stream, seq);
    if (index < 0) return 0;
    const sealed = this.#sealer.sealRtpFrom(
      out,
      headerLength,
      written - headerLength,
      packet.source,
      packet.sourceAt,
      sourceLength,
      ssrc,
      rocOf(index),
      seq,
    );
    return sealed === 0 ? this.#drop("srtp_cannot_seal") : sealed;
  }

  /**
   * Opens an SRTP packet in place, with {@linkcode SrtpSession.packet} on it.
   *
   * @returns The RTP packet's length, or 0 (counted).
   */
  unprotectRtp(bytes: Uint8Array, length: number): number {
    if (this.#isClosed) return this.#drop("srtp_closed");
    const { packet } = this;
    const isPacket = packet.wrapSealed(bytes, length - this.#opener.rtpOverhead);
    if (!isPacket || length > bytes.length) return this.#drop("srtp_malformed");
    const ssrc = packet.ssrc | 0;
    const seq = packet.sequenceNumber;
    const source = this.#rtpSources.get(ssrc);
    const index = source === undefined ? seq : extendSeq(seq, source.window.highest as ExtSeq);
    // Below zero is a packet older than the first one heard: its counter would be negative.
    if (index < 0 || index >= RTP_INDEX_LIMIT) return this.#drop("srtp_too_old");
    if (source !== undefined && !source.window.isFresh(index)) return this.#drop("srtp_replayed");
    const { payloadOffset } = packet;
    const opened = this.#opener.openRtp(bytes, length, payloadOffset, ssrc, rocOf(index), seq);
    if (opened < 0) return this.#drop("srtp_not_authentic");
    this.#accept(this.#rtpSources, source, ssrc, index, RTP_WINDOW);
    return opened;
  }

  /** Whether anything of this packet's sender has been opened before. */
  hasHeard(kind: "rtp" | "rtcp", bytes: Uint8Array, length: number): boolean {
    if (length < MIN_RTP_BYTES) return false;
    return kind === "rtp"
      ? this.#rtpSources.has(readInt32(bytes, 8))
      : this.#rtcpSources.has(readInt32(bytes, 4));
  }

  /** Seals a compound RTCP packet in place. Returns the new length, or 0 (counted). */
  protectRtcp(bytes: Uint8Array, length: number): number {
    if (this.#isClosed) return this.#drop("srtp_closed");
    const fits = length >= RTCP_HEADER_BYTES && length + this.#sealer.rtcpOverhead <= bytes.length;
    if (!fits || this.#rtcpIndex >= SRTCP_INDEX_LIMIT) return this.#drop("srtcp_cannot_seal");
    const sealed = this.#sealer.sealRtcp(bytes, length, readInt32(bytes, 4), this.#rtcpIndex++);
    return sealed === 0 ? this.#drop("srtcp_cannot_seal") : sealed;
  }

  /**
   * Opens an SRTCP packet in place; it must be encrypted. Returns the RTCP length, or 0 (counted).
   */
  unprotectRtcp(bytes: Uint8Array, length: number): number {
    if (this.#isClosed) return this.#drop("srtp_closed");
    const cipher = this.#opener;
    if (length < RTCP_HEADER_BYTES + cipher.rtcpOverhead || length > bytes.length) {
      return this.#drop("srtcp_malformed");
    }
    const word = readUint32(bytes, length - cipher.rtcpIndexFromEnd);
    if (word < SRTCP_INDEX_LIMIT) return this.#drop("srtcp_not_encrypted");
    const index = word - SRTCP_INDEX_LIMIT;
    const ssrc = readInt32(bytes, 4);
    const source = this.#rtcpSources.get(ssrc);
    if (source !== undefined && !source.window.isFresh(index)) return this.#drop("srtcp_replayed");
    const opened = cipher.openRtcp(bytes, length, ssrc, index);
    if (opened < 0) return this.#drop("srtcp_not_authentic");
    this.#accept(this.#rtcpSources, source, ssrc, index, RTCP_WINDOW);
    return opened;
  }

  /** Frees the keys. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sealer.close();
    this.#opener.close();
  }

  /** What is known of a stream that we send, which begins with number `seq` if it is new. */
  #streamOf(ssrc: number, seq: number): SealedStream {
    const known = this.#sent.get(ssrc);
    if (known !== undefined) return known;
    const begun = { owner: this, ssrc, highest: seq };
    this.#sent.set(ssrc, begun);
    return begun;
  }

  /** The packet's 48-bit index, or -1 (counted) if there is none left. */
  #indexToSeal(stream: SealedStream, seq: number): number {
    const index = extendSeq(seq, stream.highest as ExtSeq);
    if (index < 0 || index >= RTP_INDEX_LIMIT) {
      this.#drops.count("srtp_cannot_seal");
      return -1;
    }
    if (index > stream.highest) stream.highest = index;
    return index;
  }

  #drop(reason: TransportDrop): 0 {
    if (!this.isTrying) this.#drops.count(reason);
    return 0;
  }

  #accept(
    sources: Map<number, ReceivedSource>,
    known: ReceivedSource | undefined,
    ssrc: number,
    index: number,
    windowSize: number,
  ): void {
    let source = known;
    if (source === undefined) {
      if (sources.size >= MAX_RECEIVED_SSRCS) this.#forgetLongestSilent(sources);
      source = { window: new ReplayWindow(windowSize), heardAt: 0 };
      sources.set(ssrc, source);
    }
    source.heardAt = ++this.#heard;
    this.isNewest = index > source.window.highest;
    source.window.accept(index);
  }

  #forgetLongestSilent(sources: Map<number, ReceivedSource>): void {
    let silent = -1;
    let heardAt = Infinity;
    for (const [ssrc, source] of sources) {
      if (source.heardAt < heardAt) {
        heardAt = source.heardAt;
        silent = ssrc;
      }
    }
    sources.delete(silent);
    this.#drops.count("srtp_source_forgotten");
  }
}

/** Roll-over counter of a 48-bit index. */
function rocOf(index: number): number {
  return Math.floor(index / 0x1_0000);
}
