/**
 * The list of everything the HTTP listener answers. What is not here gets 404.
 *
 * @module
 */
import { agentRoute, type AgentRouteOptions } from "./agent.ts";
import { clusterRoute, type ClusterRouteOptions } from "./cluster.ts";
import { demoRoute } from "./demo.ts";
import { healthRoute, type Heartbeat, livenessRoute, readinessRoute } from "./health.ts";
import type { RouteHandler } from "./http_exchange.ts";
import { regionsRoute, type RegionsRouteOptions } from "./region_settings.ts";
import { rtcRoute, type RtcRouteOptions, validateRoute } from "./rtc.ts";
import { type WhipRouteOptions, whipRoutes } from "./whip.ts";

/** Finds the handler of a path. */
export type RouteTable = (path: string) => RouteHandler | undefined;

/** What all routes need together. */
export interface RouteOptions {
  readonly heartbeat: Heartbeat;
  readonly rtc: RtcRouteOptions;
  readonly whip: WhipRouteOptions;
  readonly agent: AgentRouteOptions;
  /** Absent where the node is alone. */
  readonly cluster?: ClusterRouteOptions;
  /** Requests that other nodes carry here; absent where the node is alone. */
  readonly carried?: ClusterRouteOptions;
  /** Absent where the node is alone. */
  readonly regions?: RegionsRouteOptions;
  /** The server API, see `twirpRoutes`. */
  readonly twirp: (path: string) => RouteHandler | undefined;
}

/** Builds the table; paths match whole but for the demo page, WHIP and the server API. */
export function routeTable(
  { heartbeat, rtc, whip, agent, cluster, carried, regions, twirp }: RouteOptions,
): RouteTable {
  const routes: ReadonlyMap<string, RouteHandler> = new Map([
    ["/", healthRoute(heartbeat)],
    ["/livez", livenessRoute(heartbeat)],
    ["/readyz", readinessRoute(heartbeat)],
    ["/rtc", rtcRoute(rtc, "v0")],
    ["/rtc/validate", validateRoute(rtc, "v0")],
    ["/rtc/v1", rtcRoute(rtc, "v1")],
    ["/rtc/v1/validate", validateRoute(rtc, "v1")],
    ["/agent", agentRoute(agent)],
    ["/demo", demoRoute],
    ...(cluster === undefined ? [] : [["/cluster", clusterRoute(cluster)] as const]),
    ...(carried === undefined ? [] : [["/cluster/carry", clusterRoute(carried)] as const]),
    ...(regions === undefined ? [] : [["/settings/regions", regionsRoute(regions)] as const]),
  ]);
  const whipRoute = whipRoutes(whip);
  return (path) =>
    routes.get(path) ?? (path.startsWith("/demo/") ? demoRoute : undefined) ?? whipRoute(path) ??
      twirp(path);
}
