/**
 * Everything the server takes from the outside world. Below the composition root nothing reads a
 * clock, draws a random number, sets a timer, opens a socket or writes a log in any other way, so a
 * test can run the same code on virtual time with a seed.
 *
 * @module
 */

/** Two clocks: one that never jumps for durations, one for time stamps shown to people. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start, an integer. */
  now(): number;
  /** The same time in whole microseconds, for measuring arrivals. */
  nowUs(): number;
  /** Unix milliseconds, an integer; may jump. */
  wallMs(): number;
}

/** Cancels what it was returned for; calling it again, or too late, does nothing. */
export type Cancel = () => void;

/** One-shot timers in monotonic milliseconds. A callback's throw is the caller's bug. */
export interface Timers {
  after(delayMs: number, callback: () => void): Cancel;
}

/** Randomness; cryptographic in production, seeded in tests. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** An unsigned 32-bit integer. */
  uint32(): number;
}

/**
 * `error`: a user felt it. `warn`: we retried or guessed. `info`: lifecycle steps. `debug`: the
 * rest.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Structured log; never pass it a token, a secret or an address. */
export interface Log {
  child(bindings: Readonly<Record<string, unknown>>): Log;
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A log that says nothing; for tests and for embedding without logs. */
export const silentLog: Log = {
  child: () => silentLog,
  debug() {},
  info() {},
  warn() {},
  error() {},
};

/** The outside world in one value, made once at the composition root. */
export interface Platform {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}
