/**
 * Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * §3.1): the part behind the sender and media SSRCs, written and read.
 *
 * {@linkcode TransportFeedback} has a fixed capacity and is reused, so neither direction allocates
 * and a sender cannot choose how much memory is used.
 *
 * @module
 */
import { readUint16, writeUint16 } from "./big_endian.ts";

/** Statuses in one message: ten times what 100 ms of a fast publisher needs. */
export const MAX_FEEDBACK_STATUSES = 1024;
/** In place of a delta: the packet has not arrived. Outside the 16 bits of a real delta. */
export const NOT_RECEIVED = -0x10000;
/** Microseconds in one step of the reference time. */
export const REFERENCE_TIME_MICROS = 64_000;
/** Microseconds in one step of a delta. */
export const DELTA_MICROS = 250;
/** Bytes that hold any message {@linkcode writeTransportFeedback} writes. */
export const MAX_FEEDBACK_BYTES = 8 + Math.ceil(MAX_FEEDBACK_STATUSES / 7) * 2 +
  MAX_FEEDBACK_STATUSES * 2 + 4;

const HEAD_BYTES = 8;
const MAX_RUN = 0x1fff;
const ONE_BIT_SYMBOLS = 14;
const TWO_BIT_SYMBOLS = 7;
const SMALL = 1;
const LARGE = 2;

/** Content of one feedback message. */
export class TransportFeedback {
  /** 16 bits: number of the first status. */
  baseSequence = 0;
  /** Signed 24 bits, in steps of 64 ms: what the first delta counts from. */
  referenceTime = 0;
  /** 8 bits, counts messages. */
  feedbackCount = 0;
  statusCount = 0;
  /**
   * Per status: steps of 250 µs since the previous received packet, or {@linkcode NOT_RECEIVED}.
   */
  readonly deltas: Int32Array = new Int32Array(MAX_FEEDBACK_STATUSES);
}

/** 0 not received, 1 one-byte delta, 2 two-byte delta. */
function symbolOf(delta: number): number {
  if (delta === NOT_RECEIVED) return 0;
  return delta >= 0 && delta <= 0xff ? SMALL : LARGE;
}

/**
 * Writes `feedback` at `out[at…]`, padded with zeros to a multiple of four bytes.
 *
 * @param out Room for {@linkcode MAX_FEEDBACK_BYTES} behind `at`.
 * @returns Bytes written.
 */
export function writeTransportFeedback(
  out: Uint8Array,
  at: number,
  feedback: TransportFeedback,
): number {
  const { deltas, statusCount } = feedback;
  writeUint16(out, at, feedback.baseSequence);
  writeUint16(out, at + 2, statusCount);
  out[at + 4] = (feedback.referenceTime >> 16) & 0xff;
  writeUint16(out, at + 5, feedback.referenceTime & 0xffff);
  out[at + 7] = feedback.feedbackCount;
  let next = at + HEAD_BYTES;
  for (let i = 0; i < statusCount;) {
    const taken = writeChunk(out, next, deltas, i, statusCount);
    i += taken;
    next += 2;
  }
  for (let i = 0; i < statusCount; i++) {
    const delta = deltas[i]!;
    const symbol = symbolOf(delta);
    if (symbol === SMALL) out[next++] = delta;
    else if (symbol === LARGE) {
      writeUint16(out, next, delta & 0xffff);
      next += 2;
    }
  }
  while (((next - at) & 3) !== 0) out[next++] = 0;
  return next - at;
}

/** Writes the best chunk for the statuses from `from`; returns how many it covers. */
function writeChunk(
  out: Uint8Array,
  at: number,
  deltas: Int32Array,
  from: number,
  count: number,
): number {
  const symbol = symbolOf(deltas[from]!);
  let run = 1;
  while (run < MAX_RUN && from + run < count && symbolOf(deltas[from + run]!) === symbol) run++;
  if (run >= ONE_BIT_SYMBOLS || from + run === count) {
    writeUint16(out, at, (symbol << 13) | run);
    return run;
  }
  const wide = Math.min(ONE_BIT_SYMBOLS, count - from);
  let bits = 0;
  let fits = true;
  for (let i = 0; i < wide && fits; i++) {
    const s = symbolOf(deltas[from + i]!);
    if (s === LARGE) fits = false;
    else bits |= s << (13 - i);
  }
  if (fits) {
    writeUint16(out, at, 0x8000 | bits);
    return wide;
  }
  const narrow = Math.min(TWO_BIT_SYMBOLS, count - from);
  bits = 0;
  for (let i = 0; i < narrow; i++) bits |= symbolOf(deltas[from + i]!) << (12 - 2 * i);
  writeUint16(out, at, 0xc000 | bits);
  return narrow;
}

/**
 * Reads a message into `into`.
 *
 * @returns `false`, with `into` undefined, for a message that is cut short, uses the reserved
 *   status or has more than {@linkcode MAX_FEEDBACK_STATUSES} statuses.
 */
export function parseTransportFeedback(
  bytes: Uint8Array,
  offset: number,
  length: number,
  into: TransportFeedback,
): boolean {
  const end = offset + length;
  if (length < HEAD_BYTES + 2 || end > bytes.length) return false;
  const count = readUint16(bytes, offset + 2);
  if (count === 0 || count > MAX_FEEDBACK_STATUSES) return false;
  into.baseSequence = readUint16(bytes, offset);
  into.statusCount = count;
  // `<< 8 >> 8` carries the sign of the 24-bit number.
  into.referenceTime = (((bytes[offset + 4]! << 16) | readUint16(bytes, offset + 5)) << 8) >> 8;
  into.feedbackCount = bytes[offset + 7]!;
  let at = offset + HEAD_BYTES;
  for (let i = 0; i < count; at += 2) {
    if (at + 2 > end) return false;
    const read = readChunk(readUint16(bytes, at), into.deltas, i, count);
    if (read === 0) return false;
    i += read;
  }
  return readDeltas(bytes, at, end, into.deltas, count);
}

/** Expands one chunk to symbols in `symbols[from…]`; returns how many, 0 for a reserved status. */
function readChunk(chunk: number, symbols: Int32Array, from: number, count: number): number {
  if ((chunk & 0x8000) === 0) {
    const symbol = chunk >> 13;
    const run = Math.min(chunk & MAX_RUN, count - from);
    if (symbol > LARGE) return 0;
    symbols.fill(symbol, from, from + run);
    return run;
  }
  const twoBit = (chunk & 0x4000) !== 0;
  const read = Math.min(twoBit ? TWO_BIT_SYMBOLS : ONE_BIT_SYMBOLS, count - from);
  for (let i = 0; i < read; i++) {
    const symbol = twoBit ? (chunk >> (12 - 2 * i)) & 3 : (chunk >> (13 - i)) & 1;
    if (symbol > LARGE) return 0;
    symbols[from + i] = symbol;
  }
  return read;
}

/** Replaces symbols by deltas in place. */
function readDeltas(
  bytes: Uint8Array,
  from: number,
  end: number,
  deltas: Int32Array,
  count: number,
): boolean {
  let at = from;
  for (let i = 0; i < count; i++) {
    const symbol = deltas[i]!;
    if (at + symbol > end) return false;
    if (symbol === SMALL) deltas[i] = bytes[at]!;
    else if (symbol === LARGE) deltas[i] = (readUint16(bytes, at) << 16) >> 16;
    else deltas[i] = NOT_RECEIVED;
    at += symbol; // a symbol's value is the size of its delta
  }
  return true;
}
