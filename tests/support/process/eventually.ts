/**
 * Waiting in end-to-end tests: a condition is polled until it holds or its deadline passes, so a
 * test takes as long as the thing it waits for and a failure says what was last seen.
 *
 * @module
 */

/** Pause between two looks, ms: short beside a video frame, long beside a browser round trip. */
const POLL_INTERVAL_MS = 50;

/**
 * How long {@linkcode eventually} waits when the caller does not say, ms: long beside everything
 * that a browser does on a machine with other work, because only a failing test ever waits so long.
 */
const DEFAULT_DEADLINE_MS = 45_000;

/**
 * Polls `look` until it returns something other than `undefined`, `false` or `null`, and returns
 * that.
 *
 * @param what Finishes the sentence "Timed out waiting for …".
 * @param look One look at the world; if it throws, that counts as "not yet".
 * @param options.deadlineMs Real milliseconds before giving up.
 * @param options.seen Describes the state for the error message, called once on failure.
 * @throws {Error} on the deadline, with the last thrown error as `cause`.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false | null> | T | undefined | false | null,
  options: { deadlineMs?: number; seen?: () => unknown } = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  const giveUpAt = performance.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false && found !== null) return found;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > giveUpAt) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  const seen = options.seen ? `; last seen: ${await describe(options.seen)}` : "";
  throw new Error(`Timed out after ${deadlineMs} ms waiting for ${what}${seen}`, { cause });
}

async function describe(seen: () => unknown): Promise<string> {
  try {
    return JSON.stringify(await seen());
  } catch (error) {
    return String(error);
  }
}
