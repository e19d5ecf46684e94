/**
 * `/settings/regions`: where clients may go instead, nearest first, as LiveKit Cloud tells its
 * clients.
 *
 * @module
 */
import type { RegionSettings } from "@livekit/protocol";
import { plainText, type RouteHandler } from "./http_exchange.ts";

/** How long clients may go by the list, seconds; those that are connected ask again then. */
const MAX_AGE_S = 30;

/** What the route needs. */
export interface RegionsRouteOptions {
  readonly regions: () => RegionSettings;
}

/** For whoever may join a room; 401 for others. */
export function regionsRoute({ regions }: RegionsRouteOptions): RouteHandler {
  return ({ request, token }) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plainText(405, "Method Not Allowed\n", { "Allow": "GET, HEAD" });
    }
    if (token?.video?.roomJoin !== true) return plainText(401, "permissions denied");
    // Some SDKs read every field of every region.
    const body = regions().toJsonString({ emitDefaultValues: true });
    return new Response(body, {
      headers: {
        "Content-Type": "application/json",
        "Cache-Control": `private, max-age=${MAX_AGE_S}`,
      },
    });
  };
}
