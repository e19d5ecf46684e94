/**
 * Traces of joins and of server API calls by OpenTelemetry, which the runtime exports
 * (`OTEL_DENO=true`).
 *
 * A session is one trace: `join` from its client's request to the first packet of media either way,
 * and below it the join response, and of each peer connection ICE, DTLS and data channels, and of
 * each track how long publishing or receiving it took. Without the runtime's exporter none of this
 * is loaded.
 *
 * @module
 */
import { type Context, context, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { TrackSource, TrackType } from "@livekit/protocol";
import type { Platform } from "../base/platform.ts";
import { describeError } from "../room/context/close_reason.ts";
import type { ConnectionRole } from "../room/context/signal_message.ts";
import {
  type ApiTelemetry,
  type ConnectionState,
  type DescriptionType,
  type SessionTelemetry,
  type StreamStep,
  type SubscriptionOutcome,
  type Telemetry,
  telemetryOf,
} from "../room/context/telemetry.ts";
import { SessionTraces } from "../room/context/session_traces.ts";
import type { SessionTrace, TracedSession, Tracing } from "../room/context/tracing.ts";
import { PROGRAM, VERSION } from "./version.ts";

/** A join without any media ends by then: somebody who only is there, ms. */
const LONGEST_JOIN_MS = 30_000;

/** What a connection's steps are called. */
const STEP: Readonly<Record<Exclude<ConnectionState, "started">, string>> = {
  ice_connected: "ICE",
  connected: "DTLS",
  fully_established: "data channels",
};

/** What it needs of the world. */
type TracingPlatform = Pick<Platform, "clock" | "timers" | "log">;

/** Traces of one server. A fault of whoever takes them is logged once and harms nobody. */
export class OpenTelemetryTraces implements Tracing, ApiTelemetry {
  /** Give it to the rooms. */
  readonly sessions = new SessionTraces(this);
  readonly #platform: TracingPlatform;
  readonly #tracer = trace.getTracer(PROGRAM, VERSION);
  #hasFailed = false;

  constructor(platform: TracingPlatform) {
    this.#platform = platform;
  }

  /** The same figures for whoever hears them already, and calls of the server API for traces. */
  beside(telemetry: Telemetry): Telemetry {
    return telemetryOf([telemetry, this], (_, error) => this.#failed(error));
  }

  begin(session: TracedSession, telemetry: Telemetry): SessionTrace {
    const followed = this.#guard(() => new FollowedSession(this.#platform, this.#tracer, session));
    if (followed === undefined) return { traceId: "", telemetry, answered() {}, ended() {} };
    const { traceId } = followed;
    return {
      traceId,
      telemetry: telemetryOf([telemetry, followed], (_, error) => this.#failed(error)),
      answered: () => this.#guard(() => followed.answered()),
      ended: () => this.#guard(() => followed.finish("left before media")),
    };
  }

  #guard<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  apiCall(service: string, method: string, status: number, code: string, ms: number): void {
    const endedAt = this.#platform.clock.wallMs();
    const span = this.#tracer.startSpan(`${service}/${method}`, {
      root: true,
      startTime: endedAt - ms,
      attributes: {
        "rpc.system": "twirp",
        "rpc.service": service,
        "rpc.method": method,
        "http.response.status_code": status,
      },
    });
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    span.end(endedAt);
  }

  #failed(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#platform.log.error("tracing failed", { error: describeError(error) });
  }
}

/** One session's trace. */
class FollowedSession implements SessionTelemetry {
  readonly traceId: string;
  readonly #platform: TracingPlatform;
  readonly #tracer: ReturnType<typeof trace.getTracer>;
  readonly #root: Span;
  readonly #below: Context;
  readonly #requestedAt: number;
  /** When the last step of each connection was done, Unix ms. */
  readonly #reachedAt = new Map<ConnectionRole, number>();
  readonly #cancelEnd: () => void;
  #isOver = false;

  constructor(
    platform: TracingPlatform,
    tracer: ReturnType<typeof trace.getTracer>,
    { room, identity, sdk, requestedAt }: TracedSession,
  ) {
    const { clock, timers } = platform;
    this.#platform = platform;
    this.#tracer = tracer;
    this.#requestedAt = clock.wallMs() - Math.max(0, clock.now() - requestedAt);
    this.#root = tracer.startSpan("join", {
      root: true,
      startTime: this.#requestedAt,
      attributes: {
        "roomwire.room": room,
        "roomwire.participant": identity,
        "roomwire.sdk": sdk,
      },
    });
    this.traceId = this.#root.spanContext().traceId;
    this.#below = trace.setSpan(context.active(), this.#root);
    this.#cancelEnd = timers.after(LONGEST_JOIN_MS, () => this.finish("no media"));
  }

  answered(): void {
    this.#step("join response", this.#requestedAt);
  }

  connection(role: ConnectionRole, state: ConnectionState): void {
    const now = this.#platform.clock.wallMs();
    const before = this.#reachedAt.get(role);
    this.#reachedAt.set(role, now);
    if (state === "started" || before === undefined) return;
    this.#step(`${role} ${STEP[state]}`, before);
  }

  streamTime(
    step: StreamStep,
    { source, type }: Parameters<SessionTelemetry["streamTime"]>[1],
    _: unknown,
    ms: number,
    count: number,
  ): void {
    this.#step(step, this.#platform.clock.wallMs() - ms, {
      "roomwire.track.source": TrackSource[source] ?? "UNKNOWN",
      "roomwire.track.type": TrackType[type] ?? "DATA",
      "roomwire.count": count,
    });
    // Packets flow: what is published has come, or what is received has gone out.
    if (step !== "subscribe") this.finish(step);
  }

  subscription(outcome: SubscriptionOutcome): void {
    if (outcome === "failure") this.#root.addEvent("subscription failed");
  }

  descriptionRefused(type: DescriptionType): void {
    const message = `the client's ${type} cannot be used`;
    this.#root.setStatus({ code: SpanStatusCode.ERROR, message });
  }

  publishCanceled(): void {}

  dataStream(): void {}

  /** The join is over; what follows is still told below it. */
  finish(how: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelEnd();
    this.#root.setAttribute("roomwire.outcome", how);
    this.#root.end(this.#platform.clock.wallMs());
  }

  #step(name: string, startTime: number, attributes: Record<string, string | number> = {}): void {
    const span = this.#tracer.startSpan(name, { startTime, attributes }, this.#below);
    span.end(this.#platform.clock.wallMs());
  }
}
