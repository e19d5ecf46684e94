/** What of a session becomes spans, with the API's own tracer of nobody in place of the runtime's. */
import assert from "node:assert/strict";
import { type Context, context, type Span, trace, type TracerProvider } from "@opentelemetry/api";
import { NO_TELEMETRY } from "../../../lib/room/context/telemetry.ts";
import { OpenTelemetryTraces } from "../../../lib/server/open_telemetry.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

interface Told {
  readonly name: string;
  readonly isRoot: boolean;
  readonly startMs: number;
  endMs: number | undefined;
  readonly attributes: Record<string, unknown>;
}

const spans: Told[] = [];
let isBroken = false;

/** The API has one provider for a process. */
function provide(): void {
  let number = 0;
  const provider: TracerProvider = {
    getTracer: () => ({
      startSpan: (name, options = {}, below: Context = context.active()) => {
        if (isBroken) throw new Error("no collector");
        const told: Told = {
          name,
          isRoot: options.root === true && trace.getSpan(below) === undefined,
          startMs: options.startTime as number,
          endMs: undefined,
          attributes: { ...options.attributes },
        };
        spans.push(told);
        const traceId = (++number).toString(16).padStart(32, "0");
        return {
          spanContext: () => ({ traceId, spanId: "1".repeat(16), traceFlags: 1 }),
          setAttribute: (name: string, value: unknown) => void (told.attributes[name] = value),
          setStatus: () => {},
          addEvent: () => {},
          end: (at: number) => void (told.endMs = at),
        } as unknown as Span;
      },
      startActiveSpan: () => assert.fail("spans are given their parents"),
    }),
  };
  trace.setGlobalTracerProvider(provider);
}
provide();

function world() {
  spans.length = 0;
  isBroken = false;
  const errors: unknown[] = [];
  const platform = new VirtualPlatform();
  const log = { ...platform.log, error: (_: string, told: unknown) => void errors.push(told) };
  const { clock, timers } = platform;
  const traces = new OpenTelemetryTraces({ clock, timers, log });
  platform.advance(1_000);
  const named = { room: "standup", identity: "ann", sdk: "JS", requestedAt: 900 };
  const begin = () => traces.begin(named, NO_TELEMETRY);
  return { platform, traces, begin, errors };
}

const TRACK = [{ source: 2, type: 0 }, undefined as never] as const;
const lasted = ({ startMs, endMs }: Told) => endMs! - startMs;

Deno.test("a session is one trace that ends with its first media, and later steps are below it", () => {
  const { platform, begin } = world();
  const session = begin();
  assert.match(session.traceId, /^[\da-f]{32}$/);
  session.answered();
  const { telemetry } = session;
  telemetry.connection("publisher", "started");
  platform.advance(40);
  telemetry.connection("publisher", "ice_connected");
  platform.advance(25);
  telemetry.connection("publisher", "connected");
  telemetry.streamTime("subscribe", ...TRACK, 10, 1);
  platform.advance(35);
  telemetry.streamTime("publish", ...TRACK, 60, 1);
  const [join, ...steps] = spans;
  assert.deepEqual([join!.name, join!.isRoot, lasted(join!)], ["join", true, 200]);
  assert.equal(join!.attributes["roomwire.outcome"], "publish");
  assert.deepEqual(steps.map((span) => [span.name, span.isRoot, lasted(span)]), [
    ["join response", false, 100],
    ["publisher ICE", false, 40],
    ["publisher DTLS", false, 25],
    ["subscribe", false, 10],
    ["publish", false, 60],
  ]);
  const ended = join!.endMs;
  platform.advance(60_000);
  telemetry.streamTime("subscribe-stream-start", ...TRACK, 5, 2);
  session.ended();
  assert.equal(join!.endMs, ended);
  assert.equal(spans.length, 7);
});

Deno.test("a join without media ends after half a minute, or with its session", () => {
  const { platform, begin } = world();
  const [idle, gone] = [begin(), begin()];
  gone.ended();
  gone.ended();
  platform.advance(30_000);
  idle.ended();
  assert.deepEqual(spans.map(({ attributes }) => attributes["roomwire.outcome"]), [
    "no media",
    "left before media",
  ]);
  assert.equal(platform.pendingTimers, 0);
});

Deno.test("calls of the server API are spans, and whoever takes none harms nobody and is told of once", () => {
  const { traces, errors, begin } = world();
  const heard: string[] = [];
  const telemetry = traces.beside({
    ...NO_TELEMETRY,
    apiCall: (_, method) => void heard.push(method),
  });
  telemetry.apiCall("livekit.RoomService", "ListRooms", 200, "", 7);
  const [call] = spans;
  assert.deepEqual([call!.name, lasted(call!)], ["livekit.RoomService/ListRooms", 7]);
  isBroken = true;
  for (let i = 0; i < 3; i++) telemetry.apiCall("livekit.RoomService", "ListRooms", 200, "", 7);
  assert.equal(heard.length, 4);
  const session = begin();
  session.answered();
  session.ended();
  assert.equal(errors.length, 1);
});
