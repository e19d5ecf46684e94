/**
 * Clearing up, step by step: what one step runs into must not keep the others from being done.
 *
 * @module
 */

/** Runs all of `steps` in order; each throw is told to `failed`, which must not throw itself. */
export function attemptAll(
  steps: readonly (() => void)[],
  failed: (error: unknown) => void,
): void {
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      failed(error);
    }
  }
}
