/**
 * Parts of a server that only some configurations need. A process loads those of its own before it
 * composes its server: what is not loaded takes no memory.
 *
 * @module
 */
import type { Platform } from "../base/platform.ts";
import type { ClusterDirectory } from "../cluster/directory/cluster_directory.ts";
import { adminEntry } from "./admin_settings.ts";
import { directorySettings, namesDirectory } from "./cluster_settings.ts";
import type { Config } from "./config/config_parsing.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { openDirectory } from "./directory_opening.ts";
import type { OpenTelemetryTraces } from "./open_telemetry.ts";
import type { createServerCluster } from "./server_cluster.ts";
import type { ServerOperators } from "./server_operators.ts";
import type { createServerRecording } from "./server_recording.ts";

/** What is loaded. */
export interface OptionalParts {
  /** Needed where `prometheus.port` is set. */
  readonly Metrics?: typeof Metrics;
  /** Needed where there is a directory of nodes. */
  readonly cluster?: ClusterParts;
  /** Needed where `recording.directory` is set. */
  readonly createRecording?: typeof createServerRecording;
  /** Needed where the runtime exports traces. */
  readonly OpenTelemetryTraces?: typeof OpenTelemetryTraces;
  /** Needed where operators have a page, and where other nodes may ask in their name. */
  readonly ServerOperators?: typeof ServerOperators;
}

/** What makes a node of a server. */
export interface ClusterParts {
  readonly createServerCluster: typeof createServerCluster;
  readonly openDirectory: typeof openDirectory;
}

/**
 * Loads what `config` needs.
 *
 * @param amongNodes There is a directory that the configuration does not name.
 * @param exportsTraces The runtime was started so (`OTEL_DENO`).
 * @throws {SfuError} `invalid_config` if it cannot be told.
 */
export async function loadOptionalParts(
  config: Config,
  amongNodes: boolean,
  exportsTraces = false,
): Promise<OptionalParts> {
  const needsMetrics = config.prometheus.port !== 0;
  const needsCluster = amongNodes || namesDirectory(config);
  const needsOperators = needsCluster || adminEntry(config) !== undefined;
  return {
    ...(needsMetrics ? { Metrics: (await import("./metrics/metrics.ts")).Metrics } : {}),
    ...(config.recording.directory === "" ? {} : await loadRecording()),
    ...(needsOperators ? await loadOperators() : {}),
    ...(exportsTraces ? await loadTraces() : {}),
    ...(needsCluster ? { cluster: await loadCluster() } : {}),
  };
}

async function loadRecording(): Promise<Pick<OptionalParts, "createRecording">> {
  const { createServerRecording } = await import("./server_recording.ts");
  return { createRecording: createServerRecording };
}

async function loadTraces(): Promise<Pick<OptionalParts, "OpenTelemetryTraces">> {
  const { OpenTelemetryTraces } = await import("./open_telemetry.ts");
  return { OpenTelemetryTraces };
}

async function loadOperators(): Promise<Pick<OptionalParts, "ServerOperators">> {
  const { ServerOperators } = await import("./server_operators.ts");
  return { ServerOperators };
}

async function loadCluster(): Promise<ClusterParts> {
  const { createServerCluster } = await import("./server_cluster.ts");
  const { openDirectory } = await import("./directory_opening.ts");
  return { createServerCluster, openDirectory };
}

/**
 * The directory that is given, or the one that the configuration names; absent for a node that is
 * alone.
 *
 * @throws {SfuError} `invalid_config`, `unreadable_file`.
 */
export function directoryOf(
  config: Config,
  platform: Platform,
  given: ClusterDirectory | undefined,
  cluster: ClusterParts | undefined,
): ClusterDirectory | undefined {
  const named = directorySettings(config);
  return given ?? (named && cluster!.openDirectory(named, platform));
}
