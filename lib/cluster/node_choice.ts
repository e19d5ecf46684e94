/**
 * Which node a newcomer is sent to by one that cannot take it: the freer of two that are drawn, so
 * that many who ask at once do not all choose the same. Pure but for the draw.
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
  /** Nodes that serve the newcomer's room: of two equally free it is best there. */
  readonly sharing: readonly NodeId[];
}

/**
 * A node for a newcomer, of those that serve; `undefined` if none may take it.
 *
 * @param nodes Without the one that asks.
 */
export function chooseNode(
  nodes: readonly NodeRecord[],
  { region, pin, sharing }: NodeWish,
  random: Pick<Random, "uint32">,
): NodeRecord | undefined {
  const open = nodes.filter((node) => node.state === "serving" && isPinned(node, pin));
  const roomy = open.filter(({ load }) => load.headroom >= LEAST_HEADROOM);
  const near = roomy.filter((node) => node.region === region);
  const candidates = near.length > 0 ? near : roomy.length > 0 ? roomy : pin === "" ? [] : open;
  const first = draw(candidates, random);
  const second = draw(candidates.filter((node) => node !== first), random);
  if (first === undefined || second === undefined) return first;
  const [a, b] = [first, second].map(({ load }) => load.headroom) as [number, number];
  const isClose = Math.abs(a - b) < LEAST_HEADROOM;
  if (isClose && sharing.includes(first.nodeId) !== sharing.includes(second.nodeId)) {
    return sharing.includes(first.nodeId) ? first : second;
  }
  return b > a ? second : first;
}

/** Whether a room that is pinned may be served by a node. */
export function isPinned({ nodeId, region }: Pick<NodeRecord, "nodeId" | "region">, pin: Pin) {
  return pin === "" || pin === nodeId || pin === `region:${region}`;
}

function draw<T>(items: readonly T[], random: Pick<Random, "uint32">): T | undefined {
  return items.length === 0 ? undefined : items[random.uint32() % items.length];
}
