/**
 * The server that runs with a configuration, as commands of the same configuration ask it: for a
 * report, and for somebody's packets.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import { signAccessToken } from "../signalling/access_token.ts";
import type { CapturePacketsRequest } from "./command_line.ts";
import type { Config } from "./config/config_parsing.ts";
import { ownOrigin } from "./port_plan.ts";
import { harmless } from "./top/terminal_text.ts";

/** Long enough for one request. */
const TOKEN_MS = 60_000;

/** What is asked, and of whom. */
export interface ServerQuestion {
  readonly path: string;
  readonly method: "GET" | "POST";
  /** Where it runs, if not on this machine: `https://media.example`. */
  readonly url: string | undefined;
  /** Unix ms. */
  readonly nowMs: number;
}

/**
 * Its answer, if it is one.
 *
 * @throws {SfuError} `unreachable`, with what it said, or why nobody answered.
 */
export async function askRunningServer(
  config: Config,
  { path, method, url, nowMs }: ServerQuestion,
  ask: typeof fetch = fetch,
): Promise<Response> {
  const origin = (url ?? ownOrigin(config)).replace(/\/+$/, "").replace(/^ws/, "http");
  const [apiKey, secret] = Object.entries(config.keys)[0]!;
  const claims = { identity: "operator", video: { roomAdmin: true, roomList: true } };
  const token = await signAccessToken({ apiKey, secret }, claims, nowMs, TOKEN_MS);
  let response: Response;
  try {
    response = await ask(`${origin}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}` },
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SfuError("unreachable", `Nobody answers at ${origin}: ${why}`, { cause });
  }
  if (response.ok) return response;
  const words = harmless((await response.text()).slice(0, 500));
  throw new SfuError("unreachable", `The server at ${origin} answers ${response.status}: ${words}`);
}

/** What one participant sends and receives, as it comes. Throws as {@linkcode askRunningServer}. */
export async function capturedPackets(
  config: Config,
  { room, identity, seconds, url }: CapturePacketsRequest,
  nowMs: number,
): Promise<ReadableStream<Uint8Array>> {
  const query = new URLSearchParams({ room, identity });
  if (seconds !== undefined) query.set("seconds", seconds);
  const path = `/operations/capture?${query}`;
  const question = { path, method: "POST", url, nowMs } as const;
  const { body } = await askRunningServer(config, question);
  return body!;
}
