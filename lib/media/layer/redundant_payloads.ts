/**
 * Redundant audio (RFC 2198 §3) made of one layer's packets, once for all subscribers that want it:
 * out of bare frames with copies of the two before, or out of redundant ones whose frames have
 * another payload type there, or that are to have two copies, too.
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
/** Marks payloads to which copies were added, beside the payload type of their frames. */
const IS_MORE = 0x80;
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
  /** Payload type of the frames, and whether copies were added. */
  readonly #keys = new Uint8Array(SLOTS);
  readonly #lengths = new Uint16Array(SLOTS);
  readonly #view = new RtpView();
  readonly #red = new RedPayload();
  /** Of a packet before. */
  readonly #redBefore = new RedPayload();
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
    return this.#make(seq, frameType, frameType, copies, view, view.payloadOffset);
  }

  /**
   * Makes of a redundant payload one that has two copies, as far as the frames are known: its own,
   * and older ones of the packets before.
   *
   * @param sourceType Payload type of all frames.
   * @param frameType What it is called in the new payload.
   * @returns `false` if it is malformed, or holds something else than that.
   */
  add(
    cache: PacketCache,
    packet: AudioPacket,
    sourceType: number,
    frameType: number,
  ): boolean {
    const { seq, view } = packet;
    if (this.#isThere(seq, frameType | IS_MORE)) return true;
    const red = this.#red;
    const { bytes, payloadOffset, payloadLength } = view;
    if (!red.parse(bytes, payloadOffset, payloadLength)) return false;
    if (!isOf(sourceType, bytes, payloadOffset, red)) return false;
    let copies = 0;
    let left = MOST_BYTES - red.primaryLength - 1;
    // What its sender left out is not known to be a frame: nothing older is looked for behind it.
    for (let back = 1; back <= red.copies && red.lengthOf(back) > 0; back++) {
      if (back > MOST_COPIES) return this.translate(packet, sourceType, frameType);
      left -= red.lengthOf(back) + 4;
      if (left < 0) break;
      this.#note(copies++, red.ageOf(back), bytes, red.offsetOf(back), red.lengthOf(back));
    }
    if (copies === red.copies) copies = this.#addOlder(cache, packet, sourceType, copies, left);
    return this.#make(seq, frameType, frameType | IS_MORE, copies, view, red.primaryOffset);
  }

  /** @param copies So many are noted. @returns The same with those that were found. */
  #addOlder(
    cache: PacketCache,
    { seq, view }: AudioPacket,
    sourceType: number,
    copies: number,
    left: number,
  ): number {
    const before = this.#view;
    const red = this.#redBefore;
    for (; copies < MOST_COPIES; copies++) {
      // The frame by itself, or where its packet did not come, the copy behind it.
      let back = 0;
      let slot = cache.find(seq - copies - 1);
      if (slot < 0 && copies > 0) slot = cache.find(seq - copies - 1 + ++back);
      if (slot < 0 || !before.wrap(cache.slotBytes(slot), cache.lengthOf(slot))) break;
      const { bytes, payloadOffset, payloadLength } = before;
      if (before.payloadType !== view.payloadType) break;
      if (!red.parse(bytes, payloadOffset, payloadLength) || red.copies < back) break;
      if (!isOf(sourceType, bytes, payloadOffset, red)) break;
      const size = back === 0 ? red.primaryLength : red.lengthOf(back);
      const copyAge = back === 0 ? 0 : red.ageOf(back);
      const age = ((view.timestamp - before.timestamp) >>> 0) + copyAge;
      const newerAge = copies === 0 ? 0 : this.#ages[copies - 1]!;
      left -= size + 4;
      if (size === 0 || size > MOST_COPY_BYTES || left < 0) break;
      if (age <= newerAge || age > MOST_AGE) break;
      const at = back === 0 ? red.primaryOffset : red.offsetOf(back);
      this.#note(copies, age, bytes, at, size);
    }
    return copies;
  }

  #note(i: number, age: number, from: Uint8Array, at: number, size: number): void {
    this.#ages[i] = age;
    this.#sizes[i] = size;
    this.#sources[i] = from;
    this.#offsets[i] = at;
  }

  /** Writes the copies that are noted, and behind them the rest of a packet from its frame on. */
  #make(
    seq: number,
    frameType: number,
    key: number,
    copies: number,
    view: RtpView,
    frameAt: number,
  ): boolean {
    const frameBytes = view.payloadOffset + view.payloadLength - frameAt;
    let copied = 0;
    for (let i = 0; i < copies; i++) copied += this.#sizes[i]!;
    const total = 4 * copies + 1 + copied + frameBytes;
    if (total > SLOT_BYTES) return false;
    this.#begin(seq, key, total);
    let at = writeRedHeaders(this.bytes, this.at, frameType, copies, this.#ages, this.#sizes);
    for (let i = copies - 1; i >= 0; i--) {
      at = this.#copy(this.#sources[i]!, this.#offsets[i]!, this.#sizes[i]!, at);
    }
    this.#copy(view.bytes, frameAt, frameBytes, at);
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
    if (!isOf(sourceType, bytes, payloadOffset, red)) return false;
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
      this.#note(copies++, age, before.bytes, before.payloadOffset, size);
    }
    return copies;
  }

  #isThere(seq: number, key: number): boolean {
    const slot = seq & (SLOTS - 1);
    if (this.#seq[slot] !== seq || this.#keys[slot] !== key) return false;
    this.at = slot * SLOT_BYTES;
    this.length = this.#lengths[slot]!;
    return true;
  }

  #begin(seq: number, key: number, length: number): void {
    if (this.bytes === NO_BYTES) this.bytes = new Uint8Array(SLOTS * SLOT_BYTES);
    const slot = seq & (SLOTS - 1);
    this.#seq[slot] = seq;
    this.#keys[slot] = key;
    this.#lengths[slot] = this.length = length;
    this.at = slot * SLOT_BYTES;
  }

  #copy(from: Uint8Array, fromAt: number, length: number, at: number): number {
    const { bytes } = this;
    for (let i = 0; i < length; i++) bytes[at + i] = from[fromAt + i]!;
    return at + length;
  }
}

/** Whether all frames of a redundant payload have one payload type. */
function isOf(type: number, bytes: Uint8Array, at: number, { copies }: RedPayload): boolean {
  for (let i = 0; i <= copies; i++) if ((bytes[at + 4 * i]! & 0x7f) !== type) return false;
  return true;
}
