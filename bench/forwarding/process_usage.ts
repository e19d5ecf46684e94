/**
 * What this process has used so far and holds now, as far as the system tells.
 *
 * @module
 */
import process from "node:process";
import { kernelDrops } from "../kernel_drops.ts";
import type { SfuUsage } from "./forwarding_calls.ts";

/** Of `/proc`'s times, in Linux on every architecture. */
const MS_PER_TICK = 10;
/** Fields of `stat` behind the name in parentheses: user and system time are these two. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/** Usage without what only the SFU knows. */
export function processUsage(): Omit<SfuUsage, "forwarded" | "drops"> {
  const { user, system } = process.cpuUsage();
  const { rss, heapTotal, heapUsed } = Deno.memoryUsage();
  return {
    atMs: performance.now(),
    cpuMicros: user + system,
    threadMs: threadTimes(),
    rssBytes: rss,
    heapBytes: heapUsed,
    outsideBytes: rss - heapTotal,
    descriptors: descriptors(),
    kernelDrops: kernelDrops(),
  };
}

function threadTimes(): Record<string, number> {
  try {
    const threads = [...Deno.readDirSync("/proc/self/task")];
    return Object.fromEntries(threads.map(({ name }) => {
      const stat = Deno.readTextFileSync(`/proc/self/task/${name}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
      return [name, ticks * MS_PER_TICK];
    }));
  } catch {
    return {};
  }
}

function descriptors(): number {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch {
    return 0;
  }
}
