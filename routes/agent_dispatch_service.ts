/**
 * `livekit.AgentDispatchService`: which agents go to which rooms.
 *
 * @module
 */
import {
  CreateAgentDispatchRequest,
  DeleteAgentDispatchRequest,
  ListAgentDispatchRequest,
} from "@livekit/protocol";
import { type AdminLimits, checkAttributes, checkMetadata } from "../lib/admin/admin_limits.ts";
import type { AgentService } from "../lib/agents/agent_service.ts";
import type { DispatchCalls } from "../lib/agents/dispatch_calls.ts";
import { said } from "./admin_reply.ts";
import { type TwirpCall, twirpMethod, type TwirpReply, type TwirpService } from "./twirp.ts";
import { needsRoomAdmin, needsSomeRoomAdmin } from "./twirp_grants.ts";

/** What the methods work on. */
export interface AgentDispatchOptions {
  readonly agents: Pick<AgentService, "dispatchOf">;
  readonly dispatches: DispatchCalls;
  readonly limits: AdminLimits;
}

/** The service's methods. */
export function agentDispatchService(options: AgentDispatchOptions): TwirpService {
  const { dispatches } = options;
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
        async (request, { token }) =>
          needsRoomAdmin(token, request.room) ?? said(await dispatches.delete(request)),
      ),
      ListDispatch: twirpMethod(
        ListAgentDispatchRequest,
        { grant: needsSomeRoomAdmin, carries: "names" },
        async (request, { token }) =>
          needsRoomAdmin(token, request.room) ?? said(await dispatches.list(request)),
      ),
    },
  };
}

async function create(
  { agents, dispatches, limits }: AgentDispatchOptions,
  request: CreateAgentDispatchRequest,
  { token, requestId }: TwirpCall,
): Promise<TwirpReply> {
  const denied = needsRoomAdmin(token, request.room);
  if (denied !== undefined) return denied;
  const tooLarge = checkMetadata(request.metadata, limits) ??
    checkAttributes(request.attributes, limits);
  if (tooLarge !== undefined) return said(tooLarge);
  return said(await dispatches.create(agents.dispatchOf(request, requestId)));
}
