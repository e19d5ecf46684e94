/**
 * Reading RTCP compound packets (RFC 3550 §6, RFC 4585, RFC 5104, RFC 3611, REMB draft).
 *
 * A compound packet is walked once and each piece handed to an {@linkcode RtcpHandler}; nothing is
 * allocated per packet. Total on any input: the walk stops at the first thing that does not fit.
 *
 * @module
 */
import { readUint16, readUint32 } from "./big_endian.ts";

export const RTCP_TYPE = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  goodbye: 203,
  transportFeedback: 205,
  payloadFeedback: 206,
  extendedReport: 207,
} as const;

/** Feedback message types (RFC 4585 §6.2–6.4; 15 of transport feedback is transport-cc). */
export const FEEDBACK_FORMAT = {
  nack: 1,
  transportCc: 15,
  pictureLoss: 1,
  fullIntra: 4,
  applicationLayer: 15,
} as const;

const HEADER_BYTES = 4;
/** Blocks of extended reports (RFC 3611 §4.4, §4.5), and the size of one answer. */
const XR_REFERENCE_TIME = 4;
const XR_DELAY_SINCE = 5;
const DELAY_BYTES = 12;
const REPORT_BLOCK_BYTES = 24;
/**
 * Numbers one generic NACK packet may name that we look at; the rest of a longer list is ignored.
 */
const MAX_NACKED = 1024;
const REMB_IDENTIFIER = 0x52454d42; // "REMB"
/** Streams that a REMB can name. */
const MAX_NAMED = 255;

/** One report block (RFC 3550 §6.4.1), reused between calls: read it, do not keep it. */
export class ReportBlock {
  /** The stream reported on. */
  ssrc = 0;
  /** Lost since the last report, 0–255 for 0–100 %. */
  fractionLost = 0;
  /** Signed 24 bits. */
  cumulativeLost = 0;
  /** Highest sequence number received, with wraps in the upper 16 bits. */
  highestSequence = 0;
  /** In RTP time stamp units. */
  jitter = 0;
  /** Middle 32 bits of the NTP time of the last sender report, 0 if none. */
  lastSenderReport = 0;
  /** In 1/65536 s. */
  delaySinceLastSenderReport = 0;
}

/** Receives the pieces of a compound packet, in order. */
export interface RtcpHandler {
  senderReport(
    ssrc: number,
    ntpSeconds: number,
    ntpFraction: number,
    rtpTimestamp: number,
    packets: number,
    octets: number,
  ): void;
  reportBlock(senderSsrc: number, block: ReportBlock): void;
  goodbye(ssrc: number): void;
  /** `numbers[0..count)` are 16-bit sequence numbers, valid only during the call. */
  nack(mediaSsrc: number, numbers: Uint16Array, count: number): void;
  pictureLoss(mediaSsrc: number): void;
  /** Full intra request (RFC 5104 §4.3.1) for one stream. */
  fullIntra(mediaSsrc: number): void;
  /**
   * Receiver estimated maximum bitrate in bit/s: for all streams of the connection, or by receivers
   * that know no others for those of one track.
   *
   * @param ssrcs `ssrcs[0..count)` are the streams that it names, valid only during the call.
   */
  remb(bitrateBps: number, ssrcs: Uint32Array, count: number): void;
  /** A whole transport-cc feedback packet, header included, for `transport_cc.ts`. */
  transportCc(bytes: Uint8Array, offset: number, length: number): void;
  /** Receiver reference time (RFC 3611 §4.4), which asks for a DLRR answer. */
  receiverReferenceTime(senderSsrc: number, ntpSeconds: number, ntpFraction: number): void;
  /**
   * An answer to a receiver reference time of `ssrc` (DLRR, RFC 3611 §4.5): the middle 32 bits of
   * it, and how long it was held, in 1/65536 s.
   */
  delaySinceReceiverReference(ssrc: number, reference: number, delay: number): void;
}

/** Walks compound packets. One reader per connection; not re-entrant. */
export class RtcpReader {
  readonly #block = new ReportBlock();
  readonly #numbers = new Uint16Array(MAX_NACKED);
  readonly #named = new Uint32Array(MAX_NAMED);

