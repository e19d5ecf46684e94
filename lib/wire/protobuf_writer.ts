/**
 * Messages of the protocol as protobuf bytes: the same bytes as their own `toBinary`, which makes a
 * buffer for each text and each nested message, where this makes one for the whole.
 *
 * Pure. What is rare (groups, wrapped scalars, fields that this version does not know) is left to
 * `toBinary`. Source: Protocol Buffers, "Encoding".
 *
 * @module
 */
import { WIRE } from "./protobuf_fields.ts";

/** As much of a message as is used here. */
export interface WritableMessage {
  getType(): WritableType;
  toBinary(): Uint8Array<ArrayBuffer> | Uint8Array;
}

/** As much of a message's type. */
export interface WritableType {
  readonly fields: { byNumber(): readonly unknown[] };
  readonly runtime: { readonly bin: { listUnknownFields(message: never): readonly unknown[] } };
}

/** A field as the library describes it. */
interface DescribedField {
  readonly no: number;
  readonly localName: string;
  readonly kind: "scalar" | "enum" | "message" | "map";
  readonly T: unknown;
  readonly K?: number;
  readonly V?: { readonly kind: "scalar" | "enum" | "message"; readonly T: unknown };
  readonly repeated?: boolean;
  readonly packed?: boolean;
  readonly opt?: boolean;
  readonly req?: boolean;
  readonly delimited?: boolean;
  readonly oneof?: { readonly localName: string };
}

/** A field, ready to be written. */
interface Member {
  readonly name: string;
  /** Of the group it is one of, if it is. */
  readonly oneof: string | undefined;
  readonly kind: DescribedField["kind"];
  /** Number and wire type. */
  readonly tag: number;
  /** Of a scalar, or of a map's keys. */
  readonly scalar: number;
  /** Of a map's values. */
  readonly value: { readonly isMessage: boolean; readonly scalar: number };
  readonly repeated: boolean;
  readonly packed: boolean;
  /** Written also where it has its default value. */
  readonly isExplicit: boolean;
  /** Of an enumeration. */
  readonly zero: number;
}

/** The library's numbers of scalar types (`descriptor.proto`). */
const SCALAR = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;

const FIXED_64: readonly number[] = [SCALAR.double, SCALAR.fixed64, SCALAR.sfixed64];
const FIXED_32: readonly number[] = [SCALAR.float, SCALAR.fixed32, SCALAR.sfixed32];
const DELIMITED: readonly number[] = [SCALAR.string, SCALAR.bytes];

/** Bytes at first; it grows to the longest message. */
const FIRST_BYTES = 16 * 1024;
/** The longest varint, and the longest number of fixed size. */
const MAX_NUMBER_BYTES = 10;
const TWO_32 = 0x1_0000_0000n;
const LAST_ASCII = 0x7f;
/** From here on the runtime's own encoder is quicker, whose call takes half a microsecond. */
const LONG_TEXT = 128;
const text = new TextEncoder();

/** `null` for a type that is left to the library. */
const plans = new WeakMap<WritableType, readonly Member[] | null>();
/** Everything is written here, and copied when it is complete. */
let bytes = new Uint8Array(FIRST_BYTES);
let view = new DataView(bytes.buffer);
let at = 0;

/** The bytes of `message`. */
export function protobufBytes(message: WritableMessage): Uint8Array {
  const start = at;
  try {
    writeMessage(message);
    return bytes.slice(start, at);
  } finally {
    at = start;
  }
}

/** The bytes of a message of `type` that has nothing but this member of a `oneof` group. */
export function protobufMember(type: WritableType, name: string, value: unknown): Uint8Array {
  const member = planOf(type)?.find((candidate) => candidate.name === name);
  if (member === undefined) throw new TypeError(`There is no member ${name}`);
  const start = at;
  try {
    writeValue(member, value);
    return bytes.slice(start, at);
  } finally {
    at = start;
  }
}

function planOf(type: WritableType): readonly Member[] | undefined {
  let plan = plans.get(type);
  if (plan === undefined) {
    const fields = type.fields.byNumber() as readonly DescribedField[];
    plan = fields.some(isRare) ? null : fields.map(toMember);
    plans.set(type, plan);
  }
  return plan ?? undefined;
}

