/**
 * Whoever follows single sessions from their join to the first packet: a port of the composition's,
 * absent unless somebody traces.
 *
 * @module
 */
import type { Telemetry } from "./telemetry.ts";

/** What a session is, for whoever looks for it among others. */
export interface TracedSession {
  readonly room: string;
  readonly identity: string;
  /** As clients say: `JS`, `SWIFT`. */
  readonly sdk: string;
  /** When its client asked to join, monotonic ms. */
  readonly requestedAt: number;
}

/** One session as it is followed. */
export interface SessionTrace {
  /** The same in logs and at whoever collects traces; 32 hexadecimal digits. */
  readonly traceId: string;
  /** What the session tells, told on. */
  readonly telemetry: Telemetry;
  /** It was answered. */
  answered(): void;
  /** It is over. Idempotent. */
  ended(): void;
}

/** Begins to follow a session. */
export interface Tracing {
  /** @param telemetry Where what it tells goes to as well. */
  begin(session: TracedSession, telemetry: Telemetry): SessionTrace;
}
