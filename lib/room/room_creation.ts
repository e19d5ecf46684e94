/**
 * What a room is made with, and how requests, presets and the server's defaults come together.
 * Pure.
 *
 * A request's zero and empty values mean "not said": a new room then takes the preset's value, else
 * the server's.
 *
 * @module
 */
import {
  AgentDispatch,
  AgentDispatchState,
  type RoomAgentDispatch,
  type RoomConfiguration,
  type RoomEgress,
} from "@livekit/protocol";
import { randomId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { RoomOptions } from "./context/room_options.ts";
import type { RoomPlan } from "./context/room_plan.ts";

/** What may be asked for when a room is made. */
export interface RoomRequest {
  readonly name: string;
  /** Name of a preset in `room.room_configurations`. */
  readonly roomPreset?: string;
  readonly emptyTimeoutS?: number;
  readonly departureTimeoutS?: number;
  readonly maxParticipants?: number;
  readonly metadata?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly agents?: readonly RoomAgentDispatch[];
  readonly egress?: RoomEgress | undefined;
  readonly minPlayoutDelay?: number;
  readonly maxPlayoutDelay?: number;
  readonly syncStreams?: boolean;
  readonly replayEnabled?: boolean;
  readonly nodeId?: string;
}

/** The fields of a `CreateRoomRequest` or of a token's `RoomConfiguration`. */
export function roomRequest(
  name: string,
  from: Partial<Omit<RoomConfiguration, "name">>,
): RoomRequest {
  return {
    name,
    emptyTimeoutS: from.emptyTimeout ?? 0,
    departureTimeoutS: from.departureTimeout ?? 0,
    maxParticipants: from.maxParticipants ?? 0,
    metadata: from.metadata ?? "",
    tags: from.tags ?? {},
    agents: from.agents ?? [],
    egress: from.egress,
    minPlayoutDelay: from.minPlayoutDelay ?? 0,
    maxPlayoutDelay: from.maxPlayoutDelay ?? 0,
    syncStreams: from.syncStreams ?? false,
  };
}

/** `request` with what it leaves open taken from `preset`. */
export function withPreset(request: RoomRequest, preset: RoomConfiguration): RoomRequest {
  return {
    ...request,
    emptyTimeoutS: request.emptyTimeoutS || preset.emptyTimeout,
    departureTimeoutS: request.departureTimeoutS || preset.departureTimeout,
    maxParticipants: request.maxParticipants || preset.maxParticipants,
    metadata: request.metadata || preset.metadata,
    tags: { ...preset.tags, ...request.tags },
    agents: request.agents?.length ? request.agents : preset.agents,
    egress: request.egress ?? preset.egress,
    minPlayoutDelay: request.minPlayoutDelay || preset.minPlayoutDelay,
    maxPlayoutDelay: request.maxPlayoutDelay || preset.maxPlayoutDelay,
    syncStreams: request.syncStreams || preset.syncStreams,
  };
}

/** The plan of a room nobody has asked anything of. */
export function defaultPlan(options: RoomOptions): RoomPlan {
  return {
    settings: {
      emptyTimeoutS: options.emptyTimeoutS,
      departureTimeoutS: options.departureTimeoutS,
      maxParticipants: options.maxParticipants,
    },
    internal: {
      tags: {},
      agents: [],
      egress: undefined,
      playoutDelay: options.playoutDelay ?? { enabled: false, min: 0, max: 0 },
      syncStreams: options.syncStreams,
      replayEnabled: false,
      nodeId: "",
    },
    metadata: "",
  };
}

/** `current` with everything `request` says. */
export function applyRequest(current: RoomPlan, request: RoomRequest): RoomPlan {
  const { settings, internal } = current;
  const { minPlayoutDelay: min = 0, maxPlayoutDelay: max = 0 } = request;
  return {
    settings: {
      emptyTimeoutS: request.emptyTimeoutS || settings.emptyTimeoutS,
      departureTimeoutS: request.departureTimeoutS || settings.departureTimeoutS,
      maxParticipants: request.maxParticipants || settings.maxParticipants,
    },
    internal: {
      tags: { ...internal.tags, ...request.tags },
      agents: request.agents?.length ? request.agents : internal.agents,
      egress: request.egress ?? internal.egress,
      playoutDelay: min > 0 || max > 0 ? { enabled: true, min, max } : internal.playoutDelay,
      syncStreams: request.syncStreams || internal.syncStreams,
      dispatches: internal.dispatches,
      replayEnabled: request.replayEnabled || internal.replayEnabled,
      nodeId: request.nodeId || internal.nodeId,
    },
    metadata: request.metadata || current.metadata,
    ...(current.newer === undefined ? {} : { newer: current.newer }),
  };
}

/**
 * Where a new room is pinned by its name: the whole name first, then the longest beginning that is
 * named with a `*` behind it.
 *
 * @param regions Region by name, or by beginning.
 * @returns `region:` and the region, as `CreateRoom.node_id` may say, too; empty without a pin.
 */
export function pinByName(name: string, regions: Readonly<Record<string, string>>): string {
  const fits = Object.keys(regions).filter((rule) =>
    rule === name || rule.endsWith("*") && name.startsWith(rule.slice(0, -1))
  );
  const [best] = fits.toSorted((a, b) =>
    Number(b === name) - Number(a === name) || b.length - a.length
  );
  const region = best === undefined ? "" : regions[best]!;
  return region === "" ? "" : `region:${region}`;
}

/**
 * The dispatches a room begins with: those it asks for, or else one without a name, for agents that
 * have none either.
 */
export function firstDispatches(
  room: string,
  agents: readonly RoomAgentDispatch[],
  { random, clock }: Pick<Platform, "random" | "clock">,
): AgentDispatch[] {
  const createdAt = BigInt(clock.wallMs()) * 1_000_000n;
  const wanted = agents.length > 0 ? agents : [{ agentName: "", metadata: "" }];
  return wanted.map((entry) =>
    new AgentDispatch({
      ...entry,
      id: randomId(random, "AD_"),
      room,
      state: new AgentDispatchState({ createdAt }),
    })
  );
}
