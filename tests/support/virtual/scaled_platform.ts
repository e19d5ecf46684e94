/**
 * The real world with its time running faster, for tests with real sockets of what takes long:
 * every wait of the server is shorter by the same factor, so nothing changes but the waiting.
 * Clients keep real time, so the factor must leave room for what they do regularly.
 *
 * While this process does not run, because the machine has other work, its time stands still: how
 * long something took says something about the server, and not about the machine.
 *
 * @module
 */
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import type { Cancel, Log, Platform } from "../../../lib/base/platform.ts";

/** How often due timers are looked for, real ms. */
const TICK_MS = 2;
/** Between two looks no more than this has passed, real ms; the rest was a stall. */
const MAX_STEP_MS = 25;

/** @param factor How many of the server's seconds pass in a real one. */
export function scaledPlatform(factor: number, log: Log): Platform {
  const { clock: real, random } = denoPlatform(log);
  const wallStartedAt = real.wallMs();
  const pending = new Set<{ readonly dueUs: number; readonly callback: () => void }>();
  let lookedAtUs = real.nowUs();
  let elapsedUs = 0;
  let ticker: ReturnType<typeof setInterval> | undefined;

  function nowUs(): number {
    const atUs = real.nowUs();
    elapsedUs += Math.min(atUs - lookedAtUs, MAX_STEP_MS * 1000) * factor;
    lookedAtUs = atUs;
    return Math.floor(elapsedUs);
  }

  /** Runs what is due, in the order of its times. */
  function tick(): void {
    const now = nowUs();
    const due = [...pending].filter(({ dueUs }) => dueUs <= now).sort((a, b) => a.dueUs - b.dueUs);
    for (const timer of due) if (pending.delete(timer)) timer.callback();
    if (pending.size > 0) return;
    clearInterval(ticker);
    ticker = undefined;
  }

  return {
    clock: {
      now: () => Math.floor(nowUs() / 1000),
      nowUs,
      wallMs: () => wallStartedAt + Math.floor(nowUs() / 1000),
    },
    timers: {
      after(delayMs, callback): Cancel {
        const timer = { dueUs: nowUs() + delayMs * 1000, callback };
        pending.add(timer);
        ticker ??= setInterval(tick, TICK_MS);
        return () => pending.delete(timer);
      },
    },
    random,
    log,
  };
}
