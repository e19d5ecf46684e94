/**
 * What a second engine worker brings: the same rooms on one worker and on two.
 *
 * @module
 */
import type { WorkersFigures } from "../report/summary.ts";
import { ForwardingLine, type Phase, type Sfu } from "./forwarding_line.ts";
import { saturate, searchFor } from "./measured_run.ts";
import { WORKERS_SCENARIO } from "./scenarios.ts";

/** At this share of what each can carry, so that nothing is lost. */
const LOAD = 0.85;
const TIMES = { warmUpMs: 500, windowMs: 3_000 };
/** From here on workers, clients and the system have cores of their own. */
const ENOUGH_CORES = 4;

/** One engine with a number of workers. */
export interface Carried {
  readonly packetsPerSecond: number;
  readonly cpuMicrosPerPacket: number;
  /** Of the two busiest threads, the busier one first. */
  readonly threadShares: readonly number[];
}

/** @throws {Error} saying why it could not be measured. */
export async function measureWorkers(
  sfu: Omit<Sfu, "workers">,
  limitMs: number,
): Promise<WorkersFigures> {
  const giveUpAt = performance.now() + limitMs;
  const one = await measureWith({ ...sfu, workers: 1 }, giveUpAt);
  const two = await measureWith({ ...sfu, workers: 2 }, giveUpAt);
  return speedupOf(one, two, navigator.hardwareConcurrency);
}

/**
 * The speed-up. With few cores the clients take theirs from the second worker, so packets per
 * second say nothing; then it is what two workers do with two cores of their own at the measured
 * cost per packet, both of them running, as far as they share the work evenly.
 */
export function speedupOf(one: Carried, two: Carried, cores: number): WorkersFigures {
  const [busier = 1, other = busier] = two.threadShares;
  const balance = busier === 0 ? 1 : (busier + other) / (2 * busier);
  const speedup = cores >= ENOUGH_CORES
    ? two.packetsPerSecond / one.packetsPerSecond
    : 2 * one.cpuMicrosPerPacket / two.cpuMicrosPerPacket * balance;
  return {
    speedup,
    carried_by_one: Math.round(one.packetsPerSecond),
    carried_by_two: Math.round(two.packetsPerSecond),
    cpu_us_per_packet_one: one.cpuMicrosPerPacket,
    cpu_us_per_packet_two: two.cpuMicrosPerPacket,
    balance,
  };
}

async function measureWith(sfu: Sfu, giveUpAt: number): Promise<Carried> {
  await using line = new ForwardingLine(sfu, WORKERS_SCENARIO, []);
  const limit = setTimeout(() => line.giveUp(), Math.max(0, giveUpAt - performance.now()));
  try {
    await line.connect();
    const carried = await saturate(line, searchFor(sfu, line, WORKERS_SCENARIO));
    const phase: Phase = await line.phase("measuring", carried * LOAD, TIMES);
    const { cpuMicrosPerPacket, threadShares } = phase;
    return { packetsPerSecond: carried, cpuMicrosPerPacket, threadShares };
  } catch (error) {
    throw line.isGivenUp ? new Error(`still ${line.stage} when time was up`) : error;
  } finally {
    clearTimeout(limit);
  }
}
