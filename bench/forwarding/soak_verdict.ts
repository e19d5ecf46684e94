/**
 * Whether something stayed as it was over a soak. Pure.
 *
 * @module
 */

/** One look at the SFU; latencies and cost are those since the look before. */
export interface Sample {
  readonly atS: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Of RSS what V8's heap has not taken. */
  readonly outsideBytes: number;
  readonly descriptors: number;
  readonly cpuMicrosPerPacket: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What the whole soak adds. */
export interface SoakTotals {
  readonly engine: string;
  /** Share of packets, 0–1. */
  readonly loss: number;
  readonly descriptorsAfter: number;
}

/** First and last third of the soak, each by its most typical sample. */
export interface SoakFigures extends SoakTotals {
  readonly samples: number;
  readonly rssBytes: readonly [first: number, last: number];
  /** The least of each third, which is what is held after collections. */
  readonly heapBytes: readonly [first: number, last: number];
  readonly outsideBytes: readonly [first: number, last: number];
  readonly p50Ms: readonly [first: number, last: number];
  readonly p99Ms: readonly [first: number, last: number];
  readonly descriptors: readonly [first: number, last: number];
  readonly isMemoryFlat: boolean;
  readonly isLatencySteady: boolean;
  readonly leaksDescriptors: boolean;
}

/**
 * Growth from the first third to the last that is called flat. RSS itself is no measure of it: V8
 * takes pages when it is late with a collection, and keeps them.
 */
const MAX_GROWTH = 1.1;
const SLACK_BYTES = 8e6;
/** Latency may differ by this much between thirds: the machine has other things to do. */
const MAX_DRIFT = 1.5;
const SLACK_MS = 0.5;
/** Less than this has no thirds. */
const MIN_SAMPLES = 6;

/** @throws {Error} with too few samples to tell. */
export function soakFiguresOf(samples: readonly Sample[], totals: SoakTotals): SoakFigures {
  if (samples.length < MIN_SAMPLES) throw new Error(`only ${samples.length} samples: soak longer`);
  const third = Math.floor(samples.length / 3);
  const [first, last] = [samples.slice(0, third), samples.slice(-third)];
  const both = (pick: (part: readonly Sample[]) => number): [number, number] => [
    pick(first),
    pick(last),
  ];
  const rssBytes = both((part) => median(part.map((sample) => sample.rssBytes)));
  const heapBytes = both((part) => Math.min(...part.map((sample) => sample.heapBytes)));
  const outsideBytes = both((part) => median(part.map((sample) => sample.outsideBytes)));
  const p50Ms = both((part) => median(part.map((sample) => sample.p50Ms)));
  const p99Ms = both((part) => median(part.map((sample) => sample.p99Ms)));
  const descriptors = both((part) => Math.min(...part.map((sample) => sample.descriptors)));
  const isFlat = ([before, after]: readonly [number, number]) =>
    after <= before * MAX_GROWTH + SLACK_BYTES;
  const isSteady = ([before, after]: readonly [number, number]) =>
    after <= before * MAX_DRIFT + SLACK_MS;
  return {
    ...totals,
    samples: samples.length,
    rssBytes,
    heapBytes,
    outsideBytes,
    p50Ms,
    p99Ms,
    descriptors,
    isMemoryFlat: isFlat(outsideBytes) && isFlat(heapBytes),
    isLatencySteady: isSteady(p50Ms) && isSteady(p99Ms),
    leaksDescriptors: descriptors[1] > descriptors[0],
  };
}

/** The middle one of some numbers. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
