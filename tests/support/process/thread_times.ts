/**
 * What the machine kept a process from doing: how long each of its threads waited for a processor
 * although it had work. A wait of a server's that others caused says nothing of the server.
 *
 * @module
 */

const NS_PER_MS = 1e6;
/** What Deno calls the threads of workers. Nobody waits for others but the main thread. */
const WORKER = /^worker-/;

/** One thread's totals, ms. */
export interface ThreadTime {
  /** On a processor. */
  readonly ranMs: number;
  /** With work, and without a processor. */
  readonly waitedMs: number;
}

/**
 * The main thread of a process and those of its workers, by their ids, that of the process for the
 * main one. Linux's count (`Documentation/scheduler/sched-stats.rst`, `/proc/<pid>/schedstat`); empty
 * where there is none, and once the process has ended.
 */
export function threadTimes(pid: number): ReadonlyMap<number, ThreadTime> {
  const times = new Map<number, ThreadTime>();
  const isMain = (thread: string) => thread === String(pid);
  for (const thread of unlessOver(() => [...Deno.readDirSync(`/proc/${pid}/task`)]) ?? []) {
    const read = (file: string) =>
      unlessOver(() => Deno.readTextFileSync(`/proc/${pid}/task/${thread.name}/${file}`));
    const [name, count] = [read("comm"), read("schedstat")];
    if (name === undefined || count === undefined || !(isMain(thread.name) || WORKER.test(name))) {
      continue;
    }
    times.set(Number(thread.name), readThreadTime(count));
  }
  return times;
}

/** Threads may end while they are looked at, and their processes. */
function unlessOver<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** @param text Nanoseconds on a processor, nanoseconds without one, and how often it got one. */
export function readThreadTime(text: string): ThreadTime {
  const [ran, waited] = text.split(" ").map(Number) as [number, number];
  return { ranMs: ran / NS_PER_MS, waitedMs: waited / NS_PER_MS };
}

/** The longest that one thread of a process has waited for a processor since a look at it, ms. */
export function waitedSince(before: ReadonlyMap<number, ThreadTime>, pid: number): number {
  let most = 0;
  for (const [thread, { waitedMs }] of threadTimes(pid)) {
    most = Math.max(most, waitedMs - (before.get(thread)?.waitedMs ?? 0));
  }
  return most;
}

/** This thread's: `deno test` runs tests beside the process's main one. */
export function ownTime(): ThreadTime {
  const text = unlessOver(() => Deno.readTextFileSync("/proc/thread-self/schedstat"));
  return text === undefined ? { ranMs: 0, waitedMs: 0 } : readThreadTime(text);
}

/** How long this thread had work since a look at it, done or waiting, ms. */
export function busySince(before: ThreadTime): number {
  const { ranMs, waitedMs } = ownTime();
  return ranMs - before.ranMs + waitedMs - before.waitedMs;
}
