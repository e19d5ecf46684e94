/**
 * What operators ask of a running server beside the server API, as a part of one: reports of how it
 * is, and packet captures.
 *
 * @module
 */
import { PacketCaptures } from "../admin/packet_captures.ts";
import type { DropCounters } from "../base/drop_counters.ts";
import type { EngineRouter } from "../room/context/engine_router.ts";
import type { OperationsRouteOptions } from "../../routes/operations.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { NodeReportWorld } from "./node_report.ts";
import { PROGRAM, VERSION } from "./version.ts";

/** What it is given of its server. */
export interface OperationsWorld extends
  Pick<
    NodeReportWorld,
    "config" | "platform" | "nodeId" | "takesNewcomers" | "media" | "rooms" | "cluster"
  > {
  readonly router: EngineRouter;
  readonly counters: DropCounters;
  readonly metrics: Metrics | undefined;
  readonly recentLog: (() => readonly string[]) | undefined;
}

/** What the routes need. Reads its keys of the configuration at once. */
export function serverOperations(world: OperationsWorld): OperationsRouteOptions {
  const { config: { packet_capture }, platform, router, rooms, counters, metrics } = world;
  const { enabled, max_duration: maxMs, max_size: maxBytes } = packet_capture;
  const startedAtMs = platform.clock.wallMs();
  return {
    clock: platform.clock,
    captures: new PacketCaptures({
      rooms: { get: (name) => rooms().get(name) },
      router,
      platform,
      rules: enabled ? { maxMs, maxBytes } : undefined,
      application: `${PROGRAM} ${VERSION}`,
    }),
    report: async () => {
      // Knows the whole schema, which takes memory while somebody looks.
      const { nodeReport } = await import("./node_report.ts");
      return await nodeReport({
        ...world,
        startedAtMs,
        stats: () => router.stats(),
        drops: () => counters.snapshot(),
        metrics: metrics && (() => metrics.text()),
        recentLog: world.recentLog ?? (() => []),
      });
    },
  };
}
