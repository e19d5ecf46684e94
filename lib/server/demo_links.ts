/**
 * Ready links to the demo page: the two that development mode prints, and one for any token.
 *
 * @module
 */
import { signAccessToken } from "../signalling/access_token.ts";
import type { Config } from "./config/config_parsing.ts";

const IDENTITIES = ["alice", "bob"] as const;
const ROOM = "demo";
/** Long enough for a day of trying things out. */
const VALID_FOR_MS = 24 * 3_600_000;

/** For two participants of one room. `nowMs` is Unix milliseconds. */
export function demoLinks(config: Config, nowMs: number): Promise<readonly string[]> {
  const [apiKey, secret] = Object.entries(config.keys)[0]!;
  return Promise.all(IDENTITIES.map(async (identity) => {
    const token = await signAccessToken(
      { apiKey, secret },
      { identity, name: identity, video: { roomJoin: true, room: ROOM } },
      nowMs,
      VALID_FOR_MS,
    );
    return demoLink(config.port, token, identity);
  }));
}

/**
 * Joins with `token` from a browser on this machine. The token is in the fragment, which browsers
 * do not send, so it reaches no server log.
 */
export function demoLink(port: number, token: string, name: string): string {
  return `http://localhost:${port}/demo#token=${token}&name=${encodeURIComponent(name)}`;
}
