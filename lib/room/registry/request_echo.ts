/**
 * What a client is told of its own request in a `RequestResponse`: a small one whole, of a large
 * one what tells it apart from others. Pure.
 *
 * @module
 */
import type { RequestResponse } from "@livekit/protocol";
import { protobufBytes } from "../../wire/protobuf_writer.ts";

/** Larger requests are not said back as they are, bytes. */
const MAX_ECHO_BYTES = 2_048;
/** Values of a request that is no larger: more are not written to see how many bytes they are. */
const MAX_ECHO_VALUES = 256;
/** Longest text that is still said back of those, characters. */
const MAX_ECHO_TEXT = 256;

type Echo = RequestResponse["request"];

/** `request`, or a new one with its short single values alone. */
export function echoOf(request: Echo): Echo {
  const { value } = request;
  if (value === undefined) return request;
  const isSmall = countValues(value, MAX_ECHO_VALUES) <= MAX_ECHO_VALUES &&
    protobufBytes(value).length <= MAX_ECHO_BYTES;
  if (isSmall) return request;
  const type = value.getType();
  const short: Record<string, unknown> = {};
  for (const { kind, repeated, oneof, localName } of type.fields.list()) {
    const field: unknown = (value as unknown as Record<string, unknown>)[localName];
    if (repeated || oneof !== undefined || (kind !== "scalar" && kind !== "enum")) continue;
    const isShort = typeof field === "string"
      ? field.length <= MAX_ECHO_TEXT
      : !(field instanceof Uint8Array);
    if (isShort) short[localName] = field;
  }
  return { case: request.case, value: new type(short) } as Echo;
}

/** Values within `value`, itself counted; no longer counted once there are more than `most`. */
function countValues(value: unknown, most: number): number {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return 1;
  let count = 1;
  for (const name in value) {
    count += countValues((value as Readonly<Record<string, unknown>>)[name], most - count);
    if (count > most) break;
  }
  return count;
}
