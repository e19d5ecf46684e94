/**
 * Media between nodes at one moment: which layers of which tracks cross, over how many relays, and
 * what a node sends to its own people. Whom a region's nodes are sent to decides the project's own
 * `RegionHeads`. What is shown, and at what rate, are assumptions told below.
 *
 * @module
 */
import type { NodeId, UpTrackId } from "../../lib/base/ids.ts";
import { RegionHeads } from "../../lib/cluster/media/region_heads.ts";
import type { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { shown } from "./link_traffic.ts";
import { ROOM_KINDS } from "./population.ts";
import { REGIONS } from "./regions.ts";
import type { RoomsOnNodes } from "./rooms_on_nodes.ts";

/** Bits and packets per second. */
interface Rate {
  readonly bits: number;
  readonly packets: number;
}

const VOICE: Rate = { bits: 32_000, packets: 50 };
const LOW: Rate = { bits: 150_000, packets: 35 };
const MIDDLE: Rate = { bits: 500_000, packets: 70 };
const HIGH: Rate = { bits: 1_700_000, packets: 190 };
/** Voices at a time: the others are silent, and silence is hardly sent. */
const VOICES = 2;

/** Streams of a room at a time, one for each publisher in turn. */
export function streamsOf(people: number, speakers: number): Rate[] {
  const publishers = Math.min(people, speakers);
  const voices = Array<Rate>(Math.min(VOICES, publishers)).fill(VOICE);
  if (people <= 2) return [...voices, ...Array<Rate>(publishers).fill(HIGH)];
  const cameras = Array<Rate>(shown(publishers)).fill(people <= 5 ? MIDDLE : LOW);
  // Whoever speaks is shown large, too.
  return [...voices, HIGH, ...cameras];
}

/** Media between nodes, all of them together. */
export interface MediaFigures {
  readonly rooms: number;
  readonly sharedRooms: number;
  /** Nodes of a room, a mean over rooms, and as many people see it. */
  readonly nodesPerRoom: number;
  /** Rooms that pairs of nodes share, for each node: other nodes of its rooms, counted each time. */
  readonly peersPerNode: number;
  readonly nodesPerPerson: number;
  /** Streams that cross from one node to another, and those of them that cross regions. */
  readonly relays: number;
  readonly relaysBetweenRegions: number;
  readonly relayedBits: number;
  readonly relayedPackets: number;
  readonly bitsBetweenRegions: number;
  /** The same if each node asked the publisher's itself. */
  readonly bitsBetweenRegionsWithoutHeads: number;
  /** To people. */
  readonly deliveredBits: number;
  readonly deliveredPackets: number;
  /** What the node that passes on most sends to other nodes, bits per second. */
  readonly busiestSenderBits: number;
}

/** Looks at all rooms. */
export class MediaCensus {
  readonly #sentBits: Float64Array;
  readonly #figures = {
    rooms: 0,
    sharedRooms: 0,
    servings: 0,
    people: 0,
    seenNodes: 0,
    peers: 0,
    relays: 0,
    relaysBetweenRegions: 0,
    relayedBits: 0,
    relayedPackets: 0,
    bitsBetweenRegions: 0,
    bitsBetweenRegionsWithoutHeads: 0,
    deliveredBits: 0,
    deliveredPackets: 0,
  };

  constructor(
    readonly nodes: number,
    readonly regionOf: Uint8Array,
    readonly idOf: (node: number) => NodeId,
    readonly random: SeededRandom,
  ) {
    this.#sentBits = new Float64Array(nodes);
  }

  take(rooms: RoomsOnNodes, kindOfRoom: Uint8Array): MediaFigures {
    rooms.forEach((room, nodes, counts) => {
      const serving = nodes.filter((_, i) => counts[i]! > 0);
      const people = counts.reduce((sum, count) => sum + count, 0);
      if (people === 0) return;
      this.#figures.rooms++;
      this.#figures.people += people;
      this.#figures.servings += serving.length;
      this.#figures.peers += serving.length * (serving.length - 1);
      this.#figures.seenNodes += serving.length * people;
      if (serving.length > 1) this.#figures.sharedRooms++;
      this.#room(streamsOf(people, ROOM_KINDS[kindOfRoom[room]!]!.speakers), serving, people);
    });
    const { servings, people, seenNodes, peers, ...figures } = this.#figures;
    return {
      ...figures,
      peersPerNode: peers / this.nodes,
      nodesPerRoom: servings / Math.max(1, figures.rooms),
      nodesPerPerson: seenNodes / Math.max(1, people),
      busiestSenderBits: this.#sentBits.reduce((most, bits) => Math.max(most, bits), 0),
    };
  }

  #room(streams: readonly Rate[], serving: readonly number[], people: number): void {
    const figures = this.#figures;
    const first = this.random.below(serving.length);
    for (const [i, { bits, packets }] of streams.entries()) {
      // Nobody receives what they send.
      figures.deliveredBits += bits * (people - 1);
      figures.deliveredPackets += packets * (people - 1);
      if (serving.length < 2) continue;
      const origin = serving[(first + i) % serving.length]!;
      this.#relay(origin, serving, { bits, packets });
    }
  }

  /** One stream to all other nodes of the room, as their wants are answered. */
  #relay(origin: number, serving: readonly number[], { bits, packets }: Rate): void {
    const figures = this.#figures;
    const heads = new RegionHeads();
    const own = this.regionOf[origin]!;
    const headOf = new Int32Array(REGIONS.length).fill(-1);
    for (const node of serving) {
      if (node === origin) continue;
      const region = this.regionOf[node]!;
      figures.relays++;
      figures.relayedBits += bits;
      figures.relayedPackets += packets;
      const isFar = region !== own;
      if (isFar) figures.bitsBetweenRegionsWithoutHeads += bits;
      const name = REGIONS[region]!.name;
      const head = isFar ? heads.headFor(UP_TRACK, name, this.idOf(node)) : undefined;
      if (head !== undefined) {
        this.#sentBits[headOf[region]!]! += bits;
        continue;
      }
      if (isFar) {
        headOf[region] = node;
        figures.relaysBetweenRegions++;
        figures.bitsBetweenRegions += bits;
      }
      this.#sentBits[origin]! += bits;
    }
  }
}

/** Each stream has heads of its own here, so one name does for all. */
const UP_TRACK = "UT_n.1" as UpTrackId;
