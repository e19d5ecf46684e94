/**
 * Everything that is decided about a room, as data and as text: nodes that share a room share its
 * plan. Pure.
 *
 * @module
 */
import { AgentDispatch, RoomAgentDispatch, RoomEgress } from "@livekit/protocol";
import {
  fieldsBeside,
  type Json,
  type JsonFields,
  readMessage,
  writeMessage,
} from "../../base/unknown_fields.ts";

/** A tag with this name and the value `true` locks a room: nobody new may join. */
export const LOCK_TAG = "roomwire.locked";

/** No plan is longer, whatever the configured limits, characters. */
const MAX_TEXT = 4 * 1024 * 1024;
/** Tags and dispatches in one plan. */
const MAX_ENTRIES = 10_000;
/** The last is what the directory keeps sealed beside a plan, and takes out of it itself. */
const PLAN_FIELDS = ["settings", "internal", "metadata", "sealedEgress"];
const SETTINGS_FIELDS = ["emptyTimeoutS", "departureTimeoutS", "maxParticipants"];
const INTERNAL_FIELDS = [
  "tags",
  "agents",
  "dispatches",
  "egress",
  "playoutDelay",
  "syncStreams",
  "replayEnabled",
  "nodeId",
];

/** Times in seconds; 0 for `maxParticipants` is no limit. */
export interface RoomSettings {
  readonly emptyTimeoutS: number;
  readonly departureTimeoutS: number;
  readonly maxParticipants: number;
}

/** What the server keeps of a room and never shows to clients. */
export interface RoomInternal {
  readonly tags: Readonly<Record<string, string>>;
  /** Dispatched when the room opens. */
  readonly agents: readonly RoomAgentDispatch[];
  /** The dispatches that the room has now, without their jobs. Absent where a node is alone. */
  readonly dispatches?: readonly AgentDispatch[] | undefined;
  /** Kept for a recording service; nothing here records. */
  readonly egress: RoomEgress | undefined;
  /** Milliseconds. */
  readonly playoutDelay: { readonly enabled: boolean; readonly min: number; readonly max: number };
  readonly syncStreams: boolean;
  readonly replayEnabled: boolean;
  /** Where the request wanted the room to be; empty if anywhere. */
  readonly nodeId: string;
}

/** Everything that is decided about a room. */
export interface RoomPlan {
  readonly settings: RoomSettings;
  readonly internal: RoomInternal;
  readonly metadata: string;
  /** What a newer node has decided, which is kept as it is; absent if there is nothing. */
  readonly newer?: NewerFields | undefined;
}

/** Fields that this version does not know, each where it stood. */
export interface NewerFields {
  readonly plan?: JsonFields | undefined;
  readonly settings?: JsonFields | undefined;
  readonly internal?: JsonFields | undefined;
}

/** Whether nobody new may join. */
export function isLocked({ internal }: RoomPlan): boolean {
  return internal.tags[LOCK_TAG] === "true";
}

/** `plan` as JSON. */
export function planText(plan: RoomPlan): string {
  const { settings, internal, metadata, newer } = plan;
  const { agents, egress, dispatches, ...rest } = internal;
  return JSON.stringify({
    ...newer?.plan,
    settings: { ...newer?.settings, ...settings },
    internal: {
      ...newer?.internal,
      ...rest,
      agents: agents.map(writeMessage),
      ...(egress === undefined ? {} : { egress: writeMessage(egress) }),
      ...(dispatches === undefined ? {} : { dispatches: dispatches.map(writeMessage) }),
    },
    metadata,
  });
}

/**
 * Reads {@linkcode planText}, also of a newer node, whose unknown fields are kept; `undefined` for
 * anything else.
 */
export function readPlan(text: string): RoomPlan | undefined {
  if (text.length > MAX_TEXT) return undefined;
  try {
    return planOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** @throws If a message in it is none. */
function planOf(json: unknown): RoomPlan | undefined {
  const { settings, internal, metadata } = fields(json);
  const { emptyTimeoutS, departureTimeoutS, maxParticipants } = fields(settings);
  const { tags, agents, egress, playoutDelay, syncStreams, replayEnabled, nodeId } = fields(
    internal,
  );
  const { dispatches } = fields(internal);
  const { enabled, min, max } = fields(playoutDelay);
  const counts = [emptyTimeoutS, departureTimeoutS, maxParticipants, min, max];
  const flags = [enabled, syncStreams, replayEnabled];
  const texts = [metadata, nodeId, ...Object.values(fields(tags))];
  const isPlan = counts.every((value) => Number.isFinite(value) && (value as number) >= 0) &&
    flags.every((value) => typeof value === "boolean") &&
    texts.every((value) => typeof value === "string") && texts.length <= MAX_ENTRIES &&
    isList(agents) && (dispatches === undefined || isList(dispatches));
  if (!isPlan) return undefined;
  const newer = newerFields(fields(json), fields(settings), fields(internal));
  return {
    settings: { emptyTimeoutS, departureTimeoutS, maxParticipants } as RoomSettings,
    internal: {
      tags: { ...tags as Record<string, string> },
      agents: agents.map((dispatch) => readMessage(RoomAgentDispatch, dispatch)),
      egress: egress === undefined ? undefined : readMessage(RoomEgress, egress),
      playoutDelay: { enabled, min, max } as RoomInternal["playoutDelay"],
      syncStreams: syncStreams as boolean,
      ...(dispatches === undefined
        ? {}
        : { dispatches: dispatches.map((dispatch) => readMessage(AgentDispatch, dispatch)) }),
      replayEnabled: replayEnabled as boolean,
      nodeId: nodeId as string,
    },
    metadata: metadata as string,
    ...(newer === undefined ? {} : { newer }),
  };
}

function newerFields(
  plan: JsonFields,
  settings: JsonFields,
  internal: JsonFields,
): NewerFields | undefined {
  const newer = {
    plan: fieldsBeside(plan, PLAN_FIELDS),
    settings: fieldsBeside(settings, SETTINGS_FIELDS),
    internal: fieldsBeside(internal, INTERNAL_FIELDS),
  };
  return Object.values(newer).every((each) => each === undefined) ? undefined : newer;
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value) && value.length <= MAX_ENTRIES;
}

function fields(value: unknown): JsonFields {
  return typeof value === "object" && value !== null ? value as JsonFields : {};
}
