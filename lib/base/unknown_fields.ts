/**
 * What is written in a text that others wrote, too, and that this version does not know: kept, so
 * that a node which changes something of it leaves the rest as a newer one has written it.
 *
 * @module
 */

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonFields;

/** By name. */
export interface JsonFields {
  readonly [name: string]: Json;
}

/** A type of protobuf messages, as far as their JSON goes. */
export interface JsonMessageType<T> {
  fromJson(json: Json, options: { readonly ignoreUnknownFields: true }): T;
  readonly fields: {
    list(): readonly { readonly name: string; readonly jsonName: string }[];
  };
}

/** Of messages that were read with more than their type has, what that was. */
const unknown = new WeakMap<object, JsonFields>();

/** `fields` without those of these names; `undefined` if that is nothing. */
export function fieldsBeside(
  fields: JsonFields,
  known: readonly string[],
): JsonFields | undefined {
  const beside = Object.entries(fields).filter(([name]) => !known.includes(name));
  return beside.length === 0 ? undefined : Object.fromEntries(beside);
}

/**
 * Reads a message. What its type does not know is written again by {@linkcode writeMessage} for
 * this very message, and for no copy of it; what is unknown deeper inside it is lost.
 *
 * @throws {Error} If it is none.
 */
export function readMessage<T extends object>(type: JsonMessageType<T>, json: Json): T {
  const message = type.fromJson(json, { ignoreUnknownFields: true });
  const beside = unknownFields(type, json as JsonFields);
  if (beside !== undefined) unknown.set(message, beside);
  return message;
}

/** Fields of a message's JSON that its type does not know; `undefined` if there are none. */
export function unknownFields(
  { fields }: Pick<JsonMessageType<unknown>, "fields">,
  json: JsonFields,
): JsonFields | undefined {
  return fieldsBeside(json, fields.list().flatMap(({ name, jsonName }) => [name, jsonName]));
}

/** A message as JSON, with what was unknown when it was read. */
export function writeMessage(message: { toJson(): Json }): Json {
  const beside = unknown.get(message);
  return beside === undefined ? message.toJson() : { ...beside, ...message.toJson() as JsonFields };
}
