/**
 * The list of everything the HTTP listener answers. What is not here gets 404.
 *
 * @module
 */
import { type AdminRouteOptions, adminRoutes } from "./admin.ts";
import { agentRoute, type AgentRouteOptions } from "./agent.ts";
import { clusterRoute, type ClusterRouteOptions } from "./cluster.ts";
import { type DemoRouteOptions, demoRoutes } from "./demo.ts";
import { docsRoutes } from "./docs.ts";
import { healthRoute, type Heartbeat, livenessRoute, readinessRoute } from "./health.ts";
import type { RouteHandler } from "./http_exchange.ts";
import { type IngressRouteOptions, ingressRoutes } from "./ingress.ts";
import { type ReplayRouteOptions, replayRoutes } from "./replay.ts";
import { type OperationsRouteOptions, operationsRoutes } from "./operations.ts";
import { regionsRoute, type RegionsRouteOptions } from "./region_settings.ts";
import { rtcRoute, type RtcRouteOptions, validateRoute } from "./rtc.ts";
import { type WhepRouteOptions, whepRoutes } from "./whep.ts";
import { type WhipRouteOptions, whipRoutes } from "./whip.ts";

/** Finds the handler of a path. */
export type RouteTable = (path: string) => RouteHandler | undefined;

/** What all routes need together. */
export interface RouteOptions {
  readonly heartbeat: Heartbeat;
  readonly rtc: RtcRouteOptions;
  readonly whip: WhipRouteOptions;
  readonly whep: WhepRouteOptions;
  /** Absent where nobody publishes by a stream key. */
  readonly ingress?: IngressRouteOptions;
  readonly agent: AgentRouteOptions;
  /** Absent where the node is alone. */
  readonly cluster?: ClusterRouteOptions;
  /** Requests that other nodes carry here; absent where the node is alone. */
  readonly carried?: ClusterRouteOptions;
  /** Absent where the node is alone. */
  readonly regions?: RegionsRouteOptions;
  /** Absent where there is nothing to ask a running server for. */
  readonly operations?: OperationsRouteOptions;
  /** Absent where operators have no page. */
  readonly admin?: AdminRouteOptions | undefined;
  /** Absent where the demo is not served. */
  readonly demo?: DemoRouteOptions | undefined;
  /** The folder of the documentation; absent where it is not served. */
  readonly docs?: URL | undefined;
  /** Absent where recordings are not shown. */
  readonly replay?: ReplayRouteOptions | undefined;
  /** The server API, see `twirpRoutes`. */
  readonly twirp: (path: string) => RouteHandler | undefined;
}

/** Builds the table; paths match whole but for the pages, WHIP, WHEP and the server API. */
export function routeTable(
  {
    heartbeat,
    rtc,
    whip,
    whep,
    ingress,
    agent,
    cluster,
    carried,
    regions,
    operations,
    admin,
    demo,
    docs,
    replay,
    twirp,
  }: RouteOptions,
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
    ...(operations === undefined ? [] : operationsRoutes(operations)),
    ...(cluster === undefined ? [] : [["/cluster", clusterRoute(cluster)] as const]),
    ...(carried === undefined ? [] : [["/cluster/carry", clusterRoute(carried)] as const]),
    ...(regions === undefined ? [] : [["/settings/regions", regionsRoute(regions)] as const]),
  ]);
  const whipRoute = whipRoutes(whip);
  const whepRoute = whepRoutes(whep);
  const ingressRoute = ingress === undefined ? () => undefined : ingressRoutes(ingress);
  const demoRoute = demo === undefined ? () => undefined : demoRoutes(demo);
  const adminRoute = admin === undefined ? () => undefined : adminRoutes(admin);
  const docsRoute = docs === undefined ? () => undefined : docsRoutes(docs);
  const replayRoute = replay === undefined ? () => undefined : replayRoutes(replay);
  return (path) =>
    routes.get(path) ?? demoRoute(path) ?? adminRoute(path) ?? docsRoute(path) ??
      replayRoute(path) ?? whipRoute(path) ?? whepRoute(path) ?? ingressRoute(path) ?? twirp(path);
}
