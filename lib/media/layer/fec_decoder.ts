/**
 * Makes packets that one stream lost of those that came and of repair packets (flexfec-03; see
 * `lib/wire/flexfec.ts`).
 *
 * Contract: a packet is made when it is the only one missing of those that a repair packet
 * protects, and only as long as it may still be admitted. What its sender numbers anew with each
 * packet is zeros in it. Memory is fixed once a repair packet came; nothing is allocated per
 * packet, and nothing that comes from outside makes more than a wrong packet of its own stream. A
 * repair packet of which two packets are missing costs a look at those two per packet that comes,
 * however many it protects.
 *
 * @module
 */
import { FlexfecHeader } from "../../wire/flexfec.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import { extendSeq, type ExtSeq } from "../../wire/seq.ts";
import { type PacketCache, SLOT_BYTES } from "./packet_cache.ts";

const FIXED_HEADER_BYTES = 12;
/** Repair packets kept: of 15 % of loss and groups of three packets half a second. */
const KEPT = 32;
/** Packets that came so much later make a repair packet useless. */
const MOST_BEHIND = 400;
/**
 * Of so many packets in a row it is remembered which are not kept as they were sent, and so of no
 * use for making others: a power of two above {@linkcode MOST_BEHIND}.
 */
const CHANGED = 512;
const NO_BYTES = new Uint8Array(0);

/** A protected stream, as its decoder sees it. */
export interface FecStream {
  readonly ssrc: number;
  /** Packets that came, by extended number. */
  readonly cache: PacketCache;
  /** The highest that came. */
  readonly highest: ExtSeq;
}

/** One stream's repair packets. */
export class FecDecoder {
  /** The packet made last is `bytes[0, length)`. */
  bytes: Uint8Array = NO_BYTES;
  length = 0;
  /** Ids of extensions that count as zeros, 0 for none: they are filled in as packets leave. */
  readonly #mutable: readonly number[];
  readonly #header = new FlexfecHeader();
  readonly #view = new RtpView();
  /** Extended numbers, each in the place of its lowest bits. */
  readonly #changed = new Float64Array(CHANGED).fill(-1);
  // Repair packets, made at the first one.
  #store = NO_BYTES;
  #lengths = new Uint16Array(0);
  /** Extended numbers that the masks begin at; -1 for a free place. */
  #bases = new Float64Array(0);
  /** Two numbers of each that were missing at the last look; equal ones are none. */
  #missingFirst = new Float64Array(0);
  #missingSecond = new Float64Array(0);
  #next = 0;
  /** Places in use. */
  #count = 0;

  /** @param mutable Ids of extensions whose values are set as packets leave. */
  constructor(mutable: readonly number[]) {
    this.#mutable = mutable.filter((id) => id !== 0);
  }

  /** Whether any repair packet may still be of use. */
  get isWaiting(): boolean {
    return this.#count > 0;
  }

  /** A packet came that is not kept as it was sent: with padding, or as a retransmission. */
  noteChanged(seq: ExtSeq): void {
    this.#changed[seq & (CHANGED - 1)] = seq;
  }

