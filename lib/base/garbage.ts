/**
 * The garbage of a start.
 *
 * @module
 */

/**
 * Gives back what only starting needed, before anybody is here to wait for it; V8 would do so in
 * half a minute. Possible if the runtime was started with V8's `--expose-gc`, as by the tasks; of
 * the calling thread alone.
 */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: (how: Readonly<Record<string, string>>) => void };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
