/**
 * The program: `main.ts [flags] [command]`. Without a command it runs the server. Startup errors are
 * one clear line on standard error and exit status 1.
 *
 * @module
 */
import { SfuError } from "./lib/base/errors.ts";
import { runCommandLine } from "./lib/server/command_line.ts";
import { processCommands } from "./lib/server/commands.ts";
import { processSources } from "./lib/server/config_loading.ts";

const encoder = new TextEncoder();

/** Writes the whole text before anything else happens, so that an exit loses nothing. */
function writer(stream: { writeSync(bytes: Uint8Array): number }): (text: string) => void {
  return (text) => {
    let bytes = encoder.encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  };
}

async function main(): Promise<number> {
  const out = writer(Deno.stdout);
  const err = writer(Deno.stderr);
  const commands = processCommands(processSources, {
    out,
    err,
    errIsTerminal: Deno.stderr.isTerminal(),
  });
  try {
    return await runCommandLine(Deno.args, commands, processSources, { out, err }) ?? 0;
  } catch (error) {
    if (!(error instanceof SfuError)) throw error;
    err(`${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
