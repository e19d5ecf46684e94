/**
 * The search for how much an SFU can carry, in few steps: from what a packet costs at one rate
 * follows the next rate to try. Pure.
 *
 * @module
 */

/** What a step showed. */
export interface Step {
  /** What the clients published, times its receivers. */
  readonly offeredPerSecond: number;
  readonly outPerSecond: number;
  readonly cpuMicrosPerPacket: number;
  /** 1 is one busy core. */
  readonly cpuShare: number;
  readonly loss: number;
}

/** How to search. */
export interface Search {
  /** The first step's packets per second. */
  readonly first: number;
  /** What the load side can or should send at most. */
  readonly ceiling: number;
  /** Cores the SFU can use. */
  readonly cores: number;
  /**
   * Share of the predicted capacity to try next: below 1 for one that does not recover from more.
   */
  readonly reach: number;
  /** A step with this much of the cores in use tells enough. */
  readonly enough: number;
}

const MAX_STEPS = 4;
/** More than this lost, or less than this share delivered, is too much. */
const MAX_LOSS = 0.005;
const MIN_DELIVERED = 0.95;
/** After a first step that was too much. */
const STEP_BACK = 0.6;

/** Whether the SFU, or the machine, did not manage. */
function isOverloaded(step: Step): boolean {
  return step.loss > MAX_LOSS || step.outPerSecond < step.offeredPerSecond * MIN_DELIVERED;
}

/** The next rate to try, or `undefined` if enough is known. */
export function nextRate(steps: readonly Step[], search: Search): number | undefined {
  const last = steps.at(-1);
  if (last === undefined) return Math.min(search.first, search.ceiling);
  if (steps.length >= MAX_STEPS) return undefined;
  if (isOverloaded(last)) {
    if (steps.some((step) => !isOverloaded(step))) return undefined;
    return last.offeredPerSecond * STEP_BACK;
  }
  if (last.cpuShare >= search.enough * search.cores) return undefined;
  if (last.offeredPerSecond >= search.ceiling * MIN_DELIVERED) return undefined;
  const capacity = 1e6 / last.cpuMicrosPerPacket * search.cores;
  const next = Math.min(capacity * search.reach, search.ceiling);
  // A prediction that has come true needs no further step.
  return next < last.offeredPerSecond * 1.05 ? undefined : next;
}

/**
 * Packets per second the SFU can carry: what the best step would come to on whole cores, but no
 * more than what came out when there was too much, on a machine that has not got whole cores to
 * give.
 */
export function saturationOf(steps: readonly Step[], { cores }: Search): number {
  const carried = steps.filter((step) => !isOverloaded(step));
  if (carried.length === 0) return Math.max(...steps.map(({ outPerSecond }) => outPerSecond));
  const best = carried.reduce((a, b) => b.outPerSecond > a.outPerSecond ? b : a);
  const predicted = Math.max(best.outPerSecond, 1e6 / best.cpuMicrosPerPacket * cores);
  const delivered = steps.filter(isOverloaded).map(({ outPerSecond }) => outPerSecond);
  return Math.max(best.outPerSecond, Math.min(predicted, ...delivered));
}
