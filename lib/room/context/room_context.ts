/**
 * What rooms and participants are given from outside: one value made by the composition root.
 *
 * @module
 */
import type { RegionSettings } from "@livekit/protocol";
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Platform } from "../../base/platform.ts";
import type { EngineReady } from "../../engine/messages/media_messages.ts";
import type { RoomDrop } from "../drop_reasons.ts";
import type { EngineRouter } from "./engine_router.ts";
import type { IcePreferences } from "./ice_preference.ts";
import type { Telemetry } from "./telemetry.ts";
import type { RecentDepartures } from "./recent_departures.ts";
import type { NodePorts, TokenBan } from "./node_ports.ts";
import type { RoomObserver } from "./room_events.ts";
import type { RoomOptions } from "./room_options.ts";
import type { SessionTraces } from "./session_traces.ts";
import type { SessionCensus } from "./session_census.ts";

/** Tokens that are refused although signed, as rooms tell each other of them. */
export interface RefusedTokens {
  revoke(room: string, identity: string, beforeMs: number, knownExpiryMs: number): void;
  of(room: string): readonly TokenBan[];
}

/** The world of a room. */
export interface RoomContext {
  readonly platform: Platform;
  readonly router: EngineRouter;
  /** Known once the media plane has started; rooms are only joined after that. */
  readonly engine: () => EngineReady;
  readonly options: RoomOptions;
  readonly counters: DropSink<RoomDrop>;
  /** Who hears of what happens in rooms. */
  readonly observers?: readonly RoomObserver[];
  readonly telemetry: Telemetry;
  /** Absent unless somebody traces. */
  readonly tracing?: SessionTraces;
  /** Over what clients are to reach us that had trouble. */
  readonly icePreferences: IcePreferences;
  /** Who has left any room; the directory's. */
  readonly departures?: RecentDepartures;
  /** Who is in any room; the directory's. */
  readonly census?: SessionCensus;
  /** Tokens that are refused; the directory's. */
  readonly revocations?: RefusedTokens;
  /** Where clients may go that are to leave this node; asked whenever one is told to. */
  readonly regions?: () => RegionSettings | undefined;
  /** What is beyond this node; absent: nothing. */
  readonly ports?: NodePorts;
  readonly nodeId: NodeId;
  readonly region: string;
}
