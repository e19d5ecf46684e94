/**
 * The program: `main.ts [flags] [command]`. Without a command it runs the server.
 *
 * @module
 */
import { runProgram } from "./lib/server/program.ts";

if (import.meta.main) Deno.exit(await runProgram(Deno.args));
