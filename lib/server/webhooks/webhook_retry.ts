/**
 * When a webhook that could not be delivered is tried again.
 *
 * Four retries, as LiveKit makes (livekit/protocol 1.50, `webhook/http_client.go`), and then more
 * for as long as the event is not older than events may become: LiveKit gives the first event up
 * after 15 s although those behind it may wait for 30 s.
 *
 * @module
 */

/**
 * Wait before the first retry; each further one is twice as long, up to {@linkcode MIN_RETRIES}.
 */
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 30_000;
/** From then on the wait does not grow: whoever comes back is served while the window is open. */
const LATER_WAIT_MS = 5_000;
/** Retries every event gets, however old it is. */
const MIN_RETRIES = 4;

/**
 * How long to wait before the next retry.
 *
 * @param retries Retries made so far.
 * @param ageMs Since the event was queued.
 * @param askedMs What the receiver asked for (`Retry-After`), 0 if nothing.
 * @returns Milliseconds, or `undefined` to give up.
 */
export function retryDelayMs(
  retries: number,
  ageMs: number,
  maxAgeMs: number,
  askedMs: number,
): number | undefined {
  const own = retries < MIN_RETRIES ? FIRST_WAIT_MS * 2 ** retries : LATER_WAIT_MS;
  const wait = Math.min(Math.max(own, askedMs), MAX_WAIT_MS);
  if (retries < MIN_RETRIES) return wait;
  const left = maxAgeMs - ageMs;
  // The last retry is made when the window closes, not before and not after.
  return left > 0 ? Math.min(wait, left) : undefined;
}
