/**
 * `/whip/v1` and `/whip/v1/{participant_id}`: publishing (and receiving) over one HTTP exchange,
 * RFC 9725.
 *
 * @module
 */
import type { JoinLimits } from "../lib/signalling/join_parameters.ts";
import { readWhipParameters } from "../lib/signalling/whip_parameters.ts";
import type { WhipService } from "../lib/signalling/whip_service.ts";
import type { HttpExchange, RouteHandler } from "./http_exchange.ts";
import {
  type HttpSessionRouteOptions,
  httpSessionRoutes,
  type SessionRequests,
} from "./http_session.ts";

/** What the routes need. */
export interface WhipRouteOptions extends HttpSessionRouteOptions {
  readonly whip: Pick<WhipService, "create"> & SessionRequests;
  readonly limits: JoinLimits;
}

/** The handler of a path below `/whip/v1`, if it is one. */
export function whipRoutes(options: WhipRouteOptions): (path: string) => RouteHandler | undefined {
  const { whip, limits } = options;
  const read = ({ request: { headers }, url, token, socketAddress }: HttpExchange) => {
    const asked = readWhipParameters({
      query: url.searchParams,
      token,
      userAgent: headers.get("User-Agent") ?? "",
      socketAddress,
      clientInfo: headers.get("X-LiveKit-ClientInfo") ?? "",
    }, limits);
    if (!asked.ok) return asked;
    const create = (offerSdp: string) => whip.create(asked.join, offerSdp, asked.wanted);
    return { ok: true as const, create };
  };
  return httpSessionRoutes({ path: "/whip/v1", sessions: whip, read }, options);
}
