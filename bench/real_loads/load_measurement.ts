/**
 * One line of the table of loads: a server under one load.
 *
 * @module
 */
import { BenchChild } from "../bench_child.ts";
import { kernelDrops } from "../kernel_drops.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { ProfileName } from "./client_profiles.ts";
import { crowdBefore, type LoadScenario, participantsOf, streamsOf } from "./load_scenarios.ts";
import type { LoadsCalls, LoadsFigures, Signalling } from "./loads_calls.ts";
import { type ProcessCost, processCost } from "./process_cost.ts";
import type { ServerChoice, ServerUnderLoad } from "./server_under_load.ts";

/** A crowd that came before has left when so much has passed, ms. */
const LEAVE_MS = 3_000;
/** What a server does by itself is seen in so long, ms. */
const ALONE_MS = 2_000;
/** One line with everything, ms. */
const LINE_LIMIT_MS = 110_000;

/** One measured line; names are those of the JSON. */
export interface LoadRow {
  readonly scenario: string;
  readonly title: string;
  /** `roomwire`, `portable` or `peer`. */
  readonly server: string;
  readonly profile: ProfileName;
  readonly signalling: Signalling;
  readonly participants: number;
  readonly streams: number;
  /** RTP packets, or data messages, that reached a subscriber. */
  readonly received_per_s: number;
  readonly mbit_per_s: number;
  /** CPU time of the whole server process for each of them; absent without any. */
  readonly us_per_packet?: number;
  /** The same per second; 1 is one busy core. */
  readonly cpu_share: number;
  /** CPU time per participant and second. */
  readonly us_per_participant_s: number;
  readonly loss: number;
  /** Above what a datagram takes over loopback. */
  readonly latency_p50_ms: number;
  readonly latency_p99_ms: number;
  readonly rss_bytes: number;
  /** Before anybody joined, but for a crowd before. */
  readonly start_rss_bytes: number;
  readonly rss_bytes_per_participant: number;
  readonly reports_per_s: number;
  readonly checks_per_s: number;
  readonly gather_ms: number;
  /** The process with the clients. */
  readonly clients_cpu_share: number;
  readonly clients_longest_gap_ms: number;
  /** Datagrams that came faster than they were read: whose fault a loss was. */
  readonly unread_by_clients: number;
  readonly unread_by_server: number;
}

/** How a line is measured. */
export interface LineOptions {
  readonly profile: ProfileName;
  readonly aheadMs?: number;
  readonly settleMs?: number;
  readonly signalling: Signalling;
  /** For the runtime of a server of this project. */
  readonly flags: readonly string[];
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What was read between the beginning and the end of a window. */
interface Window {
  readonly start: ProcessCost;
  readonly before: ProcessCost;
  readonly after: ProcessCost;
  readonly seconds: number;
  readonly gatherMs: number;
  readonly seen: LoadsFigures;
  readonly unread: number;
  /** A datagram over loopback. */
  readonly baseline: Percentiles;
}

/**
 * Measures one line.
 *
 * @throws {Error} that says why it could not.
 */
export async function measureLoad(
  choice: ServerChoice,
  scenario: LoadScenario,
  options: LineOptions,
): Promise<LoadRow> {
  await using server = await choice.start(options.flags);
  await using clients = new BenchChild<LoadsCalls>("real_loads/loads_process.ts");
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    clients.kill();
  }, LINE_LIMIT_MS);
  try {
    const window = await measureWindow(server, clients, scenario, options);
    return rowOf(server.name, scenario, options, window);
  } catch (error) {
    throw isLate ? new Error(`not done after ${LINE_LIMIT_MS / 1_000} s`) : error;
  } finally {
    clearTimeout(limit);
  }
}

async function measureWindow(
  server: ServerUnderLoad,
  clients: BenchChild<LoadsCalls>,
  scenario: LoadScenario,
  { profile, aheadMs, settleMs, signalling }: LineOptions,
): Promise<Window> {
  const { baseline } = await clients.call("hello", {});
  await pause(ALONE_MS);
  const ahead = aheadMs === undefined ? {} : { aheadMs };
  const who = { server: server.access, scenario, profile, ...ahead, signalling };
  const crowd = crowdBefore(scenario);
  if (crowd !== undefined) {
    await clients.call("gather", { ...who, scenario: crowd });
    await clients.call("leave", {});
    await pause(LEAVE_MS);
  }
  const start = processCost(server.pid);
  const { ms: gatherMs } = await clients.call("gather", who);
  await pause(settleMs ?? scenario.settleMs);
  // Looking through its descriptors costs the server nothing.
  const unreadBefore = kernelDrops(server.pid);
  await clients.call("mark", {});
  const before = processCost(server.pid);
  const beganAt = performance.now();
  await pause(scenario.windowMs);
  const after = processCost(server.pid);
  const seconds = (performance.now() - beganAt) / 1_000;
  const seen = await clients.call("mark", {});
  const unread = kernelDrops(server.pid) - unreadBefore;
  await clients.call("leave", {});
  return { start, before, after, seconds, gatherMs, seen, unread, baseline };
}

function rowOf(
  server: string,
  scenario: LoadScenario,
  { profile, signalling }: LineOptions,
  { start, before, after, seconds, gatherMs, seen, unread, baseline }: Window,
): LoadRow {
  const microsPerSecond = (after.cpuMicros - before.cpuMicros) / seconds;
  const participants = participantsOf(scenario);
  const perSecond = (count: number) => count / seen.wallMs * 1_000;
  return {
    scenario: scenario.name,
    title: scenario.title,
    server,
    profile,
    signalling,
    participants,
    streams: streamsOf(scenario),
    received_per_s: perSecond(seen.received),
    mbit_per_s: perSecond(seen.bytes) * 8 / 1e6,
    ...(seen.received === 0 ? {} : { us_per_packet: microsPerSecond / perSecond(seen.received) }),
    cpu_share: microsPerSecond / 1e6,
    us_per_participant_s: microsPerSecond / participants,
    loss: seen.expected === 0 ? 0 : seen.lost / seen.expected,
    latency_p50_ms: Math.max(0, seen.latency.p50 - baseline.p50),
    latency_p99_ms: Math.max(0, seen.latency.p99 - baseline.p99),
    rss_bytes: after.rssBytes,
    start_rss_bytes: start.rssBytes,
    rss_bytes_per_participant: (after.rssBytes - start.rssBytes) / participants,
    reports_per_s: perSecond(seen.reports),
    checks_per_s: perSecond(seen.checks),
    gather_ms: gatherMs,
    clients_cpu_share: seen.cpuMicros / seen.wallMs / 1_000,
    clients_longest_gap_ms: seen.longestGapMs,
    unread_by_clients: seen.kernelDrops,
    unread_by_server: unread,
  };
}
