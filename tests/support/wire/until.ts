/**
 * Waiting inside one process: a condition is looked at every few milliseconds, so that a test ends
 * as soon as what it waits for is true. Waiting for browsers is `eventually.ts`.
 *
 * @module
 */

/** Pause between two looks, ms: a look costs next to nothing here. */
const POLL_INTERVAL_MS = 4;
/** Longest wait, ms: a loaded machine, not the protocol. Only a failing test ever waits so long. */
const DEADLINE_MS = 30_000;

/**
 * Resolves with the first result of `look` that is neither `undefined`, `null` nor `false`.
 *
 * @param what Finishes the sentence "Timed out waiting for …".
 * @param seen Describes the state for the error message.
 * @throws {Error} after 30 s.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  seen: () => unknown = () => undefined,
): Promise<T> {
  const giveUpAt = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > giveUpAt) break;
    await pause(POLL_INTERVAL_MS);
  }
  throw new Error(`Timed out waiting for ${what}; last seen: ${inspect(seen())}`);
}

/** Where nothing can be waited for but time, in real ms. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function inspect(value: unknown): string {
  return Deno.inspect(value, { depth: 6, iterableLimit: 50, strAbbreviateSize: 300 });
}