function isRare({ kind, T, req, delimited }: DescribedField): boolean {
  const isWrapped = kind === "message" && (T as { fieldWrapper?: unknown }).fieldWrapper;
  return req === true || delimited === true || Boolean(isWrapped);
}

function toMember(field: DescribedField): Member {
  const { no, localName, kind, T, K, V, oneof } = field;
  const repeated = field.repeated === true;
  const packed = repeated && field.packed === true;
  const scalar = kind === "scalar" ? Number(T) : kind === "map" ? K! : SCALAR.int32;
  const isDelimited = packed || kind === "message" || kind === "map";
  return {
    name: localName,
    oneof: oneof?.localName,
    kind,
    tag: no << 3 | (isDelimited ? WIRE.delimited : wireOf(scalar)),
    scalar,
    value: {
      isMessage: V?.kind === "message",
      scalar: V?.kind === "scalar" ? Number(V.T) : SCALAR.int32,
    },
    repeated,
    packed,
    isExplicit: field.opt === true,
    zero: kind === "enum" ? (T as { values: readonly { no: number }[] }).values[0]!.no : 0,
  };
}

function wireOf(scalar: number): number {
  if (DELIMITED.includes(scalar)) return WIRE.delimited;
  if (FIXED_64.includes(scalar)) return WIRE.fixed64;
  return FIXED_32.includes(scalar) ? WIRE.fixed32 : WIRE.varint;
}

function writeMessage(message: WritableMessage): void {
  const type = message.getType();
  const plan = planOf(type);
  if (plan === undefined || type.runtime.bin.listUnknownFields(message as never).length > 0) {
    return writeRaw(message.toBinary());
  }
  const values = message as unknown as Readonly<Record<string, unknown>>;
  for (let i = 0; i < plan.length; i++) {
    const member = plan[i]!;
    if (member.oneof === undefined) {
      const value = values[member.name];
      if (isSet(member, value)) writeValue(member, value);
      continue;
    }
    const chosen = values[member.oneof] as { readonly case?: string; readonly value?: unknown };
    if (chosen.case === member.name) writeValue(member, chosen.value);
  }
}

function isSet({ kind, scalar, repeated, isExplicit, zero }: Member, value: unknown): boolean {
  if (value === undefined) return false;
  if (repeated) return (value as readonly unknown[]).length > 0;
  if (kind === "message" || kind === "map" || isExplicit) return true;
  if (kind === "enum") return value !== zero;
  switch (scalar) {
    case SCALAR.bool:
      return value !== false;
    case SCALAR.string:
      return value !== "";
    case SCALAR.bytes:
      return (value as Uint8Array).length > 0;
    default:
      // 0, 0n, "0" of a 64-bit number as text, and -0.
      return value != 0;
  }
}

function writeValue(member: Member, value: unknown): void {
  const { kind, tag, scalar, repeated, packed } = member;
  if (kind === "map") return writeMap(member, value as Readonly<Record<string, unknown>>);
  if (packed) {
    writeVarint(tag);
    const start = beginLength();
    for (const item of value as readonly unknown[]) writeScalar(scalar, item);
    return endLength(start);
  }
  for (const item of repeated ? value as readonly unknown[] : [value]) {
    writeVarint(tag);
    if (kind === "message") writeNested(item as WritableMessage);
    else writeScalar(scalar, item);
  }
}

/** Each entry is a message of a key, 1, and a value, 2. */
function writeMap(
  { tag, scalar, value: { isMessage, scalar: valueScalar } }: Member,
  map: Readonly<Record<string, unknown>>,
): void {
  for (const [key, value] of Object.entries(map)) {
    writeVarint(tag);
    const start = beginLength();
    writeVarint(1 << 3 | wireOf(scalar));
    writeScalar(scalar, keyOf(scalar, key));
    writeVarint(2 << 3 | (isMessage ? WIRE.delimited : wireOf(valueScalar)));
    if (isMessage) writeNested(value as WritableMessage);
    else writeScalar(valueScalar, value);
    endLength(start);
  }
}

/** A name of an object, as a key of the map. */
function keyOf(scalar: number, name: string): unknown {
  if (scalar === SCALAR.string) return name;
  return scalar === SCALAR.bool ? name === "true" : Number(name);
}

