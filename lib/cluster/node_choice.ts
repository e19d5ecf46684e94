/**
 * Which node a newcomer is sent to by one that does not take it: one that serves its room already,
 * else the freer of two that are drawn, so that many who ask at once do not all choose the same.
 * Where nobody near has room, those of the nearest other region. Pure but for the draw.
 *
 * @module
 */
import type { NodeId } from "../base/ids.ts";
import type { Random } from "../base/platform.ts";
import type { NodeRecord, Pin } from "./directory/cluster_directory.ts";

/** A node with less room than this takes no newcomer who could go elsewhere. */
export const LEAST_HEADROOM = 0.1;

/** Who is looked for. */
export interface NodeWish {
  /** Where the newcomer has arrived: near it, if possible. */
  readonly region: string;
  readonly pin: Pin;
  /** Nodes that serve the newcomer's room: a room is best on few. */
  readonly sharing: readonly NodeId[];
  /** How far a region is from the newcomer's; absent: nobody has said where they are. */
  readonly kmTo?: (region: string) => number;
}

/**
 * A node for a newcomer, of those that serve and have room: of the newcomer's region first, and
 * there of those that serve its room. `undefined` if none may take it.
 *
 * @param nodes Without the one that asks, and those that were asked in vain.
 */
export function chooseNode(
  nodes: readonly NodeRecord[],
  { region, pin, sharing, kmTo }: NodeWish,
  random: Pick<Random, "uint32">,
): NodeRecord | undefined {
  const open = nodes.filter((node) => node.state === "serving" && isPinned(node, pin));
  const roomy = open.filter(({ load }) => load.headroom >= LEAST_HEADROOM);
  const near = roomy.filter((node) => node.region === region);
  const shared = near.filter(({ nodeId }) => sharing.includes(nodeId));
  // Who is pinned has no other choice, and where all are nearly full the last places are given.
  const last = open.filter(({ load }) => load.headroom > 0 || pin !== "");
  const candidates = [shared, near, nearest(roomy, kmTo), last].find(({ length }) => length > 0) ??
    [];
  const first = draw(candidates, random);
  const second = draw(candidates.filter((node) => node !== first), random);
  if (first === undefined || second === undefined) return first;
  return second.load.headroom > first.load.headroom ? second : first;
}

/** Whether a room that is pinned may be served by a node. */
export function isPinned({ nodeId, region }: Pick<NodeRecord, "nodeId" | "region">, pin: Pin) {
  return pin === "" || pin === nodeId || pin === `region:${region}`;
}

/** Those of the region that is nearest. */
function nearest(
  nodes: readonly NodeRecord[],
  kmTo: (region: string) => number = () => 0,
): readonly NodeRecord[] {
  const least = Math.min(...nodes.map((node) => kmTo(node.region)));
  return nodes.filter((node) => kmTo(node.region) === least);
}

function draw<T>(items: readonly T[], random: Pick<Random, "uint32">): T | undefined {
  return items.length === 0 ? undefined : items[random.uint32() % items.length];
}
