/**
 * What a join costs a whole server, and a leave, once V8 has compiled what it will: thread by
 * thread, and beside another server with the same clients.
 *
 * @module
 */
import { BenchChild } from "../bench_child.ts";
import { type ThreadTimes, threadTimes } from "../real_loads/process_cost.ts";
import type { ServerChoice, ServerUnderLoad } from "../real_loads/server_under_load.ts";
import type { ParticipantCalls } from "./control_calls.ts";

/** Who comes first, and goes again, so that what is measured is not the compiler. */
const BEFORE = 300;
const JOINS = 300;
/** More at a time would wait for their own process, not for the server. */
const AT_ONCE = 50;
/** Rooms they join, each with one publisher. */
const ROOMS = 10;
/** Publishers send little: what is measured is joining. */
const PACKET_EVERY = 10;
/** A newcomer without media after this long counts as failed, ms. */
const ARRIVAL_LIMIT_MS = 20_000;
/** What leaving and joining lead to a moment later is over, ms. */
const SETTLE_MS = 3_500;
/** What goes on without newcomers is measured in this, ms. */
const QUIET_MS = 2_000;
/** One line with everything, ms. */
const LINE_LIMIT_MS = 110_000;

/** One measured line; names are those of the JSON. */
export interface JoinCostRow {
  /** `roomwire`, `portable` or `peer`. */
  readonly server: string;
  readonly joined: number;
  readonly failures: readonly string[];
  readonly joins_per_s: number;
  readonly median_ms: number;
  /** CPU time of the server's process for each join, above what it takes without newcomers. */
  readonly us_per_join: number;
  readonly us_per_join_by_thread: ThreadTimes;
  /** CPU time of the clients' process for each join, with what else it does meanwhile. */
  readonly clients_us_per_join: number;
  /** CPU time of the server's process for each who leaves; all do at once. */
  readonly us_per_leave: number;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Measures one line.
 *
 * @throws {Error} that says why it could not.
 */
export async function measureJoinCost(
  choice: ServerChoice,
  flags: readonly string[],
): Promise<JoinCostRow> {
  await using server = await choice.start(flags);
  await using crowd = new BenchChild<ParticipantCalls>("control/participants_process.ts");
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    crowd.kill();
  }, LINE_LIMIT_MS);
  try {
    return await measureLine(server, crowd);
  } catch (error) {
    throw isLate ? new Error(`not done after ${LINE_LIMIT_MS / 1_000} s`) : error;
  } finally {
    clearTimeout(limit);
  }
}

async function measureLine(
  server: ServerUnderLoad,
  crowd: BenchChild<ParticipantCalls>,
): Promise<JoinCostRow> {
  await come(server, crowd, "before", BEFORE);
  await pause(SETTLE_MS);
  await crowd.call("leave", {});
  await pause(SETTLE_MS);
  const rooms = await open(server, crowd, "joined");
  const alone = threadTimes(server.pid);
  await pause(QUIET_MS);
  const before = threadTimes(server.pid);
  const arrivals = await arrive(server, crowd, rooms, JOINS);
  const after = threadTimes(server.pid);
  await pause(SETTLE_MS);
  const stayed = threadTimes(server.pid);
  await crowd.call("leave", {});
  await pause(SETTLE_MS);
  const left = threadTimes(server.pid);
  const { firstMediaMs, failures, wallMs, cpuMicros } = arrivals;
  const joined = firstMediaMs.length;
  if (joined === 0) throw new Error(`nobody got in: ${failures[0]}`);
  const share = wallMs / QUIET_MS;
  const each = (of: keyof ThreadTimes) =>
    (after[of] - before[of] - (before[of] - alone[of]) * share) / joined;
  const threads = { main: each("main"), workers: each("workers"), others: each("others") };
  const sum = ({ main, workers, others }: ThreadTimes) => main + workers + others;
  return {
    server: server.name,
    joined,
    failures: failures.slice(0, 3),
    joins_per_s: joined / wallMs * 1_000,
    median_ms: firstMediaMs.toSorted((a, b) => a - b)[joined >> 1]!,
    us_per_join: sum(threads),
    us_per_join_by_thread: threads,
    clients_us_per_join: cpuMicros / joined,
    us_per_leave: (sum(left) - sum(stayed)) / (joined + ROOMS),
  };
}

/** Rooms with one publisher each. */
async function open(
  { access }: ServerUnderLoad,
  crowd: BenchChild<ParticipantCalls>,
  name: string,
): Promise<string[]> {
  const rooms = Array.from({ length: ROOMS }, (_, i) => `${name}${i}`);
  for (const room of rooms) {
    await crowd.call("publish", { server: access, room, every: PACKET_EVERY });
  }
  return rooms;
}

async function come(
  server: ServerUnderLoad,
  crowd: BenchChild<ParticipantCalls>,
  name: string,
  count: number,
) {
  return await arrive(server, crowd, await open(server, crowd, name), count);
}

function arrive(
  { access }: ServerUnderLoad,
  crowd: BenchChild<ParticipantCalls>,
  rooms: readonly string[],
  count: number,
) {
  const options = { server: access, rooms, count, atOnce: AT_ONCE, limitMs: ARRIVAL_LIMIT_MS };
  return crowd.call("arrive", options);
}
