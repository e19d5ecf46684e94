/**
 * Where estimates begin and end, and what they bear: to subscribers, and between nodes.
 *
 * @module
 */

/** What keeps an estimate where it is; `none`: all that is wanted fits. */
export type LimitedBy = "start" | "delay" | "loss" | "remb" | "tcp" | "demand" | "none";

/** How far probes go that look for a next step. */
export interface ProbeGoals {
  /** Of what it needs, 1 or more. */
  readonly overage: number;
  /** So much above what was seen to be carried at least, bits per second. */
  readonly minStepBps: number;
}

/** LiveKit's. */
export const DEFAULT_PROBES: ProbeGoals = { overage: 1.2, minStepBps: 200_000 };

export interface SendEstimateOptions {
  /** Where it begins. */
  readonly startBps: number;
  readonly minBps: number;
  readonly maxBps: number;
  /** Loss that the path may have of its own, 0–1; `LossModel` has a value if absent. */
  readonly borneLoss?: number;
  /** A queue no longer than this says nothing, ms: whoever reads may be busy. Absent: none is. */
  readonly borneQueueMs?: number;
  /** Where nothing has lowered the rate lately, what it is needs no proof. */
  readonly isTrusting?: boolean;
  /** Absent: {@linkcode DEFAULT_PROBES}. */
  readonly probes?: ProbeGoals | undefined;
  /** Few packets are numbered on a calm path: whoever sends asks which. Absent: all are. */
  readonly samples?: boolean;
}

/**
 * Begins between LiveKit's 1 Mbit/s and Jitsi's 2.5; ends where one subscriber has more than any
 * picture needs, so that one who lies does not cost more.
 */
export const DEFAULT_ESTIMATE: SendEstimateOptions = {
  startBps: 1_500_000,
  minBps: 30_000,
  maxBps: 50_000_000,
};

/** The same for who asks of each packet whether it is to be numbered. */
export const SAMPLED_ESTIMATE: SendEstimateOptions = { ...DEFAULT_ESTIMATE, samples: true };

/**
 * Between nodes nothing is held back until the way has shown that it carries less: as a rule it
 * carries more than a thread can send, and whoever is at the other end belongs to us. A thread that
 * gets no core for a moment looks like a queue, so a short one is borne; and what is lost is sent
 * again by the hop itself.
 */
export const HOP_ESTIMATE: SendEstimateOptions = {
  startBps: 1_000_000_000,
  minBps: 100_000,
  maxBps: 10_000_000_000,
  borneLoss: 0.1,
  borneQueueMs: 40,
  isTrusting: true,
};
