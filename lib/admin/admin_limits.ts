/**
 * Sizes that are accepted, in UTF-8 bytes; 0 means no limit. Pure.
 *
 * @module
 */
import type { RoomAgentDispatch } from "@livekit/protocol";
import { AdminFailure } from "./admin_failure.ts";

/** The `limit.*` configuration as far as the API needs it. */
export interface AdminLimits {
  readonly maxRoomNameLength: number;
  readonly maxParticipantNameLength: number;
  readonly maxMetadataSize: number;
  /** Keys and values together. */
  readonly maxAttributesSize: number;
}

/** `undefined` if a room may have this name. */
export function checkRoomName(name: string, { maxRoomNameLength }: AdminLimits) {
  if (name === "") return new AdminFailure("invalid_argument", "room name cannot be empty");
  if (!exceeds(name, maxRoomNameLength)) return undefined;
  return new AdminFailure(
    "invalid_argument",
    `room name length exceeds limits: max length ${maxRoomNameLength}`,
  );
}

/** A participant's display name. */
export function checkName(
  name: string,
  { maxParticipantNameLength: limit }: Pick<AdminLimits, "maxParticipantNameLength">,
) {
  return exceeds(name, limit) ? tooLarge("name length exceeds limits", limit) : undefined;
}

export function checkMetadata(
  metadata: string,
  { maxMetadataSize: limit }: Pick<AdminLimits, "maxMetadataSize">,
) {
  return exceeds(metadata, limit) ? tooLarge("metadata size exceeds limits", limit) : undefined;
}

export function checkAttributes(
  attributes: Readonly<Record<string, string>>,
  { maxAttributesSize: limit }: Pick<AdminLimits, "maxAttributesSize">,
) {
  const text = Object.entries(attributes).flat().join("");
  return exceeds(text, limit) ? tooLarge("attribute size exceeds limits", limit) : undefined;
}

/** Every agent dispatch of a room. */
export function checkDispatches(dispatches: readonly RoomAgentDispatch[], limits: AdminLimits) {
  for (const { metadata, attributes } of dispatches) {
    const failure = checkMetadata(metadata, limits) ?? checkAttributes(attributes, limits);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function tooLarge(message: string, limit: number): AdminFailure {
  return new AdminFailure("invalid_argument", message, limit);
}

function exceeds(text: string, limit: number): boolean {
  // UTF-8 takes at most three bytes for a UTF-16 unit, so short texts need no counting.
  if (limit === 0 || text.length * 3 <= limit) return false;
  return text.length > limit || new TextEncoder().encode(text).length > limit;
}
