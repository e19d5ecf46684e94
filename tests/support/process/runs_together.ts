/**
 * Which of many runs stand beside each other: as many as the processors bear, those that take
 * longest first, so that none of them is the last one running.
 *
 * @module
 */

/** What a run takes. */
export interface Load {
  /** How long. */
  readonly seconds: number;
  /** Whether it waits for most of this time, and would as well wait longer. */
  readonly waits: boolean;
}

/** How many runs there may be at once. */
export interface Room {
  /** Of any. */
  readonly any: number;
  /** Beside these, of those that wait. */
  readonly waiting: number;
}

/**
 * Runs everything, each as soon as there is room for it.
 *
 * Room for any goes to those that do not wait, and only then to others. The longest is next, of
 * equal ones the first.
 *
 * @param loads In any order.
 * @returns What each run gave, in the order in which they ended.
 * @throws What a run throws, once all that had begun by then have ended; no other one begins.
 */
export async function runTogether<T extends Load, R>(
  loads: readonly T[],
  room: Room,
  run: (load: T) => Promise<R>,
): Promise<R[]> {
  const [busy, idle] = [false, true].map((waits) =>
    loads.filter((load) => load.waits === waits).sort((a, b) => b.seconds - a.seconds)
  ) as [T[], T[]];
  const results: R[] = [];
  let hasFailed = false;
  const work = async (next: () => T | undefined) => {
    for (let load = next(); load !== undefined && !hasFailed; load = next()) {
      try {
        results.push(await run(load));
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled([
    ...Array.from({ length: room.any }, () => work(() => busy.shift() ?? idle.shift())),
    ...Array.from({ length: room.waiting }, () => work(() => idle.shift())),
  ]);
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  return results;
}
