/**
 * H.264 access units out of RTP (RFC 6184): single units, STAP-A and FU-A, which is all that
 * browsers send. Units get their length in front of them, as files have them.
 *
 * @module
 */
import { readUint16 } from "../../wire/big_endian.ts";
import { CODEC } from "../../wire/key_frame.ts";
import { MAX_UNITS_IN_PACKET } from "./encoded_frame.ts";
import { MarkedFrames, ParameterSet } from "./marked_frames.ts";

const IDR = 5;
const SPS = 7;
const PPS = 8;
const DELIMITER = 9;
const STAP_A = 24;
const FU_A = 28;
const LENGTH_BYTES = 4;

/** Units of one timestamp, each behind its length. */
export class H264Frames extends MarkedFrames {
  /** Where the fragmented unit has its length, if there is one. */
  #fragmentAt = 0;
  readonly #sps = new ParameterSet();
  readonly #pps = new ParameterSet();

  protected get hasConfig(): boolean {
    return this.#sps.bytes !== undefined && this.#pps.bytes !== undefined;
  }

  protected readConfig(): Uint8Array<ArrayBuffer> {
    const sps = this.#sps.bytes!;
    this.readSize(CODEC.h264, sps);
    return avcConfig(sps, this.#pps.bytes!);
  }

  protected take(bytes: Uint8Array, from: number, end: number): boolean {
    if (end - from < 2) return false;
    const type = bytes[from]! & 0x1f;
    if (type === FU_A) return this.#takeFragment(bytes, from, end);
    if (this.hasFragment) return false;
    if (type === STAP_A) {
      for (let at = from + 1, units = 0; at < end; units++) {
        const size = readUint16(bytes, at);
        if (units >= MAX_UNITS_IN_PACKET || size === 0 || at + 2 + size > end) return false;
        this.#takeUnit(bytes, at + 2, at + 2 + size);
        at += 2 + size;
      }
      return true;
    }
    if (type === 0 || type > STAP_A) return false;
    this.#takeUnit(bytes, from, end);
    return true;
  }

  #takeUnit(bytes: Uint8Array, from: number, end: number): void {
    this.#note(bytes[from]! & 0x1f, bytes, from, end);
    if ((bytes[from]! & 0x1f) === DELIMITER) return;
    this.frame.appendUint32(end - from);
    this.frame.append(bytes, from, end);
  }

  #takeFragment(bytes: Uint8Array, from: number, end: number): boolean {
    if (end - from < 3) return false;
    const flags = bytes[from + 1]!;
    const isFirst = (flags & 0x80) !== 0;
    if (isFirst === this.hasFragment) return false;
    if (isFirst) {
      this.hasFragment = true;
      this.#fragmentAt = this.frame.length;
      this.frame.appendUint32(0);
      this.frame.appendByte((bytes[from]! & 0xe0) | (flags & 0x1f));
      if ((flags & 0x1f) === IDR) this.isKey = true;
    }
    this.frame.append(bytes, from + 2, end);
    if ((flags & 0x40) === 0 || this.frame.overflowed) return true;
    const { view } = this.frame;
    const at = this.#fragmentAt;
    this.hasFragment = false;
    new DataView(view.buffer, view.byteOffset).setUint32(at, view.length - at - LENGTH_BYTES);
    this.#note(view[at + LENGTH_BYTES]! & 0x1f, view, at + LENGTH_BYTES, view.length);
    return true;
  }

  #note(type: number, bytes: Uint8Array, from: number, end: number): void {
    if (type === IDR) this.isKey = true;
    if (type !== SPS && type !== PPS) return;
    // What senders begin a key frame with.
    if (type === SPS) this.seeStart();
    if (end - from >= 4) this.note(type === SPS ? this.#sps : this.#pps, bytes, from, end);
  }
}

/** `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1). */
function avcConfig(sps: Uint8Array, pps: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = (count: number) => [count >> 8, count & 0xff];
  const isHigh = [100, 110, 122, 144].includes(sps[1]!);
  return Uint8Array.from([
    ...[1, sps[1]!, sps[2]!, sps[3]!, 0xfc | (LENGTH_BYTES - 1), 0xe1],
    ...[...size(sps.length), ...sps, 1, ...size(pps.length), ...pps],
    // Chroma 4:2:0 and 8 bits, which is what WebRTC has of these profiles.
    ...(isHigh ? [0xfd, 0xf8, 0xf8, 0] : []),
  ]);
}
