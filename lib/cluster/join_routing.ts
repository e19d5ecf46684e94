/**
 * Which other nodes a join may go to: a newcomer's that this node does not take, and that of a
 * client which returns to a session of another node.
 *
 * Contract: where the directory cannot be asked, what is known here decides, and nobody waits for
 * it longer than for any question.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { Random } from "../base/platform.ts";
import type { MirroredRoom } from "../room/context/node_ports.ts";
import type { ClusterDirectory, NodeRecord, Pin } from "./directory/cluster_directory.ts";
import type { Membership } from "./membership.ts";
import { chooseNode, isPinned, LEAST_HEADROOM } from "./node_choice.ts";
import { distanceKm, type RegionPlace } from "./region_list.ts";

/** A room that this node serves, as far as it matters here. */
export interface KnownRoom {
  readonly room: Pick<MirroredRoom, "record">;
  readonly peers: readonly NodeId[];
  /** The node that serves somebody under that identity, if it is another one. */
  holderOf(identity: string): NodeId | undefined;
}

/** What it works with. */
export interface JoinRoutingOptions {
  readonly self: NodeId;
  readonly region: string;
  /** Where regions are, if somebody has said so. */
  readonly places: readonly RegionPlace[];
  readonly random: Pick<Random, "uint32">;
  readonly directory: Pick<ClusterDirectory, "find" | "claim" | "nodes">;
  readonly membership: Pick<Membership, "others" | "get">;
  readonly room: (name: string) => KnownRoom | undefined;
  /** `false` for a node whose link is lost, and not back yet. */
  readonly isReachable: (node: NodeId) => boolean;
  /** `cluster.gather_rooms`. */
  readonly gathersRooms: boolean;
}

/** Gives nodes to try, one after the other. */
export interface NodesToTry {
  /** The next one; `undefined` if there is no more. */
  next(): NodeRecord | undefined;
}

/** Why nobody is asked for somebody's sake: who or what is not there, or nobody can tell now. */
export type NotServed = "no_room" | "no_participant" | "unreachable";

/** Finds nodes. */
export class JoinRouting {
  constructor(readonly options: JoinRoutingOptions) {}

  /**
   * Nodes for a newcomer that this node does not take.
   *
   * @param among The only ones that may take it, if that is known.
   */
  async takers(room: string, among?: readonly NodeId[]): Promise<NodesToTry> {
    const { region, random, places } = this.options;
    const { pin, sharing } = await this.#facts(room);
    const left = (await this.#others(among)).filter(({ nodeId }) =>
      this.options.isReachable(nodeId) && (among === undefined || among.includes(nodeId))
    );
    // Whoever names the only ones has looked at the pin.
    const wish = {
      region,
      pin: among === undefined ? pin : "" as const,
      sharing,
      kmTo: (other: string) => distanceKm(region, other, places),
    };
    return {
      next: () => {
        const node = chooseNode(left, wish, random) ??
          (among === undefined ? undefined : left.find(({ state }) => state === "serving"));
        if (node !== undefined) left.splice(left.indexOf(node), 1);
        return node;
      },
    };
  }

  /** The node whose session somebody returns to; `undefined` if it is this one, or gone. */
  async holder(room: string, identity: string): Promise<NodeRecord | undefined> {
    const { directory, self, isReachable } = this.options;
    const seen = this.options.room(room)?.holderOf(identity);
    const node = seen ?? await orNothing(async () => (await directory.claim(room, identity))?.node);
    if (node === undefined || node === self || !isReachable(node)) return undefined;
    return (await this.#others([node])).find(({ nodeId }) => nodeId === node);
  }

  /** The other node that serves somebody, whom this one does not. */
  async serving(room: string, identity: string): Promise<NodeRecord | NotServed> {
    const { directory, self, isReachable } = this.options;
    const known = this.options.room(room);
    try {
      const node = known?.holderOf(identity) ?? (await directory.claim(room, identity))?.node;
      if (node === undefined || node === self) {
        const isThere = known !== undefined || await directory.find(room) !== undefined;
        return isThere ? "no_participant" : "no_room";
      }
      if (!isReachable(node)) return "unreachable";
      return (await this.#others([node])).find(({ nodeId }) => nodeId === node) ?? "unreachable";
    } catch (error) {
      if (error instanceof SfuError) return "unreachable";
      throw error;
    }
  }

  /**
   * The node where a newcomer's room is already, if rooms are kept together, and it has room, and
   * this node does not serve the room itself.
   */
  async gathering(room: string): Promise<NodeRecord | undefined> {
    const { gathersRooms, region, random, membership, isReachable } = this.options;
    if (!gathersRooms || this.options.room(room) !== undefined) return undefined;
    const { pin, sharing } = await this.#facts(room);
    const there = membership.others.filter((node) =>
      sharing.includes(node.nodeId) && node.region === region && isReachable(node.nodeId) &&
      node.load.headroom >= LEAST_HEADROOM
    );
    return chooseNode(there, { region, pin, sharing }, random);
  }

  /** Nodes that a room is pinned to, if this is none of them and one of them takes newcomers. */
  async pinnedTo(room: string): Promise<readonly NodeId[] | undefined> {
    const { self, region, membership } = this.options;
    const { pin } = await this.#facts(room);
    if (isPinned({ nodeId: self, region }, pin)) return undefined;
    const nodes = membership.others.filter((node) =>
      node.state === "serving" && isPinned(node, pin)
    );
    return nodes.length === 0 ? undefined : nodes.map(({ nodeId }) => nodeId);
  }

  /** Other nodes; if none of those that somebody names is known, they may have come just now. */
  async #others(named: readonly NodeId[] = []): Promise<readonly NodeRecord[]> {
    const { others } = this.options.membership;
    const [first] = named;
    if (first === undefined || others.some(({ nodeId }) => named.includes(nodeId))) return others;
    return await orNothing(() => this.options.directory.nodes(first)) ?? others;
  }

  async #facts(name: string): Promise<{ readonly pin: Pin; readonly sharing: readonly NodeId[] }> {
    const known = this.options.room(name);
    if (known !== undefined) {
      return { pin: known.room.record.plan.internal.nodeId as Pin, sharing: known.peers };
    }
    const found = await orNothing(() => this.options.directory.find(name));
    return { pin: found?.record.pin ?? "", sharing: found?.nodes ?? [] };
  }
}

/** What the directory answers; nothing while it is away. */
async function orNothing<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof SfuError) return undefined;
    throw error;
  }
}
