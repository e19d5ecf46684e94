/**
 * `roomwire top` in a real process.
 *
 * @module
 */
import { denoPlatform } from "../../base/deno_platform.ts";
import { openTerminal } from "./terminal.ts";
import { runTop, type TopRequest } from "./top_command.ts";

/** The process as it is used here. */
export interface TopProcess {
  readonly env: (name: string) => string | undefined;
  readonly out: (text: string) => void;
  /** Whether a person reads that. */
  readonly outIsTerminal: boolean;
}

/** See {@linkcode runTop}. */
export async function showTop(
  request: TopRequest,
  { env, out: write, outIsTerminal }: TopProcess,
): Promise<void> {
  const isWatched = outIsTerminal && !request.json;
  await runTop(request, {
    platform: denoPlatform(),
    env,
    write,
    ...(isWatched ? { openTerminal: () => openTerminal(write) } : {}),
    openSocket: (url, protocols) => new WebSocket(url, [...protocols]),
    fetch,
  });
}
