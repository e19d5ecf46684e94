/**
 * What is said over a link, as MessagePack arrays whose first element is the kind. Kinds that are
 * not known are skipped, and so are elements after those that are: that is how newer nodes add
 * something.
 *
 * Contract: reading is total; numbers are whole and not negative, names are not longer than
 * {@linkcode MAX_NAME_CHARACTERS}.
 *
 * @module
 */
import {
  isUnpackable,
  type PackedValue,
  packMessage,
  unpackMessage,
} from "../../wire/message_pack.ts";
import type { DatagramKind } from "./link_ports.ts";

/** Longer messages are refused; a snapshot of thousands of members is smaller. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Values in one message: those of a snapshot of more than ten thousand members. */
const MAX_MESSAGE_ELEMENTS = 500_000;
/** Of rooms and methods. */
const MAX_NAME_CHARACTERS = 1024;

/** Kinds, by their numbers on the wire, which never change their meaning. */
const KIND = {
  ping: 1,
  pong: 2,
  hello: 3,
  change: 4,
  bye: 5,
  again: 6,
  synced: 7,
  call: 8,
  answer: 9,
  data: 10,
  ack: 11,
  roomDatagram: 12,
  datagram: 13,
  idle: 14,
} as const;

/** By their numbers on the wire; one is not used any more. */
const DATAGRAM_KINDS: readonly (DatagramKind | undefined)[] = [
  "levels",
  undefined,
  "data",
  "media",
];

/** How a call went. */
export type AnswerCode = "ok" | "unknown_method" | "busy" | "failed" | "lost";
const ANSWER_CODES: readonly AnswerCode[] = ["ok", "unknown_method", "busy", "failed", "lost"];

/** One message. */
export type LinkFrame =
  /** `sentAt` is the sender's own time, which comes back with the pong. */
  | { readonly kind: "ping" | "pong"; readonly sentAt: number }
  /** `handle` stands for the room in what the same side says from then on. */
  | {
    readonly kind: "hello";
    readonly handle: number;
    readonly name: string;
    readonly value: PackedValue;
  }
  /** `number` begins at 1 after each hello. */
  | {
    readonly kind: "change";
    readonly handle: number;
    readonly number: number;
    readonly value: PackedValue;
  }
  /** `bye`: of the sender's own; `again`: of the other side's, which is to say hello again. */
  | { readonly kind: "bye" | "again"; readonly handle: number }
  /** After the hellos with which a connection begins: what was not named is not shared. */
  | { readonly kind: "synced" }
  | {
    readonly kind: "call";
    readonly id: number;
    readonly method: string;
    readonly withinMs: number;
    readonly payload: PackedValue;
  }
  | {
    readonly kind: "answer";
    readonly id: number;
    readonly code: AnswerCode;
    readonly payload: PackedValue;
  }
  | {
    readonly kind: "data";
    readonly number: number;
    readonly room: string;
    readonly value: PackedValue;
  }
  /** Everything up to `number` has come. */
  | { readonly kind: "ack"; readonly number: number }
  | {
    readonly kind: "roomDatagram";
    readonly of: DatagramKind;
    readonly handle: number;
    readonly value: PackedValue;
  }
  | { readonly kind: "datagram"; readonly of: DatagramKind; readonly bytes: Uint8Array }
  /** Whether the sender has no use for the link any more. */
  | { readonly kind: "idle"; readonly isIdle: boolean };

/** Encodes one message. */
export function writeFrame(frame: LinkFrame): Uint8Array {
  return packMessage([KIND[frame.kind], ...elementsOf(frame)]);
}

/** The same for values of others: `undefined` if the peer would not take it, a bug of ours. */
export function encodeFrame(frame: LinkFrame): Uint8Array | undefined {
  const name = frame.kind === "hello" ? frame.name : frame.kind === "data" ? frame.room : "";
  if (name.length > MAX_NAME_CHARACTERS) return undefined;
  let message: Uint8Array;
  try {
    message = writeFrame(frame);
  } catch {
    return undefined;
  }
  if (message.length > MAX_MESSAGE_BYTES) return undefined;
  // Each element takes a byte at least.
  const mayBeHeavy = message.length > MAX_MESSAGE_ELEMENTS;
  return mayBeHeavy && !isUnpackable(message, MAX_MESSAGE_ELEMENTS) ? undefined : message;
}

/** Where the number of {@linkcode encodeData} is: behind an array of four, a kind and 64 bits. */
const NUMBER_AT = 3;

