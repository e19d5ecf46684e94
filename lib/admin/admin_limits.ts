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

/** Each of them is looked at for everybody who comes into the room. */
export const MAX_DISPATCHES = 100;
/** All texts of a room's dispatches, UTF-16 units: nodes that share the room all keep them. */
const MAX_DISPATCH_TEXT = 2 * 1024 * 1024;

/** As much of a dispatch as takes room. */
type DispatchTexts = Pick<
  RoomAgentDispatch,
  "agentName" | "deployment" | "metadata" | "attributes"
>;

/** All agent dispatches of a room, how ever they come about: how many, and how long. */
export function checkDispatchTotal(dispatches: readonly DispatchTexts[]) {
  if (dispatches.length > MAX_DISPATCHES) return tooMany("agent dispatches", MAX_DISPATCHES);
  let length = 0;
  for (const { agentName, deployment, metadata, attributes } of dispatches) {
    length += agentName.length + deployment.length + metadata.length;
    for (const [name, value] of Object.entries(attributes)) length += name.length + value.length;
  }
  if (length <= MAX_DISPATCH_TEXT) return undefined;
  return tooMany("texts of agent dispatches", MAX_DISPATCH_TEXT);
}

function tooMany(what: string, most: number): AdminFailure {
  return new AdminFailure("resource_exhausted", `a room has no more ${what} than ${most}`, most);
}

/** Every agent dispatch that a room is to be made with. */
export function checkDispatches(dispatches: readonly RoomAgentDispatch[], limits: AdminLimits) {
  for (const { metadata, attributes } of dispatches) {
    const failure = checkMetadata(metadata, limits) ?? checkAttributes(attributes, limits);
    if (failure !== undefined) return failure;
  }
  return checkDispatchTotal(dispatches);
}

function tooLarge(message: string, limit: number): AdminFailure {
  return new AdminFailure("invalid_argument", message, limit);
}

function exceeds(text: string, limit: number): boolean {
  // UTF-8 takes at most three bytes for a UTF-16 unit, so short texts need no counting.
  if (limit === 0 || text.length * 3 <= limit) return false;
  return text.length > limit || new TextEncoder().encode(text).length > limit;
}
