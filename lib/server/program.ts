/**
 * The program behind `main.ts`: command line in, exit status out. Startup errors are one clear line
 * on standard error and exit status 1.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import { runCommandLine } from "./command_line.ts";
import { processCommands } from "./commands.ts";
import { processSources } from "./config/config_loading.ts";
import type { ServerParts } from "./sfu_server.ts";

/**
 * Runs the command that `args` name.
 *
 * @param parts What a test puts in place of the server's own parts.
 * @returns The exit status.
 */
export async function runProgram(
  args: readonly string[],
  parts: ServerParts = {},
): Promise<number> {
  const out = writer(Deno.stdout);
  const err = writer(Deno.stderr);
  const errIsTerminal = Deno.stderr.isTerminal();
  const outBytes = bytesWriter(Deno.stdout);
  const outIsTerminal = Deno.stdout.isTerminal();
  const console = { out, err, outBytes, outIsTerminal, errIsTerminal };
  const commands = processCommands(processSources, console, parts);
  try {
    return await runCommandLine(args, commands, processSources, { out, err }) ?? 0;
  } catch (error) {
    if (!(error instanceof SfuError)) throw error;
    err(`${error.message}\n`);
    return 1;
  }
}

/** Writes the whole text before anything else happens, so that an exit loses nothing. */
function writer(stream: { writeSync(bytes: Uint8Array): number }): (text: string) => void {
  const encoder = new TextEncoder();
  const write = bytesWriter(stream);
  return (text) => write(encoder.encode(text));
}

function bytesWriter(
  stream: { writeSync(bytes: Uint8Array): number },
): (bytes: Uint8Array) => void {
  return (bytes) => {
    let left = bytes;
    while (left.length > 0) left = left.subarray(stream.writeSync(left));
  };
}
