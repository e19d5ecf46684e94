/**
 * `/agent`: the socket on which agent workers register and take jobs.
 *
 * @module
 */
import type { AgentService } from "../lib/signalling/agent_service.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import { plainText, type RouteHandler, wantsWebSocket } from "./http_exchange.ts";

/** What the route needs. */
export interface AgentRouteOptions {
  readonly agents: Pick<AgentService, "openWorker">;
  /** Answers the upgrade and gives the server's end of the socket. */
  readonly upgrade: (request: Request) => {
    readonly response: Response;
    readonly socket: SignalSocket;
  };
}

/** 404 without an upgrade, 401 without the `agent` grant, else a worker's session. */
export function agentRoute({ agents, upgrade }: AgentRouteOptions): RouteHandler {
  return ({ request, token }) => {
    if (!wantsWebSocket(request)) return new Response(null, { status: 404 });
    if (token?.video?.agent !== true) return plainText(401, "permissions denied");
    const { response, socket } = upgrade(request);
    agents.openWorker(token.apiKey, socket);
    return response;
  };
}
