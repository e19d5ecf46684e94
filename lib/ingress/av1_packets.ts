/**
 * AV1 temporal units as RTP (RTP payload format for AV1, §4 and §5), out of the low-overhead format
 * (AV1 specification, §5.2), in which every unit has its size.
 *
 * @module
 */
import { MAX_PAYLOAD_BYTES } from "./made_packets.ts";

const UNIT = { sequenceHeader: 1, temporalDelimiter: 2, tileList: 8, padding: 15 } as const;
const HAS_EXTENSION = 0x04;
const HAS_SIZE = 0x02;
/** Units of one picture; a picture in tiles has some dozens. */
const MAX_UNITS = 256;
/** Less room than this in a packet is left. */
const LEAST_ROOM = 16;

/**
 * Payloads of one temporal unit, in order, each as parts to be joined.
 *
 * @param config The sequence header, for a key frame that comes without.
 * @returns `undefined` for what is malformed.
 */
export function av1Payloads(
  bytes: Uint8Array,
  isKey: boolean,
  config: Uint8Array,
): readonly (readonly Uint8Array[])[] | undefined {
  const units = av1Units(bytes);
  if (units === undefined) return undefined;
  const hasHeader = units.some(({ head }) => ((head[0]! >> 3) & 0x0f) === UNIT.sequenceHeader);
  const extra = isKey && !hasHeader ? av1Units(config) ?? [] : [];
  const writer = new ElementWriter(isKey && (hasHeader || extra.length > 0));
  for (const unit of [...extra, ...units]) writer.put(unit);
  return writer.end();
}

interface Unit {
  /** The header, which says that there is no size. */
  readonly head: Uint8Array;
  readonly body: Uint8Array;
}

function av1Units(bytes: Uint8Array): Unit[] | undefined {
  const units: Unit[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    const kind = (first >> 3) & 0x0f;
    const headBytes = (first & HAS_EXTENSION) !== 0 ? 2 : 1;
    if (at + headBytes > bytes.length || units.length >= MAX_UNITS) return undefined;
    const head = bytes.slice(at, at + headBytes);
    head[0] = first & ~HAS_SIZE;
    at += headBytes;
    let end = bytes.length;
    if ((first & HAS_SIZE) !== 0) {
      const size = readSize(bytes, at);
      if (size === undefined || size.next + size.value > bytes.length) return undefined;
      at = size.next;
      end = at + size.value;
    }
    const isSent = kind !== UNIT.temporalDelimiter && kind !== UNIT.tileList &&
      kind !== UNIT.padding;
    if (isSent) units.push({ head, body: bytes.subarray(at, end) });
    at = end;
  }
  return units;
}

/** Fills packets with elements that each have their length. */
class ElementWriter {
  readonly #payloads: Uint8Array[][] = [];
  #parts: Uint8Array[] = [];
  #length = 1;
  #continues = false;

  constructor(readonly startsSequence: boolean) {}

  put({ head, body }: Unit): void {
    let left = head.length + body.length;
    for (let from = 0; left > 0;) {
      const room = MAX_PAYLOAD_BYTES - this.#length - 2;
      if (room < LEAST_ROOM) {
        this.#flush(false);
        continue;
      }
      const count = Math.min(left, room);
      this.#parts.push(sizeOf(count));
      if (from < head.length) this.#parts.push(head.subarray(from, from + count));
      const bodyFrom = Math.max(0, from - head.length);
      this.#parts.push(body.subarray(bodyFrom, from + count - head.length));
      this.#length += (count > 0x7f ? 2 : 1) + count;
      from += count;
      left -= count;
      if (left > 0) this.#flush(true);
    }
  }

  end(): readonly (readonly Uint8Array[])[] {
    if (this.#parts.length > 0) this.#flush(false);
    return this.#payloads;
  }

  /** @param isCut The last element goes on in the next packet. */
  #flush(isCut: boolean): void {
    const isFirst = this.#payloads.length === 0;
    const header = (this.#continues ? 0x80 : 0) | (isCut ? 0x40 : 0) |
      (isFirst && this.startsSequence ? 0x08 : 0);
    this.#payloads.push([Uint8Array.of(header), ...this.#parts]);
    this.#parts = [];
    this.#length = 1;
    this.#continues = isCut;
  }
}

/** Sizes within a packet, below 16,384. */
function sizeOf(value: number): Uint8Array {
  return value > 0x7f ? Uint8Array.of((value & 0x7f) | 0x80, value >> 7) : Uint8Array.of(value);
}

function readSize(
  bytes: Uint8Array,
  from: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let at = from, shift = 0; at < bytes.length && shift < 28; at++, shift += 7) {
    value |= (bytes[at]! & 0x7f) << shift;
    if ((bytes[at]! & 0x80) === 0) return { value, next: at + 1 };
  }
  return undefined;
}
