/**
 * `livekit.AgentDispatchService`: which agents go to which rooms.
 *
 * @module
 */
import {
  CreateAgentDispatchRequest,
  DeleteAgentDispatchRequest,
  ListAgentDispatchRequest,
  ListAgentDispatchResponse,
} from "@livekit/protocol";
import type { AgentService } from "../lib/signalling/agent_service.ts";
import { type TwirpCall, twirpMethod, type TwirpReply, type TwirpService } from "./twirp.ts";
import { relayedError, TwirpError } from "./twirp_error.ts";
import { needsRoomAdmin } from "./twirp_grants.ts";

/** Deployments and limits as the server's configuration has them; 0 is no limit. */
export interface AgentDispatchOptions {
  readonly agents: AgentService;
  /** Makes the room if rooms may be made by asking; nothing happens if it is there. */
  readonly ensureRoom: (room: string) => void;
  /** Bytes. */
  readonly maxMetadataSize: number;
  /** Bytes of all keys and values. */
  readonly maxAttributesSize: number;
}

/** The service's methods. */
export function agentDispatchService(options: AgentDispatchOptions): TwirpService {
  const { agents } = options;
  return {
    name: "livekit.AgentDispatchService",
    methods: {
      CreateDispatch: twirpMethod(
        CreateAgentDispatchRequest,
        (request, call) => create(options, request, call),
      ),
      DeleteDispatch: twirpMethod(
        DeleteAgentDispatchRequest,
        ({ room, dispatchId }, { token }) =>
          needsRoomAdmin(token, room) ?? agents.dispatcher.delete(room, dispatchId) ??
            relayedError("not_found", "dispatch ID not found"),
      ),
      ListDispatch: twirpMethod(ListAgentDispatchRequest, ({ room, dispatchId }, { token }) => {
        const denied = needsRoomAdmin(token, room);
        if (denied !== undefined) return denied;
        const agentDispatches = agents.dispatcher.list(room, dispatchId);
        return agentDispatches === undefined
          ? noServer()
          : new ListAgentDispatchResponse({ agentDispatches });
      }),
    },
  };
}

function create(
  { agents, ensureRoom, maxMetadataSize, maxAttributesSize }: AgentDispatchOptions,
  request: CreateAgentDispatchRequest,
  { token, requestId }: TwirpCall,
): TwirpReply {
  const denied = needsRoomAdmin(token, request.room);
  if (denied !== undefined) return denied;
  if (exceeds(byteLength(request.metadata), maxMetadataSize)) {
    return new TwirpError("invalid_argument", "metadata size exceeds limits");
  }
  const attributes = Object.entries(request.attributes).flat();
  const attributeBytes = attributes.reduce((sum, text) => sum + byteLength(text), 0);
  if (exceeds(attributeBytes, maxAttributesSize)) {
    return new TwirpError("invalid_argument", "attribute size exceeds limits");
  }
  ensureRoom(request.room);
  return agents.createDispatch(request, requestId) ?? noServer();
}

/** No node has that room open. */
function noServer(): TwirpError {
  return relayedError("unavailable", "no response from servers");
}

function exceeds(size: number, limit: number): boolean {
  return limit > 0 && size > limit;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
