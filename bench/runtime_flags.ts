/**
 * What the runtime of a measured server is given: the same as by the task that starts one.
 *
 * @module
 */
import { startingFlags } from "../tests/support/process/roomwire_process.ts";

/** Everything but permissions. */
export async function runtimeFlags(): Promise<string[]> {
  const words = await startingFlags();
  return words.filter((word) => /^--(?:v8-flags|no-code-cache|node-modules-dir)/.test(word));
}
