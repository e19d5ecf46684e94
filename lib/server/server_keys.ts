/**
 * The API keys of a server, and which of them signs.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import { type ApiKeys, signAccessToken } from "../signalling/access_token.ts";
import type { TokenSigner } from "../signalling/token_refresher.ts";
import type { Config } from "./config/config_parsing.ts";

/** @throws {SfuError} `missing_keys` if there are none. */
export function keysOf(config: Config): ApiKeys {
  const keys = new Map(Object.entries(config.keys));
  if (keys.size > 0) return keys;
  throw new SfuError("missing_keys", "one of key-file or keys must be provided");
}

/** Signs with the first configured key, as LiveKit does. */
export function firstKeySigner(keys: ApiKeys): TokenSigner {
  const [apiKey, secret] = [...keys][0]!;
  return (claims, nowMs, validForMs) =>
    signAccessToken({ apiKey, secret }, claims, nowMs, validForMs);
}
