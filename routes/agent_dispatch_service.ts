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
import { AdminFailure, nobodyServes } from "../lib/admin/admin_failure.ts";
import { type AdminLimits, checkAttributes, checkMetadata } from "../lib/admin/admin_limits.ts";
import type { AgentService } from "../lib/agents/agent_service.ts";
import { said } from "./admin_reply.ts";
import { type TwirpCall, twirpMethod, type TwirpReply, type TwirpService } from "./twirp.ts";
import { needsRoomAdmin, needsSomeRoomAdmin } from "./twirp_grants.ts";

/** What the methods work on. */
export interface AgentDispatchOptions {
  readonly agents: AgentService;
  readonly limits: AdminLimits;
  /** Makes the room if rooms may be made by asking; nothing happens if it is there. */
  readonly ensureRoom: (room: string) => Promise<void>;
}

/** The service's methods. */
export function agentDispatchService(options: AgentDispatchOptions): TwirpService {
  const { agents } = options;
  return {
    name: "livekit.AgentDispatchService",
    methods: {
      CreateDispatch: twirpMethod(
        CreateAgentDispatchRequest,
        { grant: needsSomeRoomAdmin, carries: "content" },
        (request, call) => create(options, request, call),
      ),
      DeleteDispatch: twirpMethod(
        DeleteAgentDispatchRequest,
        { grant: needsSomeRoomAdmin, carries: "names" },
        ({ room, dispatchId }, { token }) =>
          needsRoomAdmin(token, room) ?? agents.dispatcher.delete(room, dispatchId) ??
            said(new AdminFailure("not_found", "dispatch ID not found")),
      ),
      ListDispatch: twirpMethod(ListAgentDispatchRequest, {
        grant: needsSomeRoomAdmin,
        carries: "names",
      }, ({ room, dispatchId }, { token }) => {
        const denied = needsRoomAdmin(token, room);
        if (denied !== undefined) return denied;
        const agentDispatches = agents.dispatcher.list(room, dispatchId);
        return said(
          agentDispatches === undefined
            ? nobodyServes()
            : new ListAgentDispatchResponse({ agentDispatches }),
        );
      }),
    },
  };
}

async function create(
  { agents, ensureRoom, limits }: AgentDispatchOptions,
  request: CreateAgentDispatchRequest,
  { token, requestId }: TwirpCall,
): Promise<TwirpReply> {
  const denied = needsRoomAdmin(token, request.room);
  if (denied !== undefined) return denied;
  const tooLarge = checkMetadata(request.metadata, limits) ??
    checkAttributes(request.attributes, limits);
  if (tooLarge !== undefined) return said(tooLarge);
  await ensureRoom(request.room);
  return said(agents.createDispatch(request, requestId) ?? nobodyServes());
}
