/**
 * Wall time that goes on steadily, for what is compared with itself.
 *
 * @module
 */
import type { Clock } from "./platform.ts";

/** A clock whose wall time is that of now, and goes on with the monotonic one, whatever is set. */
export function anchoredClock(clock: Clock): Clock {
  const aheadMs = clock.wallMs() - clock.now();
  return {
    now: () => clock.now(),
    nowUs: () => clock.nowUs(),
    wallMs: () => clock.now() + aheadMs,
  };
}
