/**
 * How much there is in a protobuf message, found out before any of it is decoded: a message of a
 * few megabytes can hold a million empty parts, each of which would become an object.
 *
 * Pure and total. Both forms of a message are weighed against its schema, without making anything
 * of the binary one. Source: Protocol Buffers, "Encoding" and "ProtoJSON".
 *
 * @module
 */

/** One field of a message, as far as weighing needs it. */
interface WeighedField {
  readonly kind: "scalar" | "enum" | "message" | "map";
  readonly T?: unknown;
  readonly V?: unknown;
  readonly repeated?: boolean;
}

/** A message type of `@bufbuild/protobuf`. */
export interface WeighedType {
  readonly fields: {
    find(number: number): WeighedField | undefined;
    findJsonName(name: string): WeighedField | undefined;
  };
}

/** Messages within messages; none of the protocol's is as deep. */
const MAX_DEPTH = 32;
/** Characters of a number that is written as text; the largest of 64 bits has twenty. */
const MAX_NUMBER_CHARS = 40;
/** `ScalarType` of the fields whose text is a 64-bit number. */
const LONG_SCALARS: ReadonlySet<unknown> = new Set([3, 4, 6, 16, 18]);

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
/** By `ScalarType`: double, float, (s)fixed, string and bytes; the others are varints. */
const WIRE_OF_SCALAR: ReadonlyMap<unknown, number> = new Map([
  [1, FIXED64],
  [2, FIXED32],
  [6, FIXED64],
  [7, FIXED32],
  [9, DELIMITED],
  [12, DELIMITED],
  [15, FIXED32],
  [16, FIXED64],
]);

/**
 * Whether a binary message has at most `limit` parts: fields, list members and what is unknown, in
 * all messages within it. `false` also for what cannot be walked through, and for a known field
 * that is not written as its type is: a decoder would find something else there.
 */
export function hasFewElements(bytes: Uint8Array, type: WeighedType, limit: number): boolean {
  return new Walk(bytes, limit).message(type, bytes.length, 0);
}

class Walk {
  #at = 0;
  #left: number;

  constructor(readonly bytes: Uint8Array, limit: number) {
    this.#left = limit;
  }

  message(type: WeighedType | undefined, end: number, depth: number): boolean {
    if (depth > MAX_DEPTH) return false;
    while (this.#at < end) {
      const tag = this.#varint(end);
      if (tag === undefined || tag < 8 || --this.#left < 0) return false;
      const field = type?.fields.find(Math.floor(tag / 8));
      if (field !== undefined && !isWrittenAs(field, tag % 8)) return false;
      if (!this.#value(field, tag % 8, end, depth)) return false;
    }
    return this.#at === end;
  }

  #value(field: WeighedField | undefined, wire: number, end: number, depth: number): boolean {
    if (wire === VARINT) return this.#varint(end) !== undefined;
    if (wire === FIXED64 || wire === FIXED32) return this.#skip(wire === FIXED64 ? 8 : 4, end);
    if (wire !== DELIMITED) return false;
    const length = this.#varint(end);
    if (length === undefined || this.#at + length > end) return false;
    const inner = this.#at + length;
    if (field?.kind === "message") return this.message(field.T as WeighedType, inner, depth + 1);
    if (field?.kind === "map") return this.message(undefined, inner, depth + 1);
    const isPacked = field !== undefined && wireOf(field) !== DELIMITED;
    if (isPacked) this.#left -= length;
    return this.#left >= 0 && this.#skip(length, end);
  }

  #skip(length: number, end: number): boolean {
    this.#at += length;
    return this.#at <= end;
  }

  /** Numbers above 2^53 come out inexact: none of them is a length that fits. */
  #varint(end: number): number | undefined {
    let value = 0;
    for (let scale = 1, count = 0; count < 10 && this.#at < end; count++, scale *= 128) {
      const byte = this.bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return undefined;
  }
}

/** Lists of numbers are also written as one value. */
function isWrittenAs(field: WeighedField, wire: number): boolean {
  return wire === wireOf(field) || wire === DELIMITED && field.repeated === true;
}

/** The wire type of one value of a field. */
function wireOf({ kind, T }: WeighedField): number {
  if (kind === "message" || kind === "map") return DELIMITED;
  return kind === "scalar" ? WIRE_OF_SCALAR.get(T) ?? VARINT : VARINT;
}

/**
 * Whether JSON text has at most `limit` parts, before it is parsed: members of objects and arrays,
 * by what stands between them outside of strings.
 */
export function hasFewJsonElements(text: string, limit: number): boolean {
  let left = limit;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: { // a string: to its end
        do {
          at = text.indexOf('"', at + 1);
          if (at < 0) return left >= 0;
        } while (isEscaped(text, at));
        break;
      }
      case 0x2c: // ,
      case 0x5b: // [
      case 0x7b: // {
        if (--left < 0) return false;
    }
  }
  return true;
}

/** Whether an odd number of backslashes stands before `at`. */
function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text.charCodeAt(from - 1) === 0x5c) from--;
  return (at - from) % 2 === 1;
}

/**
 * Whether parsed JSON has no number too long to be read in little time, where `type` has one
 * written as text, and is no deeper than messages are.
 */
export function isQuickJson(value: unknown, type: WeighedType | undefined, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth > MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.every((one) => isQuickJson(one, type, depth + 1));
  return Object.entries(value).every(([name, member]) => {
    const field = type?.fields.findJsonName(name);
    if (field === undefined) return true;
    if (field.kind === "scalar" && LONG_SCALARS.has(field.T)) return isShortNumber(member);
    return isQuickJson(
      member,
      field.kind === "message" ? field.T as WeighedType : undefined,
      depth + 1,
    );
  });
}

function isShortNumber(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isShortNumber);
  return typeof value !== "string" || value.length <= MAX_NUMBER_CHARS;
}
