/**
 * What another process has used so far and holds now, out of Linux's `/proc`: the same for any
 * server, whoever wrote it.
 *
 * @module
 */

/** A process at one moment. */
export interface ProcessCost {
  /** User and system time of all its threads since it began. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

/** Of `/proc`'s times, in Linux on every architecture. */
const MICROS_PER_TICK = 10_000;
/** Fields of `stat` behind the name in parentheses: user and system time are these two. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
/** How the runtime names the thread of a program, and those of its workers. */
const OWN_MAIN_THREAD = "deno";
const OWN_WORKER = "worker-";

/**
 * Reads the cost of the process `pid`.
 *
 * @throws {Error} if there is no such process, or no `/proc`.
 */
export function processCost(pid: number): ProcessCost {
  const read = (name: string) => Deno.readTextFileSync(`/proc/${pid}/${name}`);
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => {
    try {
      return read(`task/${name}/schedstat`);
    } catch {
      return ""; // ended meanwhile, or a kernel without it
    }
  });
  return {
    cpuMicros: Math.max(ticksOf(read("stat")) * MICROS_PER_TICK, runtimeOf(threads)),
    rssBytes: rssOf(read("status")),
  };
}

/** CPU time by thread, µs, of those that live. Of a server that is not ours all are `others`. */
export interface ThreadTimes {
  readonly main: number;
  readonly workers: number;
  /** V8's and the runtime's. */
  readonly others: number;
}

/**
 * Reads how long the threads of the process `pid` have run.
 *
 * @throws {Error} if there is no such process, or no `/proc`.
 */
export function threadTimes(pid: number): ThreadTimes {
  const times = { main: 0, workers: 0, others: 0 };
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      const read = (file: string) => Deno.readTextFileSync(`/proc/${pid}/task/${name}/${file}`);
      const thread = read("comm").trim();
      const isMain = name === String(pid) && thread === OWN_MAIN_THREAD;
      const of = isMain ? "main" : thread.startsWith(OWN_WORKER) ? "workers" : "others";
      times[of] += runtimeOf([read("schedstat")]);
    } catch {
      // It ended meanwhile.
    }
  }
  return times;
}

/** User and system time of a line as in `/proc/PID/stat`, in ticks, threads that ended included. */
export function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
}

/**
 * The time that threads have run, µs, by lines as in `/proc/PID/task/TID/schedstat`: finer than
 * ticks, but only of threads that still live.
 */
export function runtimeOf(schedstats: readonly string[]): number {
  return schedstats.reduce((sum, line) => sum + Number(line.split(" ")[0] || 0) / 1_000, 0);
}

/** Resident memory of a page as `/proc/PID/status`, bytes. */
export function rssOf(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
}
