/**
 * `/cluster`: the socket on which another node of the cluster links itself with this one; and
 * `/cluster/carry`, on which it hands over a request of a client.
 *
 * @module
 */
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import { plainText, type RouteHandler, wantsWebSocket } from "./http_exchange.ts";

/** The header in which a node that dials shows its token: no URL, so no log has it. */
export const NODE_TOKEN_HEADER = "Roomwire-Node";

/** Whom a token lets in. */
export type NodeAcceptance =
  | { readonly ok: true; readonly open: (socket: SignalSocket) => void }
  | { readonly ok: false; readonly refusal: { readonly status: number; readonly body: string } };

/** What the route needs. */
export interface ClusterRouteOptions {
  readonly links: { accept(token: string): NodeAcceptance };
  /** Answers the upgrade and gives the server's end of the socket. */
  readonly upgrade: (request: Request) => {
    readonly response: Response;
    readonly socket: SignalSocket;
  };
}

/** 404 without an upgrade, else what becomes of the token: a socket, or a refusal. */
export function clusterRoute({ links, upgrade }: ClusterRouteOptions): RouteHandler {
  return ({ request }) => {
    if (!wantsWebSocket(request)) return new Response(null, { status: 404 });
    const token = request.headers.get(NODE_TOKEN_HEADER);
    if (token === null) return plainText(401, "permissions denied");
    const accepted = links.accept(token);
    if (!accepted.ok) return plainText(accepted.refusal.status, accepted.refusal.body);
    const { response, socket } = upgrade(request);
    accepted.open(socket);
    return response;
  };
}
