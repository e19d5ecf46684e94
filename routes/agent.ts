/**
 * `/agent`: the socket on which agent workers register and take jobs.
 *
 * @module
 */
import type { Refusal } from "../lib/signalling/access_token.ts";
import type { AgentService } from "../lib/agents/agent_service.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import { plainText, type RouteHandler, wantsWebSocket } from "./http_exchange.ts";

/** What the route needs. */
export interface AgentRouteOptions {
  readonly agents: Pick<AgentService, "openWorker">;
  /** Why no worker is taken now; they connect again, perhaps elsewhere. */
  readonly refusal?: () => Refusal | undefined;
  /** Answers the upgrade and gives the server's end of the socket. */
  readonly upgrade: (request: Request) => {
    readonly response: Response;
    readonly socket: SignalSocket;
  };
}

/**
 * 404 without an upgrade, 401 without the `agent` grant, 503 while the node drains, else a worker's
 * session.
 */
export function agentRoute({ agents, refusal, upgrade }: AgentRouteOptions): RouteHandler {
  return ({ request, token }) => {
    if (!wantsWebSocket(request)) return new Response(null, { status: 404 });
    if (token?.video?.agent !== true) return plainText(401, "permissions denied");
    const refused = refusal?.();
    if (refused !== undefined) return plainText(refused.status, refused.body);
    const { response, socket } = upgrade(request);
    agents.openWorker(token.apiKey, socket);
    return response;
  };
}
