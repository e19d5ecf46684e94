/**
 * The real world with its time running faster, for tests with real sockets of what takes long: every
 * wait of the server is shorter by the same factor, so nothing changes but the waiting. Clients keep
 * real time, so the factor must leave room for what they do regularly.
 *
 * @module
 */
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import type { Log, Platform } from "../../lib/base/platform.ts";

/** @param factor How many of the server's seconds pass in a real one. */
export function scaledPlatform(factor: number, log: Log): Platform {
  const { clock, timers, random } = denoPlatform(log);
  const startedAt = clock.now();
  const wallStartedAt = clock.wallMs();
  const elapsedUs = () => (clock.nowUs() - startedAt * 1000) * factor;
  return {
    clock: {
      now: () => Math.floor(elapsedUs() / 1000),
      nowUs: () => Math.floor(elapsedUs()),
      wallMs: () => wallStartedAt + Math.floor(elapsedUs() / 1000),
    },
    timers: { after: (delayMs, callback) => timers.after(delayMs / factor, callback) },
    random,
    log,
  };
}
