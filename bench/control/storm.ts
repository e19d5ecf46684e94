/**
 * A storm: hundreds join other rooms of a server as fast as they can, and a call that is going on
 * must not notice.
 *
 * @module
 */
import { runtimeFlags } from "../runtime_flags.ts";
import { BenchChild } from "../bench_child.ts";
import type {
  CallFigures,
  ParticipantCalls,
  RunningCallCalls,
  ServerCalls,
} from "./control_calls.ts";

const JOINS = 500;
/** More at a time would wait for their own process, not for the server. */
const AT_ONCE = 50;
/** Rooms they join, each with one publisher. */
const ROOMS = 10;
/** The running call: everybody sends voice and video to everybody. */
const CALLERS = 4;
/** The call alone, for comparison, ms. */
const QUIET_MS = 3_000;
/** Storm publishers send little: what is measured is joining. */
const PACKET_EVERY = 10;
/** A newcomer without media after this long counts as failed, ms. */
const ARRIVAL_LIMIT_MS = 20_000;
/** For packets on their way, ms. */
const SETTLE_MS = 1_000;
/** Everything here, ms. */
const LIMIT_MS = 75_000;

/** What is told of it. */
export interface StormFigures {
  readonly joins: number;
  readonly joined: number;
  /** Why the others did not, the first few. */
  readonly failures: readonly string[];
  readonly joinsPerSecond: number;
  readonly medianMs: number;
  readonly slowestMs: number;
  /** CPU time of the server for each of them, above what the call takes alone. */
  readonly cpuMicrosPerJoin: number;
  /** The call before the storm, and during it. */
  readonly quiet: CallFigures;
  readonly storm: CallFigures;
  /** Datagrams that came faster than the server read them. */
  readonly serverKernelDrops: number;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** @throws {Error} if it takes longer than its limit, or nobody gets in. */
export async function measureStorm(): Promise<StormFigures> {
  await using server = new BenchChild<ServerCalls>(
    "control/server_process.ts",
    await runtimeFlags(),
  );
  await using call = new BenchChild<RunningCallCalls>("control/running_call_process.ts");
  await using crowd = new BenchChild<ParticipantCalls>("control/participants_process.ts");
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    for (const child of [server, call, crowd]) child.kill();
  }, LIMIT_MS);
  try {
    const access = await server.call("listen", {});
    await call.call("begin", { url: access.url, room: "call", participants: CALLERS });
    const rooms = Array.from({ length: ROOMS }, (_, i) => `storm${i}`);
    for (const room of rooms) {
      await crowd.call("publish", { server: access, room, every: PACKET_EVERY });
    }
    await call.call("mark", {});
    const alone = await server.call("usage", { collect: false });
    await pause(QUIET_MS);
    const quiet = await call.call("mark", {});
    const before = await server.call("usage", { collect: false });
    const options = {
      server: access,
      rooms,
      count: JOINS,
      atOnce: AT_ONCE,
      limitMs: ARRIVAL_LIMIT_MS,
    };
    const { firstMediaMs, failures, wallMs } = await crowd.call("arrive", options);
    const after = await server.call("usage", { collect: false });
    await pause(SETTLE_MS);
    const storm = await call.call("mark", {});
    const { kernelDrops } = await server.call("unread", {});
    if (firstMediaMs.length === 0) throw new Error(`nobody got in: ${failures[0]}`);
    const times = firstMediaMs.toSorted((a, b) => a - b);
    return {
      joins: JOINS,
      joined: times.length,
      failures: failures.slice(0, 3),
      joinsPerSecond: times.length / wallMs * 1000,
      medianMs: times[times.length >> 1]!,
      slowestMs: times.at(-1)!,
      cpuMicrosPerJoin: (after.cpuMicros - before.cpuMicros -
        (before.cpuMicros - alone.cpuMicros) / QUIET_MS * wallMs) / times.length,
      quiet,
      storm,
      serverKernelDrops: kernelDrops,
    };
  } catch (error) {
    throw isLate ? new Error(`not done after ${LIMIT_MS / 1000} s`) : error;
  } finally {
    clearTimeout(limit);
    // They would take as long to leave as they took to come.
    for (const child of [crowd, call, server]) child.kill();
  }
}
