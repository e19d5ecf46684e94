/**
 * Reading what another node packed: each function gives a value that is what it is taken for, or
 * `undefined`. Pure and total.
 *
 * @module
 */
import type { AnyMessage, Message, MessageType } from "@bufbuild/protobuf";
import type { PackedValue } from "../../wire/message_pack.ts";

/** A text of at most `most` characters. */
export function textOf(value: PackedValue | undefined, most: number): string | undefined {
  return typeof value === "string" && value.length <= most ? value : undefined;
}

/** A whole number from 0 to `most`. */
export function countOf(
  value: PackedValue | undefined,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most
    ? value as number
    : undefined;
}

/** An array of at most `most` items, all of which `read` takes. */
export function listOf<T>(
  value: PackedValue | undefined,
  most: number,
  read: (item: PackedValue) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(value) || value.length > most) return undefined;
  const items: T[] = [];
  for (const item of value as readonly PackedValue[]) {
    const one = read(item);
    if (one === undefined) return undefined;
    items.push(one);
  }
  return items;
}

/** An array of `length` values or more; newer nodes may add some. */
export function tupleOf(
  value: PackedValue | undefined,
  length: number,
): readonly PackedValue[] | undefined {
  return Array.isArray(value) && value.length >= length ? value : undefined;
}

/** A protobuf message of at most `most` bytes. */
export function messageOf<T extends Message<T> = AnyMessage>(
  value: PackedValue | undefined,
  type: MessageType<T>,
  most: number,
): T | undefined {
  if (!(value instanceof Uint8Array) || value.length > most) return undefined;
  try {
    return type.fromBinary(value);
  } catch {
    return undefined;
  }
}
