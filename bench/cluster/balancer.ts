/**
 * Where people arrive: at the nearest region that has room, at the freer of two nodes that are
 * drawn, by what nodes have told of their loads. It stands for what is in front of the nodes.
 *
 * @module
 */
import type { NodeId } from "../../lib/base/ids.ts";
import type { NodeRecord } from "../../lib/cluster/directory/cluster_directory.ts";
import { isNews } from "../../lib/cluster/directory/load_news.ts";
import type { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { REGIONS, regionsFrom, splitByShare } from "./regions.ts";

/** Tracks of one participant, for the record's figures alone. */
const TRACKS_EACH = 2;
/** A node with less room than this takes nobody who could go elsewhere. */
const LEAST_HEADROOM = 0.1;
/** Draws before a region is taken for full. */
const TRIES = 24;

export class Balancer {
  readonly regionOf: Uint8Array;
  /** What each node told last, when, ms, and the number of that change. */
  readonly #told: NodeRecord[] = [];
  readonly #toldAt: Float64Array;
  readonly #inRegion: NodeRecord[][] = REGIONS.map(() => []);
  readonly #indexOf = new Map<NodeId, number>();
  readonly #nearest = [...REGIONS.keys()].map(regionsFrom);
  /** Changes of records so far. */
  changes = 0;

  /** @param capacity People that a node can carry. */
  constructor(readonly nodes: number, readonly capacity: number, readonly random: SeededRandom) {
    this.regionOf = Uint8Array.from(
      splitByShare(nodes).flatMap((count, region) => Array<number>(count).fill(region)),
    ).subarray(0, nodes);
    this.#toldAt = new Float64Array(nodes);
    for (let node = 0; node < nodes; node++) {
      const record = this.#record(node, 0, 0);
      this.#told.push(record);
      this.#inRegion[this.regionOf[node]!]!.push(record);
      this.#indexOf.set(record.nodeId, node);
    }
  }

  idOf(node: number): NodeId {
    return this.#told[node]!.nodeId;
  }

  /** A node says how much it has to do. @returns Whether others are told (`isNews`). */
  tell(node: number, participants: number, rooms: number, nowMs: number): boolean {
    const now = this.#record(node, participants, rooms);
    const before = this.#told[node]!;
    if (!isNews(before, now, nowMs - this.#toldAt[node]!)) return false;
    this.#told[node] = now;
    this.#toldAt[node] = nowMs;
    this.changes++;
    const near = this.#inRegion[this.regionOf[node]!]!;
    const at = near.indexOf(before);
    if (at >= 0) near[at] = now;
    return true;
  }

  /** Sends nobody there any more. */
  forget(node: number): void {
    const near = this.#inRegion[this.regionOf[node]!]!;
    const at = near.indexOf(this.#told[node]!);
    if (at >= 0) near.splice(at, 1);
  }

  /**
   * A node for somebody of a region; `undefined` if none has room.
   *
   * @param first Nodes that are to be taken if they have room.
   */
  choose(region: number, first: readonly number[] = []): number | undefined {
    if (first.length > 0) {
      const records = first.map((node) => this.#told[node]!);
      const chosen = this.#draw(records.filter((record) => this.#isIn(record, region)));
      if (chosen !== undefined) return chosen;
    }
    for (const each of this.#nearest[region]!) {
      const chosen = this.#draw(this.#inRegion[each]!);
      if (chosen !== undefined) return chosen;
    }
    return undefined;
  }

  /** The freer of two that have room; drawn again a few times, for those that have none. */
  #draw(records: readonly NodeRecord[]): number | undefined {
    const roomy: NodeRecord[] = [];
    for (let tries = 0; tries < TRIES && roomy.length < 2 && records.length > 0; tries++) {
      const drawn = records[this.random.below(records.length)]!;
      if (drawn.load.headroom >= LEAST_HEADROOM && drawn !== roomy[0]) roomy.push(drawn);
    }
    const [one, other] = roomy;
    if (one === undefined) return undefined;
    const isFreer = other !== undefined && other.load.headroom > one.load.headroom;
    return this.#indexOf.get((isFreer ? other : one).nodeId);
  }

  #isIn(record: NodeRecord, region: number): boolean {
    return record.region === REGIONS[region]!.name;
  }

  #record(node: number, participants: number, rooms: number): NodeRecord {
    const used = participants / this.capacity;
    return {
      nodeId: `ND_${String(node).padStart(12, "n")}` as NodeId,
      region: REGIONS[this.regionOf[node]!]!.name,
      clientAddress: "",
      link: `wss://node-${node}.example.com/cluster`,
      protocol: { min: 1, max: 1 },
      state: "serving",
      load: {
        cpu: used,
        participants,
        rooms,
        tracks: participants * TRACKS_EACH,
        headroom: Math.max(0, 1 - used),
      },
      agents: [],
      startedAtMs: 0,
    };
  }
}
