/**
 * Directories in a Redis that a test started, as nodes of its cluster open them.
 *
 * @module
 */
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import type { Platform } from "../../../lib/base/platform.ts";
import {
  connectRedis,
  type RedisOptions,
} from "../../../lib/cluster/directory/redis_connection.ts";
import { RedisDirectory } from "../../../lib/cluster/directory/redis_directory.ts";

/** Longer than any test: leases end when a test says so. */
const LEASE_MS = 600_000;

let prefixes = 0;

/** What no other directory's keys begin with. */
export function newPrefix(): string {
  return `test${++prefixes}:`;
}

/** Options for a server without a password, with some of them replaced. */
export function redisOptions(
  mode: RedisOptions["mode"] | string,
  more: Partial<RedisOptions> = {},
): RedisOptions {
  return {
    mode: typeof mode === "string" ? { kind: "single", address: mode } : mode,
    username: "",
    password: "",
    database: 0,
    tls: undefined,
    dialTimeoutMs: 1_000,
    ...more,
  };
}

/** A node's handle, once it is connected; the same prefix is the same directory. */
export async function connectedDirectory(
  options: RedisOptions,
  prefix = newPrefix(),
  platform?: Platform,
): Promise<RedisDirectory> {
  const directory = openDirectory(options, prefix, platform);
  if (directory.status === "down") {
    await new Promise<void>((resolve) => {
      const cancel = directory.onStatus(() => {
        cancel();
        resolve();
      });
    });
  }
  return directory;
}

/** The same, which may never be connected. */
export function openDirectory(
  options: RedisOptions,
  prefix = newPrefix(),
  platform = denoPlatform(),
): RedisDirectory {
  return new RedisDirectory(
    platform,
    { prefix, leaseMs: LEASE_MS },
    (lost, signal) => connectRedis(options, prefix, lost, signal),
    options.dialTimeoutMs,
  );
}
