/**
 * AV1 temporal units out of RTP (RTP payload format for AV1, §4 and §5). Each unit gets its size,
 * as files have them; temporal delimiters are left out.
 *
 * @module
 */
import { CODEC } from "../../wire/key_frame.ts";
import { MAX_UNITS_IN_PACKET } from "./encoded_frame.ts";
import { GrowingBytes } from "./growing_bytes.ts";
import { MarkedFrames, ParameterSet } from "./marked_frames.ts";

const SEQUENCE_HEADER = 1;
const TEMPORAL_DELIMITER = 2;
const TILE_LIST = 8;
const HAS_EXTENSION = 0x04;
const HAS_SIZE = 0x02;
/** An aggregation header that says: one element, which fills the packet. */
const WHOLE_ELEMENT = 0x10;

/** Units of one timestamp, each with its length in it. */
export class Av1Frames extends MarkedFrames {
  readonly #unit = new GrowingBytes();
  readonly #sequence = new ParameterSet();

  protected get hasConfig(): boolean {
    return this.#sequence.bytes !== undefined;
  }

  protected readConfig(): Uint8Array<ArrayBuffer> {
    const sequence = this.#sequence.bytes!;
    this.readSize(CODEC.av1, Uint8Array.from([WHOLE_ELEMENT, ...sequence]));
    return av1Config(sequence);
  }

  protected take(bytes: Uint8Array, from: number, end: number): boolean {
    if (end - from < 2) return false;
    const header = bytes[from]!;
    const continues = (header & 0x80) !== 0;
    const isCut = (header & 0x40) !== 0;
    const count = (header >> 4) & 3;
    // Only the first packet of a key frame says so.
    if ((header & 0x08) !== 0) {
      this.isKey = true;
      this.seeStart();
    }
    if (continues !== this.hasFragment) return false;
    let at = from + 1;
    for (let element = 1; at < end; element++) {
      if (element > MAX_UNITS_IN_PACKET) return false;
      const isLast = element === count;
      let length = end - at;
      if (!isLast) {
        const size = readLeb128(bytes, at, end);
        if (size === undefined || size.next + size.value > end) return false;
        at = size.next;
        length = size.value;
      }
      if (element > 1 || !continues) this.#unit.clear();
      this.#unit.append(bytes, at, at + length);
      at += length;
      this.hasFragment = isCut && at >= end;
      if (!this.hasFragment && !this.#takeUnit()) return false;
      if (isLast && at < end) return false;
    }
    return true;
  }

  /** Puts the unit that is complete behind the others. */
  #takeUnit(): boolean {
    const { view: unit, length, overflowed } = this.#unit;
    if (overflowed || length === 0) return !overflowed;
    const head = unit[0]!;
    const type = (head >> 3) & 0x0f;
    let at = (head & HAS_EXTENSION) !== 0 ? 2 : 1;
    let end = length;
    if ((head & HAS_SIZE) !== 0) {
      const size = readLeb128(unit, at, length);
      if (size === undefined || size.next + size.value > length) return false;
      at = size.next;
      end = at + size.value;
    }
    if (at > end) return false;
    if (type === TEMPORAL_DELIMITER || type === TILE_LIST) return true;
    const start = this.frame.length;
    this.frame.appendByte(head | HAS_SIZE);
    if ((head & HAS_EXTENSION) !== 0) this.frame.appendByte(unit[1] ?? 0);
    for (let left = end - at;;) {
      this.frame.appendByte((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
      left >>>= 7;
      if (left === 0) break;
    }
    this.frame.append(unit, at, end);
    if (type !== SEQUENCE_HEADER) return true;
    const { view } = this.frame;
    this.note(this.#sequence, view, start, view.length);
    return true;
  }
}

/** `AV1CodecConfigurationRecord` (AV1 in ISOBMFF, §2.3) of 8 bits and 4:2:0, as calls have it. */
function av1Config(sequence: Uint8Array): Uint8Array<ArrayBuffer> {
  const at = (sequence[0]! & HAS_EXTENSION) !== 0 ? 2 : 1;
  const body = readLeb128(sequence, at, sequence.length)?.next ?? at;
  const profile = (sequence[body] ?? 0) >> 5;
  // The level of the first operating point stands behind more than this reads: 0 says nothing.
  return Uint8Array.from([0x81, profile << 5, 0x0c, 0, ...sequence]);
}

function readLeb128(
  bytes: Uint8Array,
  from: number,
  end: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let at = from, shift = 0; at < end && shift < 28; at++, shift += 7) {
    value |= (bytes[at]! & 0x7f) << shift;
    if ((bytes[at]! & 0x80) === 0) return { value, next: at + 1 };
  }
  return undefined;
}
