/**
 * Writing RTCP compound packets into one reused buffer (RFC 3550 §6.1).
 *
 * A compound packet is built by appending; `length` says how much of `bytes` is valid, and `reset`
 * starts the next one. Appending what does not fit changes nothing and returns `false`, so the
 * caller flushes and appends again.
 *
 * @module
 */
import { FEEDBACK_FORMAT, type ReportBlock, RTCP_TYPE } from "./rtcp.ts";
import {
  MAX_FEEDBACK_BYTES,
  type TransportFeedback,
  writeTransportFeedback,
} from "./transport_cc.ts";

/** Below any path MTU in use, with room left for the SRTCP trailer. */
const COMPOUND_LIMIT_BYTES = 1200;
/** Room behind the compound for sealing in place: index, tag, and a margin. */
const TAIL_ROOM_BYTES = 64;
const REPORT_BLOCK_BYTES = 24;
/** Header, sender SSRC and media SSRC of a feedback packet (RFC 4585 §6.1). */
const FEEDBACK_HEADER_BYTES = 12;
/** Room for one transport feedback packet, however much it reports. */
export const MAX_FEEDBACK_PACKET_BYTES = FEEDBACK_HEADER_BYTES + MAX_FEEDBACK_BYTES;

/**
 * One compound packet at a time, whole in `bytes[0..length)`: what does not fit is not begun and
 * answers `false`. All RTCP headers that are sent are written here.
 */
