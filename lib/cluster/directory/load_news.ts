/**
 * Which changes of a node's record are worth telling all other nodes at once. What is told is read
 * by each of them, so a thousand nodes that told every second how much they have to do would make
 * Redis send hundreds of megabytes a second.
 *
 * @module
 */
import type { NodeRecord } from "./cluster_directory.ts";

/** A share (of cores, of room for more) has changed when it differs by so much. */
const SHARE_STEP = 0.1;
/** A count has changed when it differs by so much of itself, and by so many. */
const COUNT_STEP = 0.25;
const MIN_COUNT_STEP = 10;
/** What changed less is told after so long, ms. */
const TELL_AFTER_MS = 30_000;

/**
 * Whether others have to hear of it now.
 *
 * @param told What they know.
 * @param ageMs How long they have known it.
 */
export function isNews(told: NodeRecord, now: NodeRecord, ageMs: number): boolean {
  if (ageMs >= TELL_AFTER_MS) return true;
  if (facts(told) !== facts(now)) return true;
  const { load } = now;
  return isOtherShare(told.load.cpu, load.cpu) ||
    isOtherShare(told.load.headroom, load.headroom) ||
    isOtherCount(told.load.participants, load.participants) ||
    isOtherCount(told.load.rooms, load.rooms) ||
    isOtherCount(told.load.tracks, load.tracks) ||
    now.agents.some(({ headroom }, index) => isOtherShare(told.agents[index]!.headroom, headroom));
}

/** Everything but loads. */
function facts({ load: _, agents, ...rest }: NodeRecord): string {
  return JSON.stringify([rest, agents.map(({ headroom: _, ...agent }) => agent)]);
}

/** None and all are told at once, as they decide. */
function isOtherShare(told: number, now: number): boolean {
  return told !== now && (Math.abs(told - now) >= SHARE_STEP || now <= 0 || told <= 0);
}

function isOtherCount(told: number, now: number): boolean {
  return Math.abs(told - now) >= Math.max(MIN_COUNT_STEP, told * COUNT_STEP);
}
