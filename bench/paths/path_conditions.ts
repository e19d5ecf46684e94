/**
 * The networks that subscribers are put behind.
 *
 * @module
 */
import { lossyPath, type PathCondition } from "../../tests/support/wire/impaired_paths.ts";

/** One row of the table. */
export interface NamedCondition extends PathCondition {
  readonly name: string;
  readonly title: string;
  /** Videos that are wanted; the first one is measured. */
  readonly videos: number;
  /** Afterwards the path is wide, and the time until the whole picture is there is measured. */
  readonly recovers: boolean;
}

/** So long the queue in front of a bottleneck becomes, ms. */
const QUEUE_MS = 300;

function lossy(loss: number, rttMs: number): NamedCondition {
  const percent = `${loss * 100} %`;
  return {
    name: `loss-${loss * 100}-${rttMs}`,
    title: `${percent} lost, ${rttMs} ms`,
    ...lossyPath(loss, rttMs / 2),
    videos: 1,
    recovers: false,
  };
}

function narrow(rateBps: number, videos = 1): NamedCondition {
  const delayMs = 25;
  const rate = rateBps < 1_000_000 ? `${rateBps / 1_000} kbit/s` : `${rateBps / 1e6} Mbit/s`;
  return {
    name: `rate-${rateBps / 1_000}${videos > 1 ? `-videos-${videos}` : ""}`,
    title: `${rate}, 50 ms${videos > 1 ? `, ${videos} videos` : ""}`,
    down: { delayMs, rateBps, queueMs: QUEUE_MS },
    up: { delayMs },
    videos,
    recovers: rateBps < 1_000_000,
  };
}

export const CONDITIONS: readonly NamedCondition[] = [
  lossy(0, 50),
  lossy(0.02, 50),
  lossy(0.05, 50),
  lossy(0.1, 50),
  lossy(0, 200),
  lossy(0.02, 200),
  lossy(0.05, 200),
  lossy(0.1, 200),
  narrow(2_000_000),
  narrow(500_000),
  narrow(150_000),
  narrow(500_000, 3),
];

/** Where nothing is in the way any more. */
export const WIDE: PathCondition = {
  down: { delayMs: 25, rateBps: 10_000_000, queueMs: QUEUE_MS },
  up: { delayMs: 25 },
};
