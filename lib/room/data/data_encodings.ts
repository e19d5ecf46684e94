/**
 * Whether the encodings that clients name for their data are named well. Pure.
 *
 * @module
 */
import type { DataTrackFrameEncoding, DataTrackSchemaId } from "@livekit/protocol";

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Whether a frame encoding is absent, numbered, or a name of its own within `maxLength`. */
export function isGoodFrameEncoding(
  encoding: DataTrackFrameEncoding | undefined,
  maxLength: number,
): boolean {
  return encoding?.value.case !== "custom" || isGoodName(encoding.value.value, maxLength);
}

/** As {@linkcode isGoodFrameEncoding}, for the encoding of a schema. */
export function isGoodSchema(schema: DataTrackSchemaId | undefined, maxLength: number): boolean {
  const value = schema?.encoding?.value;
  return value?.case !== "custom" || isGoodName(value.value, maxLength);
}

function isGoodName(name: string, maxLength: number): boolean {
  return name !== "" && (maxLength === 0 || utf8Length(name) <= maxLength);
}
