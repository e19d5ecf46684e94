/**
 * Redundant audio (RFC 2198 §3) made of one layer's packets, once for all subscribers that want it:
 * out of bare frames with copies of the two before, or out of redundant ones whose frames have
 * another payload type there.
 *
 * Contract: a payload is what its packet and those cached before it say when it is first asked for;
 * later it is the same. Memory is fixed once it is used, and nothing is allocated per packet.
 *
 * @module
 */
import { RedPayload, writeRedHeaders } from "../../wire/red_payload.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import type { PacketCache } from "./packet_cache.ts";

/** As libwebrtc and LiveKit's server have it: two losses in a row are recovered. */
const MOST_COPIES = 2;
/** A copy's length has 10 bits, its age 14 (RFC 2198 §3). */
const MOST_COPY_BYTES = 0x3ff;
const MOST_AGE = 0x3fff;
/**
 * A payload with copies is no longer than this, bytes: with all headers it has to fit into any
 * path. One without may be as long as its packet.
 */
const MOST_BYTES = 1_150;
const SLOT_BYTES = 1_536;
/** Payloads remembered, a power of two: a batch rarely brings more of one track. */
const SLOTS = 4;
const NO_BYTES = new Uint8Array(0);

/** A packet as far as its payload goes. */
export interface AudioPacket {
  /** Extended. */
  readonly seq: number;
  readonly view: RtpView;
}

/** One layer's redundant payloads, valid until a few more were made. */
export class RedundantPayloads {
  /** The payload made last is `bytes[at, at + length)`. */
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  length = 0;
  readonly #seq = new Float64Array(SLOTS).fill(-1);
  readonly #frameType = new Uint8Array(SLOTS);
  readonly #lengths = new Uint16Array(SLOTS);
  readonly #view = new RtpView();
  readonly #red = new RedPayload();
  // Of the copies, the newest first.
  readonly #ages = new Uint32Array(MOST_COPIES);
  readonly #sizes = new Uint32Array(MOST_COPIES);
  readonly #sources: Uint8Array[] = [NO_BYTES, NO_BYTES];
  readonly #offsets = new Uint32Array(MOST_COPIES);

  /**
   * Makes the payload of a bare frame.
   *
   * @param sourceType Payload type of the frame and of those that may be copied.
   * @param frameType What it is called in the new payload.
   * @returns `false` if it is too long.
   */
  wrap(
    cache: PacketCache,
    { seq, view }: AudioPacket,
    sourceType: number,
    frameType: number,
  ): boolean {
    if (this.#isThere(seq, frameType)) return true;
    const copies = this.#findCopies(cache, seq, view, sourceType);
    let copied = 0;
    for (let i = 0; i < copies; i++) copied += this.#sizes[i]!;
    const total = 4 * copies + 1 + copied + view.payloadLength;
    if (total > SLOT_BYTES) return false;
    this.#begin(seq, frameType, total);
    let at = writeRedHeaders(this.bytes, this.at, frameType, copies, this.#ages, this.#sizes);
    for (let i = copies - 1; i >= 0; i--) {
      at = this.#copy(this.#sources[i]!, this.#offsets[i]!, this.#sizes[i]!, at);
    }
    this.#copy(view.bytes, view.payloadOffset, view.payloadLength, at);
    return true;
  }

  /**
   * Makes the payload of a redundant one in which frames have another payload type.
   *
   * @returns `false` if it is malformed, or holds something else than that.
   */
  translate({ seq, view }: AudioPacket, sourceType: number, frameType: number): boolean {
    if (this.#isThere(seq, frameType)) return true;
    const { bytes, payloadOffset, payloadLength } = view;
    const red = this.#red;
    if (!red.parse(bytes, payloadOffset, payloadLength) || payloadLength > SLOT_BYTES) return false;
    for (let i = 0; i <= red.copies; i++) {
      if ((bytes[payloadOffset + 4 * i]! & 0x7f) !== sourceType) return false;
    }
    this.#begin(seq, frameType, payloadLength);
    this.#copy(bytes, payloadOffset, payloadLength, this.at);
    for (let i = 0; i <= red.copies; i++) {
      this.bytes[this.at + 4 * i] = (i < red.copies ? 0x80 : 0) | frameType;
    }
    return true;
  }

  /** Finds what may be copied in front of a frame: nothing behind a gap, or that is too old. */
  #findCopies(cache: PacketCache, seq: number, view: RtpView, sourceType: number): number {
    const before = this.#view;
    let left = MOST_BYTES - view.payloadLength - 1;
    let copies = 0;
    while (copies < MOST_COPIES) {
      const slot = cache.find(seq - copies - 1);
      if (slot < 0 || !before.wrap(cache.slotBytes(slot), cache.lengthOf(slot))) break;
      const age = (view.timestamp - before.timestamp) >>> 0;
      const size = before.payloadLength;
      left -= size + 4;
      if (before.payloadType !== sourceType || size === 0 || size > MOST_COPY_BYTES) break;
      if (age === 0 || age > MOST_AGE || left < 0) break;
      this.#ages[copies] = age;
      this.#sizes[copies] = size;
      this.#sources[copies] = before.bytes;
      this.#offsets[copies] = before.payloadOffset;
      copies++;
    }
    return copies;
  }

  #isThere(seq: number, frameType: number): boolean {
    const slot = seq & (SLOTS - 1);
    if (this.#seq[slot] !== seq || this.#frameType[slot] !== frameType) return false;
    this.at = slot * SLOT_BYTES;
    this.length = this.#lengths[slot]!;
    return true;
  }

  #begin(seq: number, frameType: number, length: number): void {
    if (this.bytes === NO_BYTES) this.bytes = new Uint8Array(SLOTS * SLOT_BYTES);
    const slot = seq & (SLOTS - 1);
    this.#seq[slot] = seq;
    this.#frameType[slot] = frameType;
    this.#lengths[slot] = this.length = length;
    this.at = slot * SLOT_BYTES;
  }

  #copy(from: Uint8Array, fromAt: number, length: number, at: number): number {
    const { bytes } = this;
    for (let i = 0; i < length; i++) bytes[at + i] = from[fromAt + i]!;
    return at + length;
  }
}