/** Data as {@linkcode encodeFrame} has it; {@linkcode numberData} numbers it as it leaves. */
export function encodeData(room: string, value: PackedValue): Uint8Array | undefined {
  // It takes as many bytes as any.
  return encodeFrame({ kind: "data", number: Number.MAX_SAFE_INTEGER, room, value });
}

/** Writes the number of what {@linkcode encodeData} gave, again if need be. */
export function numberData(message: Uint8Array, number: number): void {
  const { buffer, byteOffset } = message;
  new DataView(buffer, byteOffset).setBigUint64(NUMBER_AT, BigInt(number));
}

function elementsOf(frame: LinkFrame): PackedValue[] {
  switch (frame.kind) {
    case "ping":
    case "pong":
      return [frame.sentAt];
    case "hello":
      return [frame.handle, frame.name, frame.value];
    case "change":
      return [frame.handle, frame.number, frame.value];
    case "bye":
    case "again":
      return [frame.handle];
    case "synced":
      return [];
    case "call":
      return [frame.id, frame.method, frame.withinMs, frame.payload];
    case "answer":
      return [frame.id, ANSWER_CODES.indexOf(frame.code), frame.payload];
    case "data":
      return [frame.number, frame.room, frame.value];
    case "ack":
      return [frame.number];
    case "roomDatagram":
      return [DATAGRAM_KINDS.indexOf(frame.of), frame.handle, frame.value];
    case "datagram":
      return [DATAGRAM_KINDS.indexOf(frame.of), frame.bytes];
    case "idle":
      return [frame.isIdle];
  }
}

/**
 * Decodes one message: `unknown` if it is of a newer node's making, `undefined` if it makes no
 * sense.
 */
export function readFrame(bytes: Uint8Array): LinkFrame | "unknown" | undefined {
  const message = unpackMessage(bytes, MAX_MESSAGE_ELEMENTS);
  if (!Array.isArray(message) || !isCount(message[0])) return undefined;
  const [kind, a, b, c, d] = message as readonly PackedValue[];
  switch (kind) {
    case KIND.ping:
    case KIND.pong:
      return isCount(a) ? { kind: kind === KIND.ping ? "ping" : "pong", sentAt: a } : undefined;
    case KIND.hello:
      if (!isCount(a) || !isName(b) || c === undefined) return undefined;
      return { kind: "hello", handle: a, name: b, value: c };
    case KIND.change:
      if (!isCount(a) || !isCount(b) || c === undefined) return undefined;
      return { kind: "change", handle: a, number: b, value: c };
    case KIND.bye:
    case KIND.again:
      return isCount(a) ? { kind: kind === KIND.bye ? "bye" : "again", handle: a } : undefined;
    case KIND.synced:
      return { kind: "synced" };
    case KIND.call:
      if (!isCount(a) || !isName(b) || !isCount(c) || d === undefined) return undefined;
      return { kind: "call", id: a, method: b, withinMs: c, payload: d };
    case KIND.answer:
      if (!isCount(a) || !isCount(b) || c === undefined) return undefined;
      return { kind: "answer", id: a, code: ANSWER_CODES[b] ?? "failed", payload: c };
    case KIND.data:
      if (!isCount(a) || !isName(b) || c === undefined) return undefined;
      return { kind: "data", number: a, room: b, value: c };
    case KIND.ack:
      return isCount(a) ? { kind: "ack", number: a } : undefined;
    case KIND.roomDatagram:
    case KIND.datagram:
      return readDatagram(kind, a, b, c);
    case KIND.idle:
      return typeof a === "boolean" ? { kind: "idle", isIdle: a } : undefined;
    default:
      return "unknown";
  }
}

function readDatagram(
  kind: number,
  of: PackedValue | undefined,
  b: PackedValue | undefined,
  value: PackedValue | undefined,
): LinkFrame | "unknown" | undefined {
  if (!isCount(of)) return undefined;
  const named = DATAGRAM_KINDS[of];
  if (named === undefined) return "unknown";
  if (kind === KIND.datagram) {
    return b instanceof Uint8Array ? { kind: "datagram", of: named, bytes: b } : undefined;
  }
  if (!isCount(b) || value === undefined) return undefined;
  return { kind: "roomDatagram", of: named, handle: b, value };
}

function isCount(value: PackedValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isName(value: PackedValue | undefined): value is string {
  return typeof value === "string" && value.length <= MAX_NAME_CHARACTERS;
}
