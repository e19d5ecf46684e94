/**
 * Garbage collections out of V8's `--trace-gc`: how long the program stood still, and how much it
 * allocates. Pure.
 *
 * @module
 */

/** One collection of one isolate. */
export interface Collection {
  /** The isolate's address: workers have their own. */
  readonly isolate: string;
  /** Since the isolate began, ms. */
  readonly atMs: number;
  /** Heap in use before and after, MB of 2^20 bytes. */
  readonly beforeMb: number;
  readonly afterMb: number;
  /** The program stood still for this long. */
  readonly pauseMs: number;
}

/** What the collections of a stretch of time tell. */
export interface CollectionFigures {
  readonly count: number;
  readonly longestPauseMs: number;
  /** Share of the time spent in them, 0–1. */
  readonly pausedShare: number;
  /** Absent with fewer than two collections. */
  readonly allocatedBytesPerMs?: number;
}

const LINE =
  /^\[\d+:(0x[0-9a-f]+)\]\s+(\d+(?:\.\d+)?) ms: [^\d]*(?:\(.*?\) )?(\d+(?:\.\d+)?) \([\d.]+\) -> (\d+(?:\.\d+)?) \([\d.]+\) MB,(?: pooled: [\d.]+ MB,)? (\d+(?:\.\d+)?) \/ (\d+(?:\.\d+)?) ms/;
const MB = 2 ** 20;

/** All collections in a trace; other lines are passed over. */
export function readCollections(trace: string): Collection[] {
  const collections: Collection[] = [];
  for (const line of trace.split("\n")) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [atMs, beforeMb, afterMb, pauseMs] = match.slice(2, 6).map(Number);
    collections.push({
      isolate: match[1]!,
      atMs: atMs!,
      beforeMb: beforeMb!,
      afterMb: afterMb!,
      pauseMs: pauseMs!,
    });
  }
  return collections;
}

/** Figures of the main isolate, the first that collected, between two times. */
export function figuresBetween(
  collections: readonly Collection[],
  fromMs: number,
  toMs: number,
): CollectionFigures {
  const isolate = collections[0]?.isolate;
  const inside = collections.filter((collection) =>
    collection.isolate === isolate && collection.atMs >= fromMs && collection.atMs <= toMs
  );
  const paused = inside.reduce((sum, { pauseMs }) => sum + pauseMs, 0);
  const figures = {
    count: inside.length,
    longestPauseMs: Math.max(0, ...inside.map(({ pauseMs }) => pauseMs)),
    pausedShare: paused / (toMs - fromMs),
  };
  if (inside.length < 2) return figures;
  let allocatedMb = 0;
  for (let i = 1; i < inside.length; i++) {
    allocatedMb += inside[i]!.beforeMb - inside[i - 1]!.afterMb;
  }
  const spanMs = inside.at(-1)!.atMs - inside[0]!.atMs;
  return { ...figures, allocatedBytesPerMs: allocatedMb * MB / spanMs };
}
