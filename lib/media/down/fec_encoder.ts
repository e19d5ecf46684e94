/**
 * Adds up the packets of one stream as they leave, and makes repair packets of the sums
 * (flexfec-03; see `lib/wire/flexfec.ts`): any one packet that is missing of a group can be made of
 * the others and its repair packet.
 *
 * Contract: what the connection numbers anew with each packet counts as zeros, as libwebrtc's
 * receivers have it (`RtpPacket::ZeroMutableExtensions`). Memory is fixed, no method allocates.
 *
 * @module
 */
import {
  MOST_HEADER_BYTES,
  MOST_PROTECTED,
  RECOVERY_BYTES,
  writeFlexfecHeader,
} from "../../wire/flexfec.ts";

/** What is not added up of a packet but for its recovery fields. */
const FIXED_HEADER_BYTES = 12;
/** Longest that a repair packet's sum may be, bytes: with its headers it has to fit a packet. */
const MOST_BODY_BYTES = 1_440;

/** A packet as it was written: a header in `out`, and a payload of which a part is elsewhere. */
export interface ProtectedPacket {
  /** Bytes of `out` that are the packet's. */
  readonly written: number;
  readonly source: Uint8Array;
  readonly sourceAt: number;
  readonly sourceLength: number;
}

/** One stream's group of packets. */
export class FecEncoder {
  /** The finished repair packet's payload is `bytes[at, at + length)`. */
  readonly bytes: Uint8Array = new Uint8Array(MOST_HEADER_BYTES + MOST_BODY_BYTES);
  at = 0;
  length = 0;
  /** Packets in the group. */
  count = 0;
  readonly #ssrc: number;
  readonly #recovery = new Uint8Array(RECOVERY_BYTES);
  readonly #offsets = new Uint8Array(MOST_PROTECTED);
  #base = 0;
  /** The longest packet's, without its fixed header. */
  #bodyLength = 0;

  /** @param ssrc The protected stream's. */
  constructor(ssrc: number) {
    this.#ssrc = ssrc;
  }

  /**
   * Adds a packet to the group.
   *
   * @param sequence Extended; of a group each is higher than the last.
   * @param numberAt Where in `out` two bytes of transport-wide number are; negative if nowhere.
   * @param timeAt Where three bytes of a sending time are; negative if nowhere.
   * @returns `false` if it cannot be protected together with those that are there.
   */
  add(
    sequence: number,
    out: Uint8Array,
    packet: ProtectedPacket,
    numberAt: number,
    timeAt: number,
  ): boolean {
    const { written, source, sourceAt, sourceLength } = packet;
    const length = written - FIXED_HEADER_BYTES + sourceLength;
    if (length > MOST_BODY_BYTES) return false;
    if (this.count === 0) this.#begin(sequence);
    const offset = sequence - this.#base;
    const last = this.count === 0 ? -1 : this.#offsets[this.count - 1]!;
    if (offset <= last || offset >= MOST_PROTECTED) return false;
    this.#offsets[this.count++] = offset;
    this.#addRecovery(out, length);
    this.#grow(length);
    const { bytes } = this;
    let at = MOST_HEADER_BYTES;
    for (let i = FIXED_HEADER_BYTES; i < written; i++) bytes[at++]! ^= out[i]!;
    if (numberAt >= 0) this.#leaveOut(out, numberAt, 2);
    if (timeAt >= 0) this.#leaveOut(out, timeAt, 3);
    for (let i = 0; i < sourceLength; i++) bytes[at + i]! ^= source[sourceAt + i]!;
    return true;
  }

  /** Ends the group, whose repair packet then is at `at`; `false` if there is none. */
  finish(): boolean {
    if (this.count === 0) return false;
    const { bytes } = this;
    const offsets = this.#offsets;
    // The header stands right in front of the sum, and is as long as its mask needs.
    const needed = writeFlexfecHeader(bytes, 0, this.#ssrc, this.#base, offsets, this.count);
    this.at = MOST_HEADER_BYTES - needed;
    if (this.at > 0) {
      writeFlexfecHeader(bytes, this.at, this.#ssrc, this.#base, offsets, this.count);
    }
    for (let i = 0; i < RECOVERY_BYTES; i++) bytes[this.at + i] = this.#recovery[i]!;
    // Two bits of the first byte say something else here: those of the version.
    bytes[this.at]! &= 0x3f;
    this.length = needed + this.#bodyLength;
    this.count = 0;
    return true;
  }

  /** Forgets the group. */
  reset(): void {
    this.count = 0;
  }

  #begin(sequence: number): void {
    this.#base = sequence;
    this.#bodyLength = 0;
    this.#recovery.fill(0);
  }

  /** Makes room for a longer packet: the sum goes on with zeros. */
  #grow(length: number): void {
    if (length <= this.#bodyLength) return;
    this.bytes.fill(0, MOST_HEADER_BYTES + this.#bodyLength, MOST_HEADER_BYTES + length);
    this.#bodyLength = length;
  }

  #addRecovery(out: Uint8Array, length: number): void {
    const sum = this.#recovery;
    sum[0]! ^= out[0]!;
    sum[1]! ^= out[1]!;
    sum[2]! ^= length >> 8;
    sum[3]! ^= length & 0xff;
    for (let i = 4; i < RECOVERY_BYTES; i++) sum[i]! ^= out[i]!;
  }

  #leaveOut(out: Uint8Array, from: number, length: number): void {
    const at = MOST_HEADER_BYTES - FIXED_HEADER_BYTES;
    for (let i = from; i < from + length; i++) this.bytes[at + i]! ^= out[i]!;
  }
}