function writeNested(message: WritableMessage): void {
  const start = beginLength();
  writeMessage(message);
  endLength(start);
}

function writeScalar(scalar: number, value: unknown): void {
  makeRoom(MAX_NUMBER_BYTES);
  switch (scalar) {
    case SCALAR.string:
      return writeText(value as string);
    case SCALAR.bytes:
      writeVarint((value as Uint8Array).length);
      return writeRaw(value as Uint8Array);
    case SCALAR.bool:
      bytes[at++] = value ? 1 : 0;
      return;
    case SCALAR.uint32:
      return writeVarint(checked(value as number, (value as number) >>> 0));
    case SCALAR.int32:
      return writeInt32(checked(value as number, (value as number) | 0));
    case SCALAR.sint32: {
      const whole = checked(value as number, (value as number) | 0);
      return writeVarint(((whole << 1) ^ (whole >> 31)) >>> 0);
    }
    case SCALAR.int64:
    case SCALAR.uint64:
      return writeVarint64(BigInt(value as bigint));
    case SCALAR.sint64:
      return writeVarint64((BigInt(value as bigint) << 1n) ^ (BigInt(value as bigint) >> 63n));
    default:
      return writeFixed(scalar, value);
  }
}

function writeFixed(scalar: number, value: unknown): void {
  switch (scalar) {
    case SCALAR.double:
      view.setFloat64(at, value as number, true);
      break;
    case SCALAR.float:
      view.setFloat32(at, value as number, true);
      break;
    case SCALAR.fixed64:
    case SCALAR.sfixed64:
      view.setBigUint64(at, BigInt.asUintN(64, BigInt(value as bigint)), true);
      break;
    default:
      view.setUint32(at, value as number, true);
  }
  at += FIXED_64.includes(scalar) ? 8 : 4;
}

/** @throws {TypeError} unless the value is what 32 bits can hold of it. */
function checked(value: number, whole: number): number {
  if (value === whole) return whole;
  throw new TypeError(`Cannot write ${value}: it is no number of 32 bits`);
}

/** Negative ones have ten bytes. */
function writeInt32(value: number): void {
  if (value < 0) writeVarint64(BigInt(value));
  else writeVarint(value);
}

/** @param value An integer from 0 to 2^32 - 1. */
function writeVarint(value: number): void {
  makeRoom(MAX_NUMBER_BYTES);
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
}

function writeVarint64(value: bigint): void {
  makeRoom(MAX_NUMBER_BYTES);
  const whole = BigInt.asUintN(64, value);
  let [low, high] = [Number(whole % TWO_32), Number(whole / TWO_32)];
  while (high > 0 || low > 0x7f) {
    bytes[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[at++] = low;
}

function writeText(value: string): void {
  const { length } = value;
  makeRoom(MAX_NUMBER_BYTES + length * 3);
  const start = at;
  writeVarint(length);
  const isWritten = length > LONG_TEXT
    ? text.encodeInto(value, bytes.subarray(at)).written === length
    : isAscii(value);
  if (isWritten) return void (at += length);
  at = start;
  const encoded = text.encode(value);
  writeVarint(encoded.length);
  writeRaw(encoded);
}

/** Writes `value`, up to where it is anything else. */
function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > LAST_ASCII) return false;
    bytes[at + i] = code;
  }
  return true;
}

function writeRaw(part: Uint8Array): void {
  makeRoom(part.length);
  bytes.set(part, at);
  at += part.length;
}

/** Leaves a byte for the length of what follows; most are short. */
function beginLength(): number {
  makeRoom(1);
  return at++;
}

function endLength(start: number): void {
  const length = at - start - 1;
  if (length > 0x7f) {
    const more = Math.floor(Math.log2(length) / 7);
    makeRoom(more);
    bytes.copyWithin(start + 1 + more, start + 1, at);
    at = start;
    writeVarint(length);
    at += length;
  } else bytes[start] = length;
}

function makeRoom(count: number): void {
  if (at + count <= bytes.length) return;
  const larger = new Uint8Array(Math.max(bytes.length * 2, at + count));
  larger.set(bytes);
  bytes = larger;
  view = new DataView(bytes.buffer);
}