export class RtcpWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #limitBytes: number;
  readonly #view: DataView;
  readonly #text = new TextEncoder();

  /** @param limitBytes The longest compound. */
  constructor(limitBytes: number = COMPOUND_LIMIT_BYTES) {
    this.#limitBytes = limitBytes;
    this.bytes = new Uint8Array(limitBytes + TAIL_ROOM_BYTES);
    this.#view = new DataView(this.bytes.buffer);
  }

  reset(): void {
    this.length = 0;
  }

  /** A sender report without report blocks. */
  senderReport(
    ssrc: number,
    ntpSeconds: number,
    ntpFraction: number,
    rtpTimestamp: number,
    packets: number,
    octets: number,
  ): boolean {
    const at = this.#begin(28, 0, RTCP_TYPE.senderReport);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, ssrc);
    this.#view.setUint32(at + 8, ntpSeconds);
    this.#view.setUint32(at + 12, ntpFraction);
    this.#view.setUint32(at + 16, rtpTimestamp);
    this.#view.setUint32(at + 20, packets);
    this.#view.setUint32(at + 24, octets);
    return true;
  }

  /** A receiver report; without `block` an empty one, which a compound may have to start with. */
  receiverReport(senderSsrc: number, block?: ReportBlock): boolean {
    const size = block === undefined ? 8 : 8 + REPORT_BLOCK_BYTES;
    const at = this.#begin(size, block === undefined ? 0 : 1, RTCP_TYPE.receiverReport);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, senderSsrc);
    if (block === undefined) return true;
    this.#view.setUint32(at + 8, block.ssrc);
    this.#view.setUint32(at + 12, block.cumulativeLost & 0xffffff);
    this.bytes[at + 12] = block.fractionLost;
    this.#view.setUint32(at + 16, block.highestSequence);
    this.#view.setUint32(at + 20, block.jitter);
    this.#view.setUint32(at + 24, block.lastSenderReport);
    this.#view.setUint32(at + 28, block.delaySinceLastSenderReport);
    return true;
  }

  /** A source description with a CNAME (RFC 3550 §6.5.1), and the mid if given (item type 15). */
  sourceDescription(ssrc: number, cname: string, mid?: string): boolean {
    const name = this.#text.encode(cname).subarray(0, 255);
    const midText = mid === undefined ? undefined : this.#text.encode(mid).subarray(0, 255);
    const items = 2 + name.length + (midText === undefined ? 0 : 2 + midText.length);
    // At least one zero octet ends the list; the chunk is padded to 32 bits.
    const size = 8 + (items + 4 & ~3);
    const at = this.#begin(size, 1, RTCP_TYPE.sourceDescription);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, ssrc);
    let item = at + 8;
    this.bytes.fill(0, item, at + size);
    this.bytes[item] = 1;
    this.bytes[item + 1] = name.length;
    this.bytes.set(name, item + 2);
    item += 2 + name.length;
    if (midText !== undefined) {
      this.bytes[item] = 15;
      this.bytes[item + 1] = midText.length;
      this.bytes.set(midText, item + 2);
    }
    return true;
  }

  /** A generic NACK (RFC 4585 §6.2.1). `numbers[0..count)` ascend (mod 2^16). */
  nack(senderSsrc: number, mediaSsrc: number, numbers: Uint16Array, count: number): boolean {
    let entries = 0;
    for (let i = 0; i < count;) {
      const base = numbers[i]!;
      for (i++; i < count && ((numbers[i]! - base) & 0xffff) <= 16;) i++;
      entries++;
    }
    if (entries === 0) return true;
    const size = 12 + entries * 4;
    const at = this.#begin(size, FEEDBACK_FORMAT.nack, RTCP_TYPE.transportFeedback);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, senderSsrc);
    this.#view.setUint32(at + 8, mediaSsrc);
    let entry = at + 12;
    for (let i = 0; i < count; entry += 4) {
      const base = numbers[i]!;
      let mask = 0;
      for (i++; i < count; i++) {
        const distance = (numbers[i]! - base) & 0xffff;
        if (distance > 16) break;
        if (distance > 0) mask |= 1 << (distance - 1);
      }
      this.#view.setUint16(entry, base);
      this.#view.setUint16(entry + 2, mask);
    }
    return true;
  }

  /** A picture loss indication (RFC 4585 §6.3.1). */
  pictureLoss(senderSsrc: number, mediaSsrc: number): boolean {
    const at = this.#begin(12, FEEDBACK_FORMAT.pictureLoss, RTCP_TYPE.payloadFeedback);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, senderSsrc);
    this.#view.setUint32(at + 8, mediaSsrc);
    return true;
  }

  /** A receiver reference time (RFC 3611 §4.4); NTP parts are unsigned 32 bits. */
  receiverReferenceTime(senderSsrc: number, ntpSeconds: number, ntpFraction: number): boolean {
    const at = this.#begin(20, 0, RTCP_TYPE.extendedReport);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, senderSsrc);
    this.#view.setUint32(at + 8, (4 << 24) | 2);
    this.#view.setUint32(at + 12, ntpSeconds);
    this.#view.setUint32(at + 16, ntpFraction);
    return true;
  }

  /** The answer to a receiver reference time (DLRR, RFC 3611 §4.5). */
  delaySinceReceiverReport(
    senderSsrc: number,
    receiverSsrc: number,
    lastReceiverReport: number,
    delay: number,
  ): boolean {
    const at = this.#begin(24, 0, RTCP_TYPE.extendedReport);
    if (at < 0) return false;
    this.#view.setUint32(at + 4, senderSsrc);
    this.#view.setUint32(at + 8, (5 << 24) | 3);
    this.#view.setUint32(at + 12, receiverSsrc);
    this.#view.setUint32(at + 16, lastReceiverReport);
    this.#view.setUint32(at + 20, delay);
    return true;
  }

  /**
   * Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
   *
   * @returns `false` unless there is room for the largest, {@linkcode MAX_FEEDBACK_PACKET_BYTES}.
   */
  transportFeedback(senderSsrc: number, mediaSsrc: number, feedback: TransportFeedback): boolean {
    if (this.length + MAX_FEEDBACK_PACKET_BYTES > this.#limitBytes) return false;
    const content = writeTransportFeedback(
      this.bytes,
      this.length + FEEDBACK_HEADER_BYTES,
      feedback,
    );
    const size = FEEDBACK_HEADER_BYTES + content;
    const at = this.#begin(size, FEEDBACK_FORMAT.transportCc, RTCP_TYPE.transportFeedback);
    this.#view.setUint32(at + 4, senderSsrc);
    this.#view.setUint32(at + 8, mediaSsrc);
    return true;
  }

  #begin(size: number, count: number, type: number): number {
    if (this.length + size > this.#limitBytes) return -1;
    const at = this.length;
    this.bytes[at] = 0x80 | count;
    this.bytes[at + 1] = type;
    this.#view.setUint16(at + 2, size / 4 - 1);
    this.length = at + size;
    return at;
  }
}
