/**
 * What an operator is told whose folder or file cannot be used.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";

/**
 * One line that names the key and what to do.
 *
 * @param key The configuration's.
 * @param paths What the program has to write, the path that is configured first.
 * @param error What trying it threw.
 */
export function unusablePath(key: string, paths: readonly string[], error: unknown): SfuError {
  const words = error instanceof Error ? error.message : String(error);
  const problem = error instanceof Deno.errors.NotCapable
    ? `the program may not use ${paths[0]}; start it with --allow-read and ` +
      `--allow-write=${paths.join(",")}`
    : words.split("\n")[0]!;
  return new SfuError("invalid_config", `${key}: cannot be used: ${problem}`, { cause: error });
}
