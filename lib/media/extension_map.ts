/**
 * Which header extensions of the publisher reach a subscriber, and under which id, worked out once
 * when the two are joined. What describes the publisher's own transport (mid, rid, transport-wide
 * numbers) never passes; the subscriber's own is written instead.
 *
 * @module
 */
import { EXTENSION_URI, type HeaderExtension } from "../base/media_vocabulary.ts";
import { absSendTime, ExtensionWriter, needsTwoByteForm } from "../wire/header_extensions.ts";
import type { RtpView } from "../wire/rtp_view.ts";

/** Passed on unchanged when both sides negotiated them. */
const PASSED: readonly string[] = [
  EXTENSION_URI.dependencyDescriptor,
  EXTENSION_URI.absCaptureTime,
  EXTENSION_URI.playoutDelay,
  EXTENSION_URI.videoOrientation,
  EXTENSION_URI.audioLevel,
];
/** An id is one byte in the two-byte form; 0 is padding. */
const MAX_ID = 255;
const ABS_SEND_TIME_BYTES = 3;

/** The longest mid that is written; longer ones are left out (the SSRC names the section, too). */
const MAX_MID_BYTES = 16;

/** See the module text. */
export class ExtensionMap {
  readonly #from: Uint8Array;
  readonly #to: Uint8Array;
  readonly #mid: Uint8Array;
  readonly #midId: number;
  readonly #absSendTimeId: number;
  readonly #transportCcId: number;
  readonly #alwaysTwoByte: boolean;
  readonly #writer = new ExtensionWriter();

  /**
   * @param publisher What the publisher's section negotiated.
   * @param subscriber What the subscriber's section negotiated.
   * @param mid The subscriber's section.
   */
  constructor(
    publisher: readonly HeaderExtension[],
    subscriber: readonly HeaderExtension[],
    mid: string,
  ) {
    const from: number[] = [];
    const to: number[] = [];
    for (const uri of PASSED) {
      const source = idOf(publisher, uri);
      const target = idOf(subscriber, uri);
      if (source !== 0 && target !== 0) {
        from.push(source);
        to.push(target);
      }
    }
    this.#from = Uint8Array.from(from);
    this.#to = Uint8Array.from(to);
    this.#mid = new TextEncoder().encode(mid);
    const midFits = this.#mid.length > 0 && this.#mid.length <= MAX_MID_BYTES;
    this.#midId = midFits ? idOf(subscriber, EXTENSION_URI.mid) : 0;
    this.#absSendTimeId = idOf(subscriber, EXTENSION_URI.absSendTime);
    this.#transportCcId = idOf(subscriber, EXTENSION_URI.transportCc);
    this.#alwaysTwoByte = [this.#midId, this.#absSendTimeId, this.#transportCcId]
      .some((id) => id !== 0 && needsTwoByteForm(id, 1));
  }

  /** Whether packets carry transport-wide sequence numbers. */
  get usesTransportSequence(): boolean {
    return this.#transportCcId !== 0;
  }

  /**
   * Writes the extension block for a packet at `out[at…]`.
   *
   * @param transportSequence 16 bits, or -1 for none.
   * @returns Bytes written, a multiple of four; 0 for no block, then the X bit must be 0.
   */
  write(
    out: Uint8Array,
    at: number,
    source: RtpView,
    transportSequence: number,
    now: number,
  ): number {
    const writer = this.#writer;
    writer.begin(out, at, this.#needsTwoByte(source));
    if (this.#midId !== 0) {
      const mid = this.#mid;
      const value = writer.reserve(this.#midId, mid.length);
      for (let i = 0; i < mid.length; i++) out[value + i] = mid[i]!;
    }
    if (this.#absSendTimeId !== 0) {
      const time = absSendTime(now);
      const value = writer.reserve(this.#absSendTimeId, ABS_SEND_TIME_BYTES);
      out[value] = time >> 16;
      out[value + 1] = (time >> 8) & 0xff;
      out[value + 2] = time & 0xff;
    }
    if (this.#transportCcId !== 0 && transportSequence >= 0) {
      const value = writer.reserve(this.#transportCcId, 2);
      out[value] = transportSequence >> 8;
      out[value + 1] = transportSequence & 0xff;
    }
    const from = this.#from;
    for (let i = 0; i < from.length; i++) {
      const length = source.extensionLength(from[i]!);
      if (length === 0) continue;
      const start = source.extensionOffset(from[i]!);
      const value = writer.reserve(this.#to[i]!, length);
      for (let b = 0; b < length; b++) out[value + b] = source.bytes[start + b]!;
    }
    return writer.end();
  }

  #needsTwoByte(source: RtpView): boolean {
    if (this.#alwaysTwoByte) return true;
    const from = this.#from;
    for (let i = 0; i < from.length; i++) {
      const length = source.extensionLength(from[i]!);
      if (length !== 0 && needsTwoByteForm(this.#to[i]!, length)) return true;
    }
    return false;
  }
}

/** The id negotiated for `uri`, or 0. */
function idOf(extensions: readonly HeaderExtension[], uri: string): number {
  const id = extensions.find((extension) => extension.uri === uri)?.id ?? 0;
  return id > 0 && id <= MAX_ID ? id : 0;
}
