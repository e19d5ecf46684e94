/**
 * Which header extensions of the publisher reach a subscriber, and under which id, worked out once
 * when the two are joined. What describes the publisher's own transport (mid, rid, transport-wide
 * numbers) never passes; the subscriber's own is written instead.
 *
 * @module
 */
import { EXTENSION_URI, type HeaderExtension } from "../../base/media_vocabulary.ts";
import { NOT_NUMBERED, type PacketSink } from "../../base/packet_sink.ts";
import {
  activeTargetsLength,
  addToFrameNumber,
  MANDATORY_BYTES,
  takesActiveTargets,
  writeActiveTargets,
} from "../../wire/dependency_descriptor.ts";
import { absSendTime, ExtensionWriter, needsTwoByteForm } from "../../wire/header_extensions.ts";
import { RtpView } from "../../wire/rtp_view.ts";

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
const PLAYOUT_DELAY_BYTES = 3;

/** A packet without extensions, and room for all that is written of our own. */
const BARE = new RtpView();
const OWN_BYTES = 64;

/** The longest mid that is written; longer ones are left out (the SSRC names the section, too). */
const MAX_MID_BYTES = 16;

/**
 * The extensions of one publisher for one subscriber, fixed when made: `write` looks nothing up by
 * name and never passes on what describes the publisher's transport.
 */
export class ExtensionMap {
  readonly #from: Uint8Array;
  readonly #to: Uint8Array;
  /** Publisher's id of the dependency descriptor if it is passed, else 0. */
  readonly #descriptorId: number;
  readonly #mid: Uint8Array;
  readonly #midId: number;
  readonly #absSendTimeId: number;
  readonly #transportCcId: number;
  /** Where we say how long to wait, else 0. */
  readonly #playoutDelayId: number;
  readonly #alwaysTwoByte: boolean;
  /** Bit `1 << id` for each of the publisher's that are passed. */
  readonly #passed: number;
  /**
   * What is written where the publisher's packet has none of these: the same but for the number,
   * which stands at `#plainNumberAt`. Absent where the time is written.
   */
  readonly #plain: Uint8Array | undefined;
  readonly #plainNumberAt: number;
  /** The same for a packet without a number. */
  readonly #skipped: Uint8Array | undefined;
  /** Where the transport-wide number and the time of sending were written last; -1: nowhere. */
  numberAt = -1;
  timeAt = -1;
  readonly #writer = new ExtensionWriter();

