/**
 * One line of the forwarding table: an SFU under a scenario, first driven up to see what it can
 * carry, then measured at half of that and at seven tenths.
 *
 * @module
 */
import { figuresBetween } from "../collections.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { Run } from "../report/summary.ts";
import { ForwardingLine, type Phase, type PhaseTimes, type Sfu } from "./forwarding_line.ts";
import { nextRate, saturationOf, type Search, type Step } from "./saturation.ts";
import type { Scenario } from "./scenarios.ts";

/** Steps of the search; V8 compiles during the first. */
const FIRST_STEP: PhaseTimes = { warmUpMs: 2_000, windowMs: 800 };
const STEP: PhaseTimes = { warmUpMs: 400, windowMs: 800 };
/** Latency is measured at this share of the saturation, cost at the other. */
const HALF_LOAD = 0.5;
const FULL_LOAD = 0.7;
const HALF: PhaseTimes = { warmUpMs: 500, windowMs: 4_000 };
const FULL: PhaseTimes = { warmUpMs: 500, windowMs: 3_000 };
/** Fresh starts of a line whose clients cannot be connected. */
const ATTEMPTS = 2;
/** Published packets per second of one track beyond which nothing real is shown any more. */
const MAX_PUBLISHED = 6_000;
/** What the load process can send and read beside an SFU on two cores. */
const MAX_FORWARDED = 400_000;
/** Of fewer clients' memory V8's reserve would be the larger part. */
const MIN_CLIENTS_FOR_RSS = 10;

/** How each SFU is driven up. werift does not recover from more than it can carry. */
const SEARCHES: Readonly<Record<string, Omit<Search, "ceiling" | "cores">>> = {
  native: { first: 50_000, reach: 0.95, enough: 0.85 },
  portable: { first: 12_000, reach: 0.95, enough: 0.85 },
  werift: { first: 2_000, reach: 0.65, enough: 0.5 },
};

/** What a line needs besides what is measured. */
export interface RunOptions {
  readonly limitMs: number;
  readonly baseline: Percentiles;
  readonly flags: readonly string[];
}

/** Measures one line, or tells in words why it could not. */
export async function measureRun(
  sfu: Sfu,
  scenario: Scenario,
  options: RunOptions,
): Promise<Run | string> {
  const giveUpAt = performance.now() + options.limitMs;
  let reason = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    await using line = new ForwardingLine(sfu, scenario, [...options.flags]);
    const limit = setTimeout(() => line.giveUp(), Math.max(0, giveUpAt - performance.now()));
    try {
      await line.connect();
      return await measure(line, sfu, scenario, options.baseline);
    } catch (error) {
      reason = (error as Error).message;
      if (line.isGivenUp) {
        return `still ${line.stage} after ${Math.round(options.limitMs / 1000)} s`;
      }
      // Asking again for an engine that is not there does not help.
      if (line.engine === "") return reason;
    } finally {
      clearTimeout(limit);
    }
  }
  return reason;
}

/** How far a line may be driven. */
export function searchFor(sfu: Sfu, line: ForwardingLine, scenario: Scenario): Search {
  const search = SEARCHES[sfu.engine]!;
  const cores = Math.max(1, sfu.workers);
  const { nominalOut, streams } = line.plan;
  if (scenario.messages !== undefined) {
    const rate = scenario.messages.perSecond * scenario.audience;
    return { ...search, first: rate, ceiling: rate, cores };
  }
  const published = nominalOut / streams.length;
  const ceiling = Math.min(MAX_FORWARDED, MAX_PUBLISHED / published * nominalOut);
  return { ...search, first: search.first * cores, ceiling, cores };
}

/** Drives the SFU up; returns packets per second it can carry. */
export async function saturate(line: ForwardingLine, search: Search): Promise<number> {
  const steps: Step[] = [];
  for (let rate = nextRate(steps, search); rate !== undefined; rate = nextRate(steps, search)) {
    const times = steps.length === 0 ? FIRST_STEP : STEP;
    steps.push(await line.phase(`at ${Math.round(rate)} packets/s`, rate, times));
  }
  return saturationOf(steps, search);
}

async function measure(
  line: ForwardingLine,
  sfu: Sfu,
  scenario: Scenario,
  baseline: Percentiles,
): Promise<Run> {
  const search = searchFor(sfu, line, scenario);
  const saturation = await saturate(line, search);
  const limited = Math.min(saturation, search.ceiling);
  const half = await line.phase("measuring half load", limited * HALF_LOAD, HALF);
  const full = await line.phase("measuring cost", limited * FULL_LOAD, FULL);
  const collections = await line.collections();
  const pauses = figuresBetween(collections, full.before.atMs, full.after.atMs);
  const added = (ms: number) => Math.max(0, ms - baseline.p50);
  const subscribers = line.plan.clients.length;
  return {
    scenario: scenario.name,
    title: scenario.title,
    engine: sfu.engine,
    engine_detail: line.engine,
    workers: sfu.workers,
    subscribers,
    streams: line.plan.streams.length,
    ...costOf(full),
    saturation_packets_per_s: Math.round(saturation),
    half_load_packets_per_s: Math.round(half.outPerSecond),
    latency_p50_ms: added(half.latency.p50),
    latency_p99_ms: added(half.latency.p99),
    latency_p999_ms: added(half.latency.p999),
    latency_max_ms: added(half.latency.max),
    loss_half_load: half.loss,
    loss: full.loss,
    ...(subscribers < MIN_CLIENTS_FOR_RSS ? {} : {
      rss_bytes_per_subscriber: (full.after.rssBytes - line.emptyRssBytes) / subscribers,
    }),
    ...heapOf(full, pauses.allocatedBytesPerMs),
    gc_longest_pause_ms: pauses.longestPauseMs,
    gc_paused_share: pauses.pausedShare,
    connect_ms: Math.round(line.connectMs),
    load_cpu_share: full.load.cpuMicros / full.load.wallMs / 1000,
    load_longest_gap_ms: half.load.longestGapMs,
    unmatched: half.load.unmatched,
    unread_by_sfu: full.after.kernelDrops - half.before.kernelDrops,
    unread_by_clients: full.load.kernelDrops,
    drops: full.after.drops,
  };
}

/** The columns of cost. */
export function costOf(phase: Phase) {
  return {
    packets_per_s: Math.round(phase.outPerSecond),
    cpu_us_per_packet: phase.cpuMicrosPerPacket,
    cpu_share: phase.cpuShare,
    packets_per_s_per_core: Math.round(1e6 / phase.cpuMicrosPerPacket),
  };
}

/** By the collections of the window if there were some, else by the heap's growth. */
function heapOf(phase: Phase, allocatedBytesPerMs: number | undefined) {
  const { before, after } = phase;
  const perPacket = (bytes: number) => bytes / (after.forwarded - before.forwarded);
  if (allocatedBytesPerMs !== undefined) {
    return { heap_bytes_per_packet: perPacket(allocatedBytesPerMs * (after.atMs - before.atMs)) };
  }
  const growth = after.heapBytes - before.heapBytes;
  return growth < 0 ? {} : { heap_bytes_per_packet: perPacket(growth) };
}