  /**
   * Hands every understood piece to `handler`.
   *
   * @returns `false` if the bytes are not a well-formed compound packet; pieces before the damage
   * have been handed over.
   */
  read(bytes: Uint8Array, length: number, handler: RtcpHandler): boolean {
    if (length < HEADER_BYTES || length > bytes.length) return false;
    let at = 0;
    while (at < length) {
      if (at + HEADER_BYTES > length) return false;
      const first = bytes[at]!;
      if (first >> 6 !== 2) return false;
      const size = (readUint16(bytes, at + 2) + 1) * 4;
      if (at + size > length) return false;
      let end = at + size;
      if ((first & 0x20) !== 0) {
        const padding = bytes[end - 1]!;
        if (padding === 0 || padding > size - HEADER_BYTES) return false;
        end -= padding;
      }
      if (!this.#readOne(bytes, at, end, first & 0x1f, bytes[at + 1]!, handler)) return false;
      at += size;
    }
    return true;
  }

  #readOne(
    bytes: Uint8Array,
    at: number,
    end: number,
    count: number,
    type: number,
    handler: RtcpHandler,
  ): boolean {
    switch (type) {
      case RTCP_TYPE.senderReport:
        if (at + 28 > end) return false;
        handler.senderReport(
          readUint32(bytes, at + 4),
          readUint32(bytes, at + 8),
          readUint32(bytes, at + 12),
          readUint32(bytes, at + 16),
          readUint32(bytes, at + 20),
          readUint32(bytes, at + 24),
        );
        return this.#readBlocks(bytes, at + 28, end, count, readUint32(bytes, at + 4), handler);
      case RTCP_TYPE.receiverReport:
        if (at + 8 > end) return false;
        return this.#readBlocks(bytes, at + 8, end, count, readUint32(bytes, at + 4), handler);
      case RTCP_TYPE.goodbye:
        if (at + 4 + count * 4 > end) return false;
        for (let i = 0; i < count; i++) handler.goodbye(readUint32(bytes, at + 4 + i * 4));
        return true;
      case RTCP_TYPE.transportFeedback:
        return this.#readTransportFeedback(bytes, at, end, count, handler);
      case RTCP_TYPE.payloadFeedback:
        return readPayloadFeedback(bytes, at, end, count, this.#named, handler);
      case RTCP_TYPE.extendedReport:
        return readExtendedReport(bytes, at, end, handler);
      default:
        return true; // unknown types are skipped (RFC 3550 §6.1)
    }
  }

  #readBlocks(
    bytes: Uint8Array,
    from: number,
    end: number,
    count: number,
    senderSsrc: number,
    handler: RtcpHandler,
  ): boolean {
    if (from + count * REPORT_BLOCK_BYTES > end) return false;
    const block = this.#block;
    for (let i = 0; i < count; i++) {
      const at = from + i * REPORT_BLOCK_BYTES;
      block.ssrc = readUint32(bytes, at);
      block.fractionLost = bytes[at + 4]!;
      // Sign-extends 24 bits.
      block.cumulativeLost = (readUint32(bytes, at + 4) << 8) >> 8;
      block.highestSequence = readUint32(bytes, at + 8);
      block.jitter = readUint32(bytes, at + 12);
      block.lastSenderReport = readUint32(bytes, at + 16);
      block.delaySinceLastSenderReport = readUint32(bytes, at + 20);
      handler.reportBlock(senderSsrc, block);
    }
    return true;
  }

  #readTransportFeedback(
    bytes: Uint8Array,
    at: number,
    end: number,
    format: number,
    handler: RtcpHandler,
  ): boolean {
    if (at + 12 > end) return false;
    if (format === FEEDBACK_FORMAT.transportCc) {
      handler.transportCc(bytes, at, end - at);
    } else if (format === FEEDBACK_FORMAT.nack) {
      let count = 0;
      for (let entry = at + 12; entry + 4 <= end && count + 17 <= MAX_NACKED; entry += 4) {
        const base = readUint16(bytes, entry);
        this.#numbers[count++] = base;
        let following = readUint16(bytes, entry + 2);
        for (let n = base + 1; following !== 0; n++, following >>= 1) {
          if ((following & 1) !== 0) this.#numbers[count++] = n;
        }
      }
      handler.nack(readUint32(bytes, at + 8), this.#numbers, count);
    }
    return true;
  }
}

function readPayloadFeedback(
  bytes: Uint8Array,
  at: number,
  end: number,
  format: number,
  named: Uint32Array,
  handler: RtcpHandler,
): boolean {
  if (at + 12 > end) return false;
  if (format === FEEDBACK_FORMAT.pictureLoss) {
    handler.pictureLoss(readUint32(bytes, at + 8));
  } else if (format === FEEDBACK_FORMAT.fullIntra) {
    for (let entry = at + 12; entry + 8 <= end; entry += 8) {
      handler.fullIntra(readUint32(bytes, entry));
    }
  } else if (format === FEEDBACK_FORMAT.applicationLayer && at + 20 <= end) {
    if (readUint32(bytes, at + 12) !== REMB_IDENTIFIER) return true;
    const exponent = bytes[at + 17]! >> 2;
    const mantissa = ((bytes[at + 17]! & 0x03) << 16) | readUint16(bytes, at + 18);
    const count = Math.min(bytes[at + 16]!, (end - at - 20) >> 2);
    for (let i = 0; i < count; i++) named[i] = readUint32(bytes, at + 20 + i * 4);
    handler.remb(mantissa * 2 ** exponent, named, count);
  }
  return true;
}

function readExtendedReport(
  bytes: Uint8Array,
  at: number,
  end: number,
  handler: RtcpHandler,
): boolean {
  if (at + 8 > end) return false;
  let hasReference = false;
  for (let block = at + 8; block + 4 <= end;) {
    const size = (readUint16(bytes, block + 2) + 1) * 4;
    if (block + size > end) return false;
    if (bytes[block] === XR_REFERENCE_TIME && size >= 12 && !hasReference) {
      hasReference = true; // each is answered, and one is enough
      handler.receiverReferenceTime(
        readUint32(bytes, at + 4),
        readUint32(bytes, block + 4),
        readUint32(bytes, block + 8),
      );
    } else if (bytes[block] === XR_DELAY_SINCE) {
      for (let entry = block + 4; entry + DELAY_BYTES <= block + size; entry += DELAY_BYTES) {
        const reference = readUint32(bytes, entry + 4);
        handler.delaySinceReceiverReference(
          readUint32(bytes, entry),
          reference,
          readUint32(bytes, entry + 8),
        );
      }
    }
    block += size;
  }
  return true;
}
