/**
 * What a run on virtual time says: the columns of the table, and gates. Pure.
 *
 * @module
 */
import type { Link } from "./link.ts";
import type { MediaFlow, Sample } from "./media_flow.ts";

/** One assertion about a run. */
export interface Gate {
  readonly what: string;
  readonly value: number;
  readonly limit: string;
  readonly holds: boolean;
}

/** The columns. */
export interface Figures {
  /** Of what the bottleneck could carry while a flow was there, 0–1. */
  readonly utilisation: number;
  readonly queueP50Ms: number;
  readonly queueP95Ms: number;
  /** Of packets, 0–1. */
  readonly loss: number;
  /** Without a picture that was wanted, s. */
  readonly freezeS: number;
  readonly layerChanges: number;
  /** 1: all flows had the same. */
  readonly jain: number;
  /** Until the rate was first near what there is, s; -1 if never. */
  readonly settleS: number;
  /** Padding sent for probes, share of all bytes. */
  readonly padding: number;
}

/** A value that is at most a limit. */
export function atMost(what: string, value: number, limit: number): Gate {
  return { what, value, limit: `≤ ${limit}`, holds: value <= limit };
}

/** A value that is at least a limit. */
export function atLeast(what: string, value: number, limit: number): Gate {
  return { what, value, limit: `≥ ${limit}`, holds: value >= limit };
}

/** The value below which a share of all lies; 0 for none. */
export function quantileOf(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/** Jain's fairness index. */
export function jainOf(rates: readonly number[]): number {
  const sum = rates.reduce((total, rate) => total + rate, 0);
  const squares = rates.reduce((total, rate) => total + rate * rate, 0);
  return squares === 0 ? 1 : sum * sum / (rates.length * squares);
}

/** Samples between two times, the first excluded. */
export function between(flow: MediaFlow, fromMs: number, toMs: number): readonly Sample[] {
  return flow.samples.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
}

/** Mean of a figure over samples; 0 for none. */
export function meanOf(samples: readonly Sample[], figure: (sample: Sample) => number): number {
  return samples.reduce((sum, sample) => sum + figure(sample), 0) / Math.max(1, samples.length);
}

/** When the mean of a second's receiving first reached a rate, s after `fromMs`; -1 if never. */
export function settleS(flow: MediaFlow, fromMs: number, bps: number): number {
  const samples = between(flow, fromMs, Infinity);
  for (let i = 10; i <= samples.length; i++) {
    if (meanOf(samples.slice(i - 10, i), ({ receivedBps }) => receivedBps) >= bps) return i / 10;
  }
  return -1;
}

/** When the estimate first was what `isThere` says, s after `fromMs`; `Infinity` if never. */
export function reachedS(
  flow: MediaFlow,
  fromMs: number,
  isThere: (estimateBps: number) => boolean,
): number {
  const reached = between(flow, fromMs, Infinity).find((sample) => isThere(sample.estimateBps));
  return reached === undefined ? Infinity : (reached.atMs - fromMs) / 1000;
}

/** The columns of flows that share a link for `durationMs`. */
export function figuresOf(
  flows: readonly MediaFlow[],
  link: Link,
  durationMs: number,
  { freezeS = 0, layerChanges = 0, settle = 0, jain = 1 } = {},
): Figures {
  const waits = flows.flatMap(({ waits }) => waits);
  const sum = (figure: (flow: MediaFlow) => number) =>
    flows.reduce((total, flow) => total + figure(flow), 0);
  return {
    utilisation: link.carried * 8 / link.capacity(0, durationMs),
    queueP50Ms: quantileOf(waits, 0.5),
    queueP95Ms: quantileOf(waits, 0.95),
    loss: sum(({ lostPackets }) => lostPackets) / Math.max(1, sum((flow) => flow.sentPackets)),
    freezeS,
    layerChanges,
    jain,
    settleS: settle,
    padding: sum(({ paddingBytes }) => paddingBytes) / Math.max(1, sum((flow) => flow.sentBytes)),
  };
}
