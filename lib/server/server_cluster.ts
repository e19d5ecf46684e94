/**
 * A server's part in a cluster, composed: present where the configuration names a directory.
 *
 * @module
 */
import {
  DisconnectReason,
  ParticipantInfo,
  ParticipantInfo_State as State,
  Room as RoomInfo,
} from "@livekit/protocol";
import { answerCall } from "../admin/carried_calls.ts";
import type { AgentService } from "../agents/agent_service.ts";
import type { DispatchCalls } from "../agents/dispatch_calls.ts";
import type { RoomAdmin } from "../admin/room_admin.ts";
import type { DropSink } from "../base/drop_counters.ts";
import type { NodeId } from "../base/ids.ts";
import type { Log, Platform } from "../base/platform.ts";
import {
  type ClientSettings,
  ClusterNode,
  type ClusterNodeOptions,
} from "../cluster/cluster_node.ts";
import type {
  Claim,
  ClusterDirectory,
  RoomRecord,
} from "../cluster/directory/cluster_directory.ts";
import type { ReaperObserver } from "../cluster/directory/reaper.ts";
import type { ClusterDrop } from "../cluster/drop_reasons.ts";
import type { EngineRouter } from "../room/context/engine_router.ts";
import type { RoomObserver } from "../room/context/room_events.ts";
import { readPlan } from "../room/context/room_plan.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { ClusterSettings } from "./cluster_settings.ts";
import type { Config } from "./config/config_parsing.ts";
import { nodeDialling } from "./http/node_dialling.ts";
import { NodeLoadMeter } from "./node_load.ts";

/** What it is composed of. */
export interface ServerClusterOptions {
  readonly config: Config;
  readonly settings: ClusterSettings;
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly nodeId: NodeId;
  readonly cores: number;
  readonly router: EngineRouter;
  readonly rooms: () => LocalRooms;
  readonly admin: () => RoomAdmin;
  readonly agents: AgentService;
  readonly dispatches: () => DispatchCalls;
  /** Absent where nothing records. */
  readonly recording: { readonly answerCall: ClusterNodeOptions["answer"] } | undefined;
  /** Absent where nobody may look. */
  readonly operators: { readonly answerCall: ClusterNodeOptions["answer"] } | undefined;
  /** Answers a request that another node carries here. */
  readonly answer: ClientSettings["answer"];
  /** Hear of rooms that end without a server. */
  readonly observers: readonly RoomObserver[];
}

/** A node, and what ends with it. */
export interface ServerCluster {
  readonly node: ClusterNode;
  /** Leaves the cluster; never rejects. */
  close(): Promise<void>;
}

/** Composes a node; nothing is said to others before {@linkcode ClusterNode.start}. */
export function createServerCluster(
  directory: ClusterDirectory,
  options: ServerClusterOptions,
): ServerCluster {
  const { config, settings, platform, counters, nodeId, cores, router } = options;
  const { rooms, observers, agents, answer } = options;
  const { clientAddress: address, gathersRooms, places, ...reach } = settings;
  const dialling = nodeDialling();
  const { clock, log } = platform;
  const maxTracks = Math.max(0, config.limit.num_tracks);
  const meter = new NodeLoadMeter({ clock, cores, maxTracks, rooms });
  const node = new ClusterNode({
    platform,
    counters,
    node: nodeId,
    region: config.region,
    directory,
    ...reach,
    dial: dialling.dial,
    clients: { address, gathersRooms, places, dial: dialling.dialCarried, answer },
    load: () => meter.measure(),
    agents: {
      service: agents,
      dispatches: (room) => rooms().get(room)?.internal.dispatches,
    },
    send: (command) => router.send(command),
    answer: async (call) =>
      (await options.dispatches().answer(call)) ??
        (await options.recording?.answerCall(call)) ??
        (await options.operators?.answerCall(call)) ??
        answerCall(options.admin(), call),
    observer: inTheirName(observers, log),
  });
  router.onNodeEvent = (event) => node.handle(event);
  return {
    node,
    close: async () => {
      await node.close().catch((error) => {
        log.warn("the cluster was not left in order", { error: String(error) });
      });
      dialling[Symbol.dispose]();
    },
  };
}

/** Tells observers what dead nodes do not tell any more. */
function inTheirName(observers: readonly RoomObserver[], log: Log): ReaperObserver {
  const each = (event: keyof RoomObserver, tell: (observer: RoomObserver) => void) => {
    for (const observer of observers) {
      try {
        tell(observer);
      } catch (error) {
        log.error("room observer failed", { event, error: String(error) });
      }
    }
  };
  const gone = (
    event: "participantLeft" | "participantConnectionAborted",
    room: RoomRecord,
    claims: readonly Claim[],
  ) => {
    for (const { identity, sid } of claims) {
      const state = State.DISCONNECTED;
      const disconnectReason = DisconnectReason.SERVER_SHUTDOWN;
      const info = () => new ParticipantInfo({ identity, sid, state, disconnectReason });
      each(event, (one) => one[event]?.(infoOf(room), info()));
    }
  };
  return {
    onFreed: (room, claims) => gone("participantLeft", room, claims),
    onUnjoined: (room, claims) => gone("participantConnectionAborted", room, claims),
    onFinished: (room) => {
      const reason = DisconnectReason.ROOM_CLOSED;
      each("roomFinished", (one) => one.roomFinished?.(infoOf(room), reason));
    },
  };
}

/** A room that no node serves, as it is told of. */
function infoOf({ sid, name, createdAtMs, plan }: RoomRecord): RoomInfo {
  const read = readPlan(plan);
  return new RoomInfo({
    sid,
    name,
    creationTime: BigInt(Math.trunc(createdAtMs / 1000)),
    creationTimeMs: BigInt(createdAtMs),
    metadata: read?.metadata ?? "",
    emptyTimeout: read?.settings.emptyTimeoutS ?? 0,
    departureTimeout: read?.settings.departureTimeoutS ?? 0,
    maxParticipants: read?.settings.maxParticipants ?? 0,
  });
}
