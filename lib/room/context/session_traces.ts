/**
 * The traces of sessions, as rooms know them where somebody traces.
 *
 * @module
 */
import { ClientInfo_SDK } from "@livekit/protocol";
import type { Clock, Log } from "../../base/platform.ts";
import type { ParticipantInit } from "./participant_profile.ts";
import type { Telemetry } from "./telemetry.ts";
import type { SessionTrace, Tracing } from "./tracing.ts";

/** As much of a room's context as is looked at. */
interface Traceable {
  readonly telemetry: Telemetry;
  readonly platform: { readonly clock: Clock };
}

/** What a session is made with. */
interface Followed<C> {
  readonly context: C;
  readonly log: Log;
  readonly trace: SessionTrace;
}

/** One server's. */
export class SessionTraces {
  readonly #tracing: Tracing;
  readonly #traces = new WeakMap<object, SessionTrace>();

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Somebody comes into the room of that name. */
  begin<C extends Traceable>(
    context: C,
    room: string,
    init: ParticipantInit,
    log: Log,
  ): Followed<C> {
    const { telemetry, platform: { clock } } = context;
    const { identity, clientInfo: { sdk }, requestedAt = clock.now() } = init;
    const named = { room, identity, sdk: ClientInfo_SDK[sdk] ?? "UNKNOWN", requestedAt };
    const trace = this.#tracing.begin(named, telemetry);
    const { traceId } = trace;
    return {
      context: { ...context, telemetry: trace.telemetry },
      log: log.child({ traceId }),
      trace,
    };
  }

  /** `session` was made of it. */
  keep(session: object, { trace }: Followed<unknown>): void {
    this.#traces.set(session, trace);
  }

  /** It was answered. @returns What its lines of the log have. */
  answered(session: object): { readonly traceId?: string } {
    const trace = this.#traces.get(session);
    trace?.answered();
    return trace === undefined ? {} : { traceId: trace.traceId };
  }

  ended(session: object): void {
    this.#traces.get(session)?.ended();
  }
}
