/**
 * The real {@linkcode Platform}: the only file below the composition root that touches the
 * process's clocks, timers and randomness.
 *
 * @module
 */
import { type Cancel, type Log, type Platform, silentLog } from "./platform.ts";

/** Longest delay the runtime's timers take, ms; a longer one would fire at once. */
const MAX_DELAY_MS = 0x7fff_ffff;
/** Longest span of bytes `crypto.getRandomValues` fills in one call. */
const RANDOM_POOL_BYTES = 4096;

/** The platform of a running server; `log` defaults to silence. */
export function denoPlatform(log: Log = silentLog): Platform {
  const pool = new Uint8Array(RANDOM_POOL_BYTES);
  let used = RANDOM_POOL_BYTES;
  const bytes = (length: number): Uint8Array => {
    if (length > RANDOM_POOL_BYTES) {
      const large = new Uint8Array(length);
      for (let at = 0; at < length; at += RANDOM_POOL_BYTES) {
        crypto.getRandomValues(large.subarray(at, at + RANDOM_POOL_BYTES));
      }
      return large;
    }
    if (used + length > RANDOM_POOL_BYTES) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    const drawn = pool.slice(used, used + length);
    used += length;
    return drawn;
  };
  return {
    clock: {
      now: () => Math.trunc(performance.now()),
      nowUs: () => Math.trunc(performance.now() * 1000),
      wallMs: () => Date.now(),
    },
    timers: { after },
    random: {
      bytes,
      uint32: () => {
        const b = bytes(4);
        return ((b[0]! << 24) | (b[1]! << 16) | (b[2]! << 8) | b[3]!) >>> 0;
      },
    },
    log,
  };
}

/** A one-shot timer of any length. */
function after(delayMs: number, callback: () => void): Cancel {
  let handle: ReturnType<typeof setTimeout>;
  const wait = (leftMs: number) => {
    handle = leftMs <= MAX_DELAY_MS
      ? setTimeout(callback, leftMs)
      : setTimeout(() => wait(leftMs - MAX_DELAY_MS), MAX_DELAY_MS);
  };
  wait(delayMs);
  return () => clearTimeout(handle);
}
