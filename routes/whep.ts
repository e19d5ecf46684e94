/**
 * `/whep/v1`, `/whep/v1/{participant_id}` and `/whep/v1/{participant_id}/layer`: watching a room
 * over one HTTP exchange, draft-ietf-wish-whep.
 *
 * @module
 */
import type { JoinLimits } from "../lib/signalling/join_parameters.ts";
import { readWhepParameters } from "../lib/signalling/whep_parameters.ts";
import type { WhepService } from "../lib/signalling/whep_service.ts";
import type { HttpExchange, RouteHandler } from "./http_exchange.ts";
import {
  type HttpSessionRouteOptions,
  httpSessionRoutes,
  type SessionRequests,
} from "./http_session.ts";

/** What the routes need. */
export interface WhepRouteOptions extends HttpSessionRouteOptions {
  readonly whep: Pick<WhepService, "create" | "setLayer"> & SessionRequests;
  readonly limits: JoinLimits;
}

const LAYER = {
  name: "layer",
  contentType: "application/json",
  relation: "urn:ietf:params:whep:ext:core:layer",
};

/** The handler of a path below `/whep/v1`, if it is one. */
export function whepRoutes(options: WhepRouteOptions): (path: string) => RouteHandler | undefined {
  const { whep, limits } = options;
  const read = ({ request: { headers }, url, token, socketAddress }: HttpExchange) => {
    const asked = readWhepParameters({
      query: url.searchParams,
      token,
      userAgent: headers.get("User-Agent") ?? "",
      socketAddress,
    }, limits);
    if (!asked.ok) return asked;
    const create = (offerSdp: string) => whep.create(asked.join, offerSdp, asked.choice);
    return { ok: true as const, create };
  };
  const subResource = {
    ...LAYER,
    change: (...[target, wish]: Parameters<WhepService["setLayer"]>) => whep.setLayer(target, wish),
  };
  return httpSessionRoutes({ path: "/whep/v1", sessions: whep, read, subResource }, options);
}
