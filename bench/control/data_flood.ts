/**
 * A flood of tiny reliable messages: everything arrives, and neither the main thread, nor a call in
 * another room, nor who else writes to the same reader notices much.
 *
 * @module
 */
import { BenchChild } from "../bench_child.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import { runtimeFlags } from "../runtime_flags.ts";
import type {
  CallFigures,
  FloodCalls,
  FloodFigures,
  RunningCallCalls,
  ServerCalls,
} from "./control_calls.ts";

const MESSAGES = 108_000;
const OVER_MS = 4_000;
/** By default somebody may send 10,000 in a second; the others wait. */
const FLOOD_LIMIT_MS = 25_000;
/** The call in another room: everybody sends voice and video to everybody. */
const CALLERS = 4;
const QUIET_MS = 4_000;
/** Everything here, ms. */
const LIMIT_MS = 60_000;

/** What is told of it. */
export interface DataFloodFigures extends FloodFigures {
  /** How late a timer of the main thread was before and during it, ms. */
  readonly quietTurns: Percentiles;
  readonly turns: Percentiles;
  /** The call before and during it. */
  readonly quietCall: CallFigures;
  readonly call: CallFigures;
  /** CPU of the server's process for each message that arrived, the call's share taken off. */
  readonly cpuMicrosPerMessage: number;
}

/** @throws {Error} if it takes longer than its limit, or somebody cannot join. */
export async function measureDataFlood(): Promise<DataFloodFigures> {
  await using server = new BenchChild<ServerCalls>(
    "control/server_process.ts",
    await runtimeFlags(),
  );
  await using call = new BenchChild<RunningCallCalls>("control/running_call_process.ts");
  await using clients = new BenchChild<FloodCalls>("control/flood_process.ts");
  const children = [clients, call, server];
  const limit = setTimeout(() => children.forEach((child) => child.kill()), LIMIT_MS);
  try {
    const access = await server.call("listen", {});
    await call.call("begin", { url: access.url, room: "call", participants: CALLERS });
    const flood = (room: string) =>
      clients.call("flood", {
        server: access,
        room,
        count: MESSAGES,
        overMs: OVER_MS,
        quietMs: QUIET_MS,
        limitMs: FLOOD_LIMIT_MS,
      });
    // The first one has everything compiled.
    await flood("first");
    await call.call("mark", {});
    await server.call("turns", {});
    const alone = await server.call("usage", { collect: false });
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const quietTurns = await server.call("turns", {});
    const quietCall = await call.call("mark", {});
    const before = await server.call("usage", { collect: false });
    const startedAt = performance.now();
    const figures = await flood("second");
    const ms = performance.now() - startedAt;
    const after = await server.call("usage", { collect: false });
    const callMicros = (before.cpuMicros - alone.cpuMicros) / QUIET_MS * ms;
    return {
      ...figures,
      quietTurns,
      turns: await server.call("turns", {}),
      quietCall,
      call: await call.call("mark", {}),
      cpuMicrosPerMessage: (after.cpuMicros - before.cpuMicros - callMicros) / figures.arrived,
    };
  } finally {
    clearTimeout(limit);
    for (const child of children) child.kill();
  }
}
