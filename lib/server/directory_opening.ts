/**
 * Opens the directory of nodes that the configuration names.
 *
 * @module
 */
import type { Platform } from "../base/platform.ts";
import { RedisDirectory } from "../cluster/directory/redis_directory.ts";
import type { DirectorySettings } from "./cluster_settings.ts";

/** It begins to connect at once; the Redis package is loaded only then. */
export function openDirectory(
  { redis, prefix, leaseMs }: DirectorySettings,
  platform: Platform,
): RedisDirectory {
  return new RedisDirectory(
    platform,
    { prefix, leaseMs },
    async (lost, signal) => {
      const { connectRedis } = await import("../cluster/directory/redis_connection.ts");
      return await connectRedis(redis, prefix, lost, signal);
    },
    redis.dialTimeoutMs,
  );
}
