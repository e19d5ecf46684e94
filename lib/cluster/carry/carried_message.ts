/**
 * What two nodes say to each other about one carried request: the request, what is answered, and
 * then, if a session was begun, the client's messages and the session's; or, if the answer's body
 * is sent as it comes, the body, as far as it was asked for.
 *
 * Contract: reading is total, and bounded by what a message weighs.
 *
 * @module
 */
import { type PackedValue, packMessage, unpackMessage } from "../../wire/message_pack.ts";

/** A client's HTTP request, as much of it as matters. */
export interface CarriedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  /** The client's own. */
  readonly socketAddress: string;
}

/** What is answered to it, but for the body. */
export interface CarriedHead {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What is answered to it. */
export interface CarriedResponse extends CarriedHead {
  readonly body: Uint8Array;
}

/** One message between the two nodes. */
export type CarriedMessage =
  | { readonly kind: "request"; readonly request: CarriedRequest }
  | { readonly kind: "response"; readonly response: CarriedResponse }
  /** The session has begun: from now on there are frames, both ways. */
  | { readonly kind: "opened" }
  | { readonly kind: "frame"; readonly data: Uint8Array | string }
  /** An answer whose body follows in frames, as it comes; its end is a close. */
  | { readonly kind: "streamed"; readonly head: CarriedHead }
  /** So many bytes more of that body may be sent. */
  | { readonly kind: "want"; readonly bytes: number }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

const KIND = {
  request: 1,
  response: 2,
  opened: 3,
  binary: 4,
  text: 5,
  close: 6,
  streamed: 7,
  want: 8,
} as const;
/** Names and values of a request or a response. */
const MAX_ELEMENTS = 256;
const MAX_HEADERS = 64;
/** RFC 6455 §7.4: codes that a close frame may have. */
const MIN_CODE = 1000;
const MAX_CODE = 4999;

/** Encodes it. */
export function writeCarried(message: CarriedMessage): readonly Uint8Array[] {
  switch (message.kind) {
    case "request": {
      const { method, target, headers, body, socketAddress } = message.request;
      return parts(KIND.request, packMessage([method, target, headers, body, socketAddress]));
    }
    case "response": {
      const { status, headers, body } = message.response;
      return parts(KIND.response, packMessage([status, headers, body]));
    }
    case "opened":
      return parts(KIND.opened, NOTHING);
    case "frame":
      return typeof message.data === "string"
        ? parts(KIND.text, new TextEncoder().encode(message.data))
        : parts(KIND.binary, message.data);
    case "streamed": {
      const { status, headers } = message.head;
      return parts(KIND.streamed, packMessage([status, headers]));
    }
    case "want":
      return parts(KIND.want, packMessage([message.bytes]));
    case "close":
      return parts(KIND.close, packMessage([message.code, message.reason]));
  }
}

/** Reads it; `undefined` if it makes no sense, `"unknown"` if a newer node said it. */
export function readCarried(bytes: Uint8Array): CarriedMessage | "unknown" | undefined {
  const rest = bytes.subarray(1);
  switch (bytes[0]) {
    case KIND.request:
      return readRequest(rest);
    case KIND.response:
      return readResponse(rest);
    case KIND.opened:
      return { kind: "opened" };
    case KIND.binary:
      return { kind: "frame", data: rest };
    case KIND.text:
      return { kind: "frame", data: new TextDecoder().decode(rest) };
    case KIND.close:
      return readClose(rest);
    case KIND.streamed: {
      const head = readHead(tuple(rest));
      return head && { kind: "streamed", head };
    }
    case KIND.want: {
      const [bytes] = tuple(rest);
      return isWhole(bytes) && bytes > 0 ? { kind: "want", bytes } : undefined;
    }
    default:
      return bytes.length === 0 ? undefined : "unknown";
  }
}

const NOTHING = new Uint8Array();

function parts(kind: number, bytes: Uint8Array): readonly Uint8Array[] {
  return [Uint8Array.of(kind), bytes];
}

function readRequest(bytes: Uint8Array): CarriedMessage | undefined {
  const [method, target, headers, body, socketAddress] = tuple(bytes);
  const read = readHeaders(headers);
  if (typeof method !== "string" || !/^[A-Z]{1,16}$/.test(method)) return undefined;
  if (typeof target !== "string" || !target.startsWith("/")) return undefined;
  if (read === undefined || !(body instanceof Uint8Array)) return undefined;
  if (typeof socketAddress !== "string") return undefined;
  return { kind: "request", request: { method, target, headers: read, body, socketAddress } };
}

function readResponse(bytes: Uint8Array): CarriedMessage | undefined {
  const values = tuple(bytes);
  const [head, body] = [readHead(values), values[2]];
  if (head === undefined || !(body instanceof Uint8Array)) return undefined;
  return { kind: "response", response: { ...head, body } };
}

function readHead([status, headers]: readonly PackedValue[]): CarriedHead | undefined {
  const read = readHeaders(headers);
  // What a `Response` can be made of.
  if (!isWhole(status) || status < 200 || status > 599) return undefined;
  return read && { status, headers: read };
}

function readClose(bytes: Uint8Array): CarriedMessage | undefined {
  const [code, reason] = tuple(bytes);
  if (!isWhole(code) || code < MIN_CODE || code > MAX_CODE) return undefined;
  return typeof reason === "string" ? { kind: "close", code, reason } : undefined;
}

function readHeaders(value: PackedValue | undefined) {
  if (!Array.isArray(value) || value.length > MAX_HEADERS) return undefined;
  const headers: (readonly [string, string])[] = [];
  for (const pair of value as readonly PackedValue[]) {
    if (!Array.isArray(pair)) return undefined;
    const [name, text] = pair as readonly PackedValue[];
    if (typeof name !== "string" || !/^[\w-]+$/.test(name)) return undefined;
    // RFC 9110 §5.5.
    if (typeof text !== "string" || /[^\t\x20-\x7e\x80-\xff]/.test(text)) return undefined;
    headers.push([name, text]);
  }
  return headers;
}

function tuple(bytes: Uint8Array): readonly PackedValue[] {
  const value = unpackMessage(bytes, MAX_ELEMENTS);
  return Array.isArray(value) ? value : [];
}

function isWhole(value: PackedValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}
