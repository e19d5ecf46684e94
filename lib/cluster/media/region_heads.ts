/**
 * Which node of a region takes a track from the node where it is published, so that it crosses
 * between the two regions once: the first of the region that asks. The others are sent to it.
 *
 * The publisher's node alone decides, so nobody has to agree with anybody. Pure.
 *
 * @module
 */
import type { NodeId, RelayedTrackId } from "../../base/ids.ts";

/** The heads of the regions that get tracks of this node. */
export class RegionHeads {
  readonly #heads = new Map<RelayedTrackId, Map<string, NodeId>>();

  /**
   * Who is to be asked for a track in place of this node; absent: nobody, the asking node is the
   * region's head from now on.
   */
  headFor(upTrack: RelayedTrackId, region: string, asking: NodeId): NodeId | undefined {
    const heads = this.#heads.get(upTrack) ?? new Map<string, NodeId>();
    this.#heads.set(upTrack, heads);
    const head = heads.get(region);
    if (head !== undefined && head !== asking) return head;
    heads.set(region, asking);
    return undefined;
  }

  /** A node does not get the track any more. */
  stopped(upTrack: RelayedTrackId, node: NodeId): void {
    const heads = this.#heads.get(upTrack);
    if (heads === undefined) return;
    for (const [region, head] of heads) if (head === node) heads.delete(region);
    if (heads.size === 0) this.#heads.delete(upTrack);
  }

  /** A node gets nothing any more. */
  gone(node: NodeId): void {
    for (const upTrack of [...this.#heads.keys()]) this.stopped(upTrack, node);
  }
}
