/**
 * RTP packets made here (RFC 3550 §5.1): one stream's numbers and times, and what came of a moment
 * together, as the media plane takes it.
 *
 * @module
 */
import { writeUint16, writeUint32 } from "../wire/big_endian.ts";
import { RtcpWriter } from "../wire/rtcp_writer.ts";

/** Payload bytes of a packet: with the header extensions of any subscriber it fits every path. */
export const MAX_PAYLOAD_BYTES = 1_160;
const HEADER_BYTES = 12;
/** Sender reports, ms. */
const REPORT_MS = 1_000;
/** From 1900 to 1970, seconds. */
const NTP_OFFSET_S = 2_208_988_800;

/** Whole packets, each behind its length in two bytes. */
export class PacketBatch {
  #bytes = new Uint8Array(16_384);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Room for a packet of that many bytes, to be filled at once. */
  reserve(length: number): Uint8Array<ArrayBuffer> {
    const end = this.#length + 2 + length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(end * 2);
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    writeUint16(this.#bytes, this.#length, length);
    const room = this.#bytes.subarray(this.#length + 2, end);
    this.#length = end;
    return room;
  }

  /** All of them, in bytes of their own; none are left. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}

/** What tells streams apart. */
export interface MadeStreamOptions {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly clockRate: number;
  readonly firstSequence: number;
  readonly firstTimestamp: number;
  /** Unix ms at which the encoder's time was 0: the same for all streams of an encoder. */
  readonly epochMs: number;
}

/** One stream of packets. */
export class MadeStream {
  readonly #options: MadeStreamOptions;
  #sequence: number;
  #packets = 0;
  #octets = 0;
  #reportedAt = -Infinity;
  readonly #rtcp = new RtcpWriter();

  constructor(options: MadeStreamOptions) {
    this.#options = options;
    this.#sequence = options.firstSequence;
  }

  /** Puts a packet of these parts into `batch`. @param timeMs By the encoder's clock. */
  put(
    batch: PacketBatch,
    timeMs: number,
    marker: boolean,
    parts: readonly Uint8Array[],
  ): void {
    const { ssrc, payloadType } = this.#options;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const packet = batch.reserve(HEADER_BYTES + length);
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | payloadType;
    writeUint16(packet, 2, this.#sequence);
    writeUint32(packet, 4, this.#timestamp(timeMs));
    writeUint32(packet, 8, ssrc);
    let at = HEADER_BYTES;
    for (const part of parts) {
      packet.set(part, at);
      at += part.length;
    }
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#packets++;
    this.#octets = (this.#octets + length) % 0x1_0000_0000;
  }

  /** A sender report (RFC 3550 §6.4.1) where one is due: what puts streams side by side. */
  report(batch: PacketBatch, timeMs: number): void {
    if (timeMs >= this.#reportedAt && timeMs - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = timeMs;
    const { ssrc, epochMs } = this.#options;
    const wallMs = epochMs + timeMs;
    const seconds = Math.floor(wallMs / 1000);
    const fraction = Math.floor((wallMs - seconds * 1000) * 4_294_967.296);
    const rtcp = this.#rtcp;
    rtcp.reset();
    rtcp.senderReport(
      ssrc,
      (seconds + NTP_OFFSET_S) >>> 0,
      fraction >>> 0,
      this.#timestamp(timeMs),
      this.#packets,
      this.#octets,
    );
    batch.reserve(rtcp.length).set(rtcp.bytes.subarray(0, rtcp.length));
  }

  #timestamp(timeMs: number): number {
    const { clockRate, firstTimestamp } = this.#options;
    const ticks = (firstTimestamp + Math.round(timeMs * clockRate / 1000)) % 0x1_0000_0000;
    return ticks < 0 ? ticks + 0x1_0000_0000 : ticks;
  }
}
