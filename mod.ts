/**
 * Roomwire for embedding: a LiveKit-compatible SFU inside your own Deno program.
 *
 * @example
 * ```ts ignore
 * import { createServer, parseConfig } from "@roomwire/roomwire";
 *
 * await using sfu = createServer(parseConfig({ keys: { devkey: "secret" } }));
 * await sfu.listenMedia();
 * await Deno.serve({ port: 7880 }, sfu.handler).finished;
 * ```
 *
 * @module
 */
export { denoPlatform } from "./lib/base/deno_platform.ts";
export { SfuError, type SfuErrorCode } from "./lib/base/errors.ts";
export type { Clock, Log, LogLevel, Platform, Random, Timers } from "./lib/base/platform.ts";
export type { RoomAdmin } from "./lib/admin/room_admin.ts";
export {
  type Config,
  ConfigError,
  parseConfig,
  parseConfigText,
} from "./lib/server/config/config_parsing.ts";
export { createLog, type LogOptions } from "./lib/server/logging.ts";
export {
  type CloseOptions,
  createServer,
  type QuiesceOptions,
  type ServerParts,
  type SfuServer,
} from "./lib/server/server.ts";
export {
  signAccessToken,
  type TokenClaims,
  type VideoGrant,
} from "./lib/signalling/access_token.ts";
