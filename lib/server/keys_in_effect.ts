/**
 * The keys that this program reads, found out by composing a server that has everything switched on
 * and is never started. For the documentation and the help; a running server asks itself.
 *
 * @module
 */
import { denoPlatform } from "../base/deno_platform.ts";
import { configKeys } from "./config/config_schema.ts";
import { isInEffect, recordReads } from "./config/config_effects.ts";
import { parseConfig } from "./config/config_parsing.ts";
import { logOptions } from "./logging.ts";
import { servePlan } from "./serve_plan.ts";
import { createServer } from "./whole_server.ts";

/** With these, nothing that is read depends on something that is off. */
export const EVERYTHING_ON = {
  keys: { key: "secret" },
  workers: 0,
  native: "off",
  prometheus: { port: 6789, username: "user", password: "password" },
  recording: { directory: "recordings" },
  packet_capture: { enabled: true },
  webhook: { urls: ["http://localhost/"], api_key: "key" },
};

/** Dotted keys, in the order of the schema. */
export function keysInEffect(): ReadonlySet<string> {
  const { config, read } = recordReads(parseConfig(EVERYTHING_ON));
  logOptions(config, { isTerminal: false, noColour: false });
  servePlan(config);
  // No timer of it ever runs, so nothing has to be closed.
  createServer(config, { ...denoPlatform(), timers: { after: () => () => {} } }, {
    networkInterfaces: () => [],
    cores: 1,
  });
  return new Set(
    configKeys().map(({ path }) => path).filter((path) => isInEffect(path, read)),
  );
}
