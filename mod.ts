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
export type { MediaAddress } from "./lib/base/media_vocabulary.ts";
export type { Clock, Log, LogLevel, Platform, Random, Timers } from "./lib/base/platform.ts";
export type { RoomAdmin } from "./lib/admin/room_admin.ts";
export { ConfigError } from "./lib/server/config/config_error.ts";
export {
  createServer,
  type EmbeddedServer,
  parseConfig,
  parseConfigText,
  type ServerConfig,
} from "./lib/server/embedding.ts";
export { createLog, type LogOptions } from "./lib/server/logging.ts";
export type { CloseOptions, QuiesceOptions } from "./lib/server/sfu_server.ts";
export {
  signAccessToken,
  type TokenClaims,
  type VideoGrant,
} from "./lib/signalling/access_token.ts";
