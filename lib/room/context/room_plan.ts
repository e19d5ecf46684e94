/**
 * Everything that is decided about a room, as data and as text: nodes that share a room share its
 * plan. Pure.
 *
 * @module
 */
import { AgentDispatch, RoomAgentDispatch, RoomEgress } from "@livekit/protocol";

/** A tag with this name and the value `true` locks a room: nobody new may join. */
export const LOCK_TAG = "roomwire.locked";

/** No plan is longer, whatever the configured limits, characters. */
const MAX_TEXT = 4 * 1024 * 1024;
/** Tags and dispatches in one plan. */
const MAX_ENTRIES = 10_000;

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
}

/** Whether nobody new may join. */
export function isLocked({ internal }: RoomPlan): boolean {
  return internal.tags[LOCK_TAG] === "true";
}

/** `plan` as JSON. */
export function planText(plan: RoomPlan): string {
  const { settings, internal, metadata } = plan;
  const { agents, egress, dispatches, ...rest } = internal;
  return JSON.stringify({
    settings,
    internal: {
      ...rest,
      agents: agents.map((dispatch) => dispatch.toJson()),
      ...(egress === undefined ? {} : { egress: egress.toJson() }),
      ...(dispatches === undefined
        ? {}
        : { dispatches: dispatches.map((dispatch) => dispatch.toJson()) }),
    },
    metadata,
  });
}

/** Reads {@linkcode planText}; `undefined` for anything else. */
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
  return {
    settings: { emptyTimeoutS, departureTimeoutS, maxParticipants } as RoomSettings,
    internal: {
      tags: { ...tags as Record<string, string> },
      agents: agents.map((dispatch) => RoomAgentDispatch.fromJson(dispatch)),
      egress: egress === undefined ? undefined : RoomEgress.fromJson(egress as JsonMessage),
      playoutDelay: { enabled, min, max } as RoomInternal["playoutDelay"],
      syncStreams: syncStreams as boolean,
      ...(dispatches === undefined
        ? {}
        : { dispatches: dispatches.map((dispatch) => AgentDispatch.fromJson(dispatch)) }),
      replayEnabled: replayEnabled as boolean,
      nodeId: nodeId as string,
    },
    metadata: metadata as string,
  };
}

type JsonMessage = Parameters<typeof RoomEgress.fromJson>[0];

function isList(value: unknown): value is readonly JsonMessage[] {
  return Array.isArray(value) && value.length <= MAX_ENTRIES;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