  /**
   * Keeps a repair packet's payload.
   *
   * @returns `false` if it is none for this stream.
   */
  take(stream: FecStream, bytes: Uint8Array, at: number, length: number): boolean {
    const header = this.#header;
    if (length > SLOT_BYTES || !header.parse(bytes, at, length)) return false;
    if (header.ssrc !== stream.ssrc) return false;
    if (this.#store.length === 0) this.#allocate();
    const base = extendSeq(header.base, stream.highest);
    if (base < 0 || stream.highest - base > MOST_BEHIND) return true;
    const place = this.#next;
    this.#next = (place + 1) % KEPT;
    if (this.#bases[place]! < 0) this.#count++;
    this.#bases[place] = base;
    this.#missingFirst[place] = this.#missingSecond[place] = -1;
    this.#lengths[place] = length;
    const to = place * SLOT_BYTES;
    for (let i = 0; i < length; i++) this.#store[to + i] = bytes[at + i]!;
    return true;
  }

  /**
   * Makes one missing packet, if one can be made.
   *
   * @returns Its extended number; it is in `bytes` then. -1 if none can be.
   */
  recover(stream: FecStream): number {
    for (let place = 0; place < KEPT && this.#count > 0; place++) {
      const base = this.#bases[place]!;
      if (base < 0) continue;
      const missing = this.#missing(stream, place, base);
      if (missing === SEVERAL) continue;
      this.#free(place);
      if (missing !== NOTHING && this.#make(stream, place, base, missing)) return missing;
    }
    return -1;
  }

  /** Forgets everything: the stream began anew. */
  reset(): void {
    for (let place = 0; place < this.#bases.length; place++) this.#free(place);
  }

  #free(place: number): void {
    if (this.#bases[place]! < 0) return;
    this.#bases[place] = -1;
    this.#count--;
  }

  /** The one packet missing of those that a repair packet protects; its header is read for it. */
  #missing({ cache, highest }: FecStream, place: number, base: number): number {
    if (highest - base > MOST_BEHIND) return NOTHING;
    const first = this.#missingFirst[place]!;
    const second = this.#missingSecond[place]!;
    if (first !== second && cache.find(first) < 0 && cache.find(second) < 0) return SEVERAL;
    const header = this.#header;
    header.parse(this.#store, place * SLOT_BYTES, this.#lengths[place]!);
    let missing = NOTHING;
    for (let i = 0; i < header.count; i++) {
      const seq = base + header.offsets[i]!;
      if (this.#changed[seq & (CHANGED - 1)] === seq) return NOTHING;
      if (cache.find(seq) >= 0) continue;
      if (missing !== NOTHING) {
        this.#missingFirst[place] = missing;
        this.#missingSecond[place] = seq;
        return SEVERAL;
      }
      missing = seq;
    }
    return missing;
  }

  /** Makes `missing` of the repair packet whose header was read last; `false` if it is nonsense. */
  #make(stream: FecStream, place: number, base: number, missing: number): boolean {
    const header = this.#header;
    const from = place * SLOT_BYTES;
    const { bytes } = this;
    const body = this.#lengths[place]! - header.length;
    for (let i = 0; i < 8; i++) bytes[i] = this.#store[from + i]!;
    for (let i = 0; i < body; i++) {
      bytes[FIXED_HEADER_BYTES + i] = this.#store[from + header.length + i]!;
    }
    let length = (bytes[2]! << 8) | bytes[3]!;
    for (let i = 0; i < header.count; i++) {
      const seq = base + header.offsets[i]!;
      if (seq === missing) continue;
      const slot = stream.cache.find(seq);
      const packet = stream.cache.slotBytes(slot);
      const packetLength = stream.cache.lengthOf(slot);
      length ^= packetLength - FIXED_HEADER_BYTES;
      this.#subtract(packet, packetLength, body);
    }
    if (length > body) return false;
    this.length = FIXED_HEADER_BYTES + length;
    this.#writeHeader(stream.ssrc, missing);
    return this.#view.wrap(bytes, this.length) && this.#view.payloadLength > 0;
  }

  #subtract(packet: Uint8Array, length: number, body: number): void {
    const { bytes } = this;
    bytes[0]! ^= packet[0]!;
    bytes[1]! ^= packet[1]!;
    for (let i = 4; i < 8; i++) bytes[i]! ^= packet[i]!;
    const end = Math.min(length, FIXED_HEADER_BYTES + body);
    for (let i = FIXED_HEADER_BYTES; i < end; i++) bytes[i]! ^= packet[i]!;
    if (this.#mutable.length === 0 || !this.#view.wrap(packet, length)) return;
    for (let m = 0; m < this.#mutable.length; m++) {
      const id = this.#mutable[m]!;
      const at = this.#view.extensionOffset(id);
      const size = this.#view.extensionLength(id);
      for (let i = 0; i < size && at + i < end; i++) bytes[at + i]! ^= packet[at + i]!;
    }
  }

  #writeHeader(ssrc: number, seq: number): void {
    const { bytes } = this;
    bytes[0] = 0x80 | (bytes[0]! & 0x3f);
    bytes[2] = (seq >> 8) & 0xff;
    bytes[3] = seq & 0xff;
    bytes[8] = ssrc >>> 24;
    bytes[9] = ssrc >>> 16;
    bytes[10] = ssrc >>> 8;
    bytes[11] = ssrc;
  }

  #allocate(): void {
    this.bytes = new Uint8Array(FIXED_HEADER_BYTES + SLOT_BYTES);
    this.#store = new Uint8Array(KEPT * SLOT_BYTES);
    this.#lengths = new Uint16Array(KEPT);
    this.#bases = new Float64Array(KEPT).fill(-1);
    this.#missingFirst = new Float64Array(KEPT).fill(-1);
    this.#missingSecond = new Float64Array(KEPT).fill(-1);
  }
}

/** Of what a repair packet protects nothing is missing, or more than one. */
const NOTHING = -1;
const SEVERAL = -2;
