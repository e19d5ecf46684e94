/**
 * Agents, as a part of a server: their workers, and what they see of its rooms.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import { roomContents } from "../agents/agent_dispatcher.ts";
import { AgentService } from "../agents/agent_service.ts";
import type { NodeId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { type ApiKeys, signAccessToken } from "../signalling/access_token.ts";
import { serverInfo } from "../signalling/join_response.ts";
import type { Config } from "./config/config_parsing.ts";
import { PROTOCOL_VERSION } from "./version.ts";

/** What they are given of their server. */
export interface AgentsWorld {
  readonly config: Config;
  readonly keys: ApiKeys;
  readonly nodeId: NodeId;
  readonly platform: Platform;
  readonly rooms: () => LocalRooms;
}

/** The service, with its keys of the configuration read. */
export function serverAgents({ config, keys, nodeId, platform, rooms }: AgentsWorld): AgentService {
  const { target_load, enable_user_data_recording, enable_user_data_redaction } = config.agents;
  return new AgentService({
    platform,
    serverInfo: serverInfo({ version: PROTOCOL_VERSION, region: config.region, nodeId }),
    signToken: (apiKey, claims, nowMs, validForMs) =>
      signAccessToken({ apiKey, secret: keys.get(apiKey) ?? "" }, claims, nowMs, validForMs),
    maxBufferedBytes: config.limit.signal_buffer_limit,
    targetLoad: target_load,
    enableRecording: enable_user_data_recording,
    enableRedaction: enable_user_data_redaction,
    rooms: {
      configured: (room) => rooms().get(room)?.internal.agents ?? [],
      contents: (name) => {
        const room = rooms().get(name);
        return room && roomContents(room);
      },
      remove: (room, identity) => {
        const member = rooms().get(room)?.byIdentity(identity);
        if (member?.elsewhere) return;
        member?.close(DisconnectReason.PARTICIPANT_REMOVED, "disconnect");
      },
    },
  });
}
