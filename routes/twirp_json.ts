/**
 * Messages as Twirp's JSON: field names as in the `.proto` file, and fields that are not set
 * written with their default (`""`, `0`, `[]`, `{}`, `null` for a message), as other servers of
 * this protocol do and some callers rely on.
 *
 * @module
 */
import type { AnyMessage, JsonValue, MessageType } from "@bufbuild/protobuf";

/** One message as text. */
export function writeTwirpJson(message: AnyMessage): string {
  const json = message.toJson({ emitDefaultValues: true, useProtoFieldName: true });
  return JSON.stringify(withNulls(message.getType(), json));
}

/** Adds `null` for every message field that is not set; alternatives of a oneof stay absent. */
function withNulls(type: MessageType<AnyMessage>, json: JsonValue): JsonValue {
  // Well-known types have a spelling of their own.
  if (!isObject(json) || type.typeName.startsWith("google.protobuf.")) return json;
  const out: Record<string, JsonValue> = {};
  const known = new Set<string>();
  for (const field of type.fields.list()) {
    known.add(field.name);
    const value = json[field.name];
    if (field.kind === "message" && !field.repeated) {
      if (value !== undefined) out[field.name] = withNulls(field.T, value);
      else if (field.oneof === undefined && !field.opt) out[field.name] = null;
    } else if (field.kind === "message" && Array.isArray(value)) {
      out[field.name] = value.map((item) => withNulls(field.T, item));
    } else if (field.kind === "map" && field.V.kind === "message" && isObject(value)) {
      const { T } = field.V;
      out[field.name] = Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, withNulls(T, item)]),
      );
    } else if (value !== undefined) {
      out[field.name] = value;
    }
  }
  for (const [name, value] of Object.entries(json)) if (!known.has(name)) out[name] = value;
  return out;
}

function isObject(value: JsonValue | undefined): value is { [name: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