  /**
   * @param publisher What the publisher's section negotiated.
   * @param subscriber What the subscriber's section negotiated.
   * @param mid The subscriber's section.
   * @param setsDelay We say how long the subscriber is to wait, whatever the publisher says.
   */
  constructor(
    publisher: readonly HeaderExtension[],
    subscriber: readonly HeaderExtension[],
    mid: string,
    setsDelay = false,
  ) {
    const from: number[] = [];
    const to: number[] = [];
    for (const uri of PASSED) {
      const source = idOf(publisher, uri);
      const target = idOf(subscriber, uri);
      const isOurs = setsDelay && uri === EXTENSION_URI.playoutDelay;
      if (source !== 0 && target !== 0 && !isOurs) {
        from.push(source);
        to.push(target);
      }
    }
    this.#from = Uint8Array.from(from);
    this.#to = Uint8Array.from(to);
    const descriptorId = idOf(publisher, EXTENSION_URI.dependencyDescriptor);
    this.#descriptorId = from.includes(descriptorId) ? descriptorId : 0;
    this.#mid = new TextEncoder().encode(mid);
    const midFits = this.#mid.length > 0 && this.#mid.length <= MAX_MID_BYTES;
    this.#midId = midFits ? idOf(subscriber, EXTENSION_URI.mid) : 0;
    this.#transportCcId = idOf(subscriber, EXTENSION_URI.transportCc);
    // Who tells when each numbered packet came measures nothing by its time.
    const numbered = this.#transportCcId !== 0;
    this.#absSendTimeId = numbered ? 0 : idOf(subscriber, EXTENSION_URI.absSendTime);
    this.#playoutDelayId = setsDelay ? idOf(subscriber, EXTENSION_URI.playoutDelay) : 0;
    const ids = [this.#midId, this.#absSendTimeId, this.#transportCcId, this.#playoutDelayId];
    this.#alwaysTwoByte = ids
      .some((id) => id !== 0 && needsTwoByteForm(id, 1));
    this.#passed = from.reduce((mask, id) => id < 32 ? mask | 1 << id : mask, 0);
    const own = new Uint8Array(OWN_BYTES);
    const bare = own.slice(0, this.#writeEach(own, 0, BARE, NOT_NUMBERED, 0, -1, 0, -1, 0));
    this.#skipped = this.#absSendTimeId === 0 ? bare : undefined;
    const length = this.#writeEach(own, 0, BARE, numbered ? 0 : NOT_NUMBERED, 0, -1, 0, -1, 0);
    this.#plain = this.#absSendTimeId === 0 ? own.slice(0, length) : undefined;
    this.#plainNumberAt = this.numberAt;
  }

  /** The transport-wide number of a packet that leaves now, as {@linkcode PacketSink} has it. */
  takeNumber(sink: PacketSink, now: number): number {
    return this.#transportCcId === 0 ? NOT_NUMBERED : sink.nextTransportSequence(now);
  }

  /**
   * Writes the extension block for a packet at `out[at…]`.
   *
   * @param transportSequence 16 bits, or negative for none.
   * @param activeTargets Decode targets that the dependency descriptor shall say are sent, as a
   *   mask; -1 to leave it as it is.
   * @param targetCount Decode targets there are; read only with a mask.
   * @param playoutDelay 24 bits, or -1 for none.
   * @param frameOffset What is added to the number of the frame in the dependency descriptor.
   * @returns Bytes written, a multiple of four; 0 for no block, then the X bit must be 0.
   */
  write(
    out: Uint8Array,
    at: number,
    source: RtpView,
    transportSequence: number,
    now: number,
    activeTargets = -1,
    targetCount = 0,
    playoutDelay = -1,
    frameOffset = 0,
  ): number {
    const isNumbered = this.#transportCcId !== 0 && transportSequence >= 0;
    const plain = isNumbered ? this.#plain : this.#skipped;
    if (
      plain === undefined || activeTargets !== -1 ||
      (playoutDelay >= 0 && this.#playoutDelayId !== 0) || source.hasAnyExtension(this.#passed)
    ) {
      return this.#writeEach(
        out,
        at,
        source,
        transportSequence,
        now,
        activeTargets,
        targetCount,
        playoutDelay,
        frameOffset,
      );
    }
    for (let i = 0; i < plain.length; i++) out[at + i] = plain[i]!;
    this.numberAt = this.timeAt = -1;
    if (isNumbered) {
      const value = this.numberAt = at + this.#plainNumberAt;
      out[value] = transportSequence >> 8;
      out[value + 1] = transportSequence & 0xff;
    }
    return plain.length;
  }

  /** Looks at each extension there may be. */
  #writeEach(
    out: Uint8Array,
    at: number,
    source: RtpView,
    transportSequence: number,
    now: number,
    activeTargets: number,
    targetCount: number,
    playoutDelay: number,
    frameOffset: number,
  ): number {
    const writer = this.#writer;
    this.numberAt = this.timeAt = -1;
    const rewritten = activeTargets === -1 ? 0 : this.#rewritable(source);
    writer.begin(out, at, this.#needsTwoByte(source, rewritten, targetCount));
    if (this.#midId !== 0) {
      const mid = this.#mid;
      const value = writer.reserve(this.#midId, mid.length);
      for (let i = 0; i < mid.length; i++) out[value + i] = mid[i]!;
    }
    if (this.#absSendTimeId !== 0) {
      const time = absSendTime(now);
      const value = this.timeAt = writer.reserve(this.#absSendTimeId, ABS_SEND_TIME_BYTES);
      out[value] = time >> 16;
      out[value + 1] = (time >> 8) & 0xff;
      out[value + 2] = time & 0xff;
    }
    if (this.#playoutDelayId !== 0 && playoutDelay >= 0) {
      const value = writer.reserve(this.#playoutDelayId, PLAYOUT_DELAY_BYTES);
      out[value] = playoutDelay >> 16;
      out[value + 1] = (playoutDelay >> 8) & 0xff;
      out[value + 2] = playoutDelay & 0xff;
    }
    if (this.#transportCcId !== 0 && transportSequence >= 0) {
      const value = this.numberAt = writer.reserve(this.#transportCcId, 2);
      out[value] = transportSequence >> 8;
      out[value + 1] = transportSequence & 0xff;
    }
    const from = this.#from;
    for (let i = 0; i < from.length; i++) {
      const length = source.extensionLength(from[i]!);
      if (length === 0) continue;
      const start = source.extensionOffset(from[i]!);
      const { bytes } = source;
      if (from[i] === rewritten) {
        const longer = activeTargetsLength(bytes, start, length, targetCount);
        const value = writer.reserve(this.#to[i]!, longer);
        writeActiveTargets(out, value, bytes, start, length, activeTargets, targetCount);
        if (frameOffset !== 0) addToFrameNumber(out, value, frameOffset);
        continue;
      }
      const value = writer.reserve(this.#to[i]!, length);
      for (let b = 0; b < length; b++) out[value + b] = bytes[start + b]!;
      if (frameOffset === 0 || from[i] !== this.#descriptorId) continue;
      if (length >= MANDATORY_BYTES) addToFrameNumber(out, value, frameOffset);
    }
    return writer.end();
  }

  /** The publisher's id of a dependency descriptor that can announce decode targets, or 0. */
  #rewritable(source: RtpView): number {
    const id = this.#descriptorId;
    if (id === 0) return 0;
    const length = source.extensionLength(id);
    return takesActiveTargets(source.bytes, source.extensionOffset(id), length) ? id : 0;
  }

  #needsTwoByte(source: RtpView, rewritten: number, targetCount: number): boolean {
    if (this.#alwaysTwoByte) return true;
    const from = this.#from;
    for (let i = 0; i < from.length; i++) {
      let length = source.extensionLength(from[i]!);
      if (from[i] === rewritten && length !== 0) {
        const start = source.extensionOffset(rewritten);
        length = activeTargetsLength(source.bytes, start, length, targetCount);
      }
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
