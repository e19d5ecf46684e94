/**
 * A whole server for embedding: everything that some configuration may need is loaded with it. A
 * process loads what its own needs (`serve.ts`, `optional_parts.ts`).
 *
 * @module
 */
import { denoPlatform } from "../base/deno_platform.ts";
import type { Platform } from "../base/platform.ts";
import { composeServer } from "./composed_server.ts";
import type { ServerParts, SfuServer } from "./sfu_server.ts";
import { recordReads } from "./config/config_effects.ts";
import type { Config } from "./config/config_parsing.ts";
import { Metrics } from "./metrics/metrics.ts";
import { openDirectory } from "./directory_opening.ts";
import { createServerCluster } from "./server_cluster.ts";
import { ServerOperators } from "./server_operators.ts";
import { createServerRecording as createRecording } from "./server_recording.ts";

/**
 * Builds a server.
 *
 * @param config From `parseConfig` or `loadConfig`; must have at least one key.
 * @throws {SfuError} `missing_keys`, or `invalid_config` for what cannot work.
 */
export function createServer(
  config: Config,
  platform: Platform = denoPlatform(),
  parts: ServerParts = {},
): SfuServer {
  const cluster = { createServerCluster, openDirectory };
  const optional = { Metrics, cluster, createRecording, ServerOperators };
  return composeServer(recordReads(config).config, platform, parts, optional);
}
