/**
 * Looks at the runtime that `deno compile` is told to put the program into (`DENORT_BIN`), before
 * it does: with `deno` itself, instead of its run-only half `denort`, everything appears to work
 * and the result is a command line of Deno that never starts the program.
 *
 * @module
 */

/** What a command line of Deno answers to `--version`; `denort` alone has no such answer. */
const COMMAND_LINE = /^deno \d+\.\d+\.\d+/;

const runtime = Deno.env.get("DENORT_BIN");
if (runtime !== undefined && await isCommandLine(runtime)) {
  console.error(
    `DENORT_BIN names Deno's command line, "${runtime}": what is made of it runs no program. ` +
      "Name the denort of the same version, or unset DENORT_BIN to have it downloaded.",
  );
  Deno.exit(1);
}

/**
 * A file that does not run is no command line: whoever gave it knows why (a cross-build, a test).
 */
async function isCommandLine(path: string): Promise<boolean> {
  try {
    const { stdout } = await new Deno.Command(path, {
      args: ["--version"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).output();
    return COMMAND_LINE.test(new TextDecoder().decode(stdout));
  } catch {
    return false;
  }
}
