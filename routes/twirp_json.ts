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
  return JSON.stringify(plain(message));
}

/**
 * The same of a message that may list very much: ten thousand rooms take a third of a second.
 *
 * @param rest Asked after each of what is listed, and waited for if it gives something.
 */
export async function writeLongTwirpJson(
  message: AnyMessage,
  rest: () => Promise<void> | undefined,
): Promise<string> {
  const type = message.getType();
  const lists = type.fields.list().filter((field) => field.kind === "message" && field.repeated);
  if (lists.length === 0) return writeTwirpJson(message);
  const values = message as unknown as Readonly<Record<string, readonly AnyMessage[]>>;
  // Nothing of it is copied but the names of its fields.
  const short = Object.assign(Object.create(type.prototype), message);
  const listed = new Map<string, string>();
  for (const { localName, name } of lists) {
    const items: string[] = [];
    for (const item of values[localName]!) {
      items.push(writeTwirpJson(item));
      const resting = rest();
      if (resting !== undefined) await resting;
    }
    listed.set(name, `[${items.join(",")}]`);
    short[localName] = [];
  }
  const fields = Object.entries(plain(short) as { readonly [name: string]: JsonValue });
  const texts = fields.map(([name, value]) =>
    `${JSON.stringify(name)}:${listed.get(name) ?? JSON.stringify(value)}`
  );
  return `{${texts.join(",")}}`;
}

function plain(message: AnyMessage): JsonValue {
  const json = message.toJson({ emitDefaultValues: true, useProtoFieldName: true });
  return withNulls(message.getType(), json);
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
