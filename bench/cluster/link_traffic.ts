/**
 * What goes over all links between nodes, by kind: counted as things happen, and what goes on all
 * the time from how rooms lie on nodes at one moment. Lengths are those of real messages
 * (`link_costs.ts`).
 *
 * @module
 */
import { GATHER_MS } from "../../lib/cluster/mirror/told_quality.ts";
import { linkBytes } from "./link_costs.ts";
import { ROOM_KINDS } from "./population.ts";
import type { RoomsOnNodes } from "./rooms_on_nodes.ts";

/** Assumptions: somebody speaks for so much of the time, everybody mutes or unmutes so often. */
const SPEAKING = 0.8;
const MUTES_PER_S = 1 / 180;
/** Chat messages of everybody, per second. */
const MESSAGES_PER_S = 1 / 120;
/** Loudness is told so often where somebody speaks (`audio.update_interval`, 400 ms), per second. */
const LEVELS_PER_S = 2.5;
/** Assumption: a connection becomes better or worse so often, per second. */
const QUALITY_CHANGES_PER_S = 1 / 120;
/** Pings of each side of a link, each with an answer, per second (`link_connection.ts`). */
const PINGS_PER_S = 2;

/** Messages and bytes. */
export interface Sum {
  messages: number;
  bytes: number;
}

export type TrafficKind =
  | "hello"
  | "changes"
  | "tracks wanted"
  | "levels"
  | "quality"
  | "data"
  | "pings";

export class LinkTraffic {
  isOn = false;
  readonly sums: Record<"hello" | "changes" | "tracks wanted", Sum> = {
    "hello": { messages: 0, bytes: 0 },
    "changes": { messages: 0, bytes: 0 },
    "tracks wanted": { messages: 0, bytes: 0 },
  };
  readonly #bytes = linkBytes();

  /**
   * Somebody came.
   *
   * @param nodes That serve the room now, of whom `people` are told about each other if the
   *   newcomer's node is new to it.
   */
  joined(kind: number, nodes: number, people: number, isNewNode: boolean): void {
    if (!this.isOn || nodes < 2) return;
    const { speakers, size } = ROOM_KINDS[kind]!;
    const bytes = this.#bytes;
    const others = nodes - 1;
    if (isNewNode) {
      this.#add("hello", 2 * others, 2 * others * bytes.hello + (people - 1) * bytes.helloMember);
      // Cameras of those who publish, as far as they are shown, and microphones.
      const tracks = Math.min(people - 1, 2 * shown(speakers));
      this.#add("tracks wanted", 3 * tracks, tracks * (bytes.want + bytes.ask + bytes.answer));
    }
    this.#add("changes", others, others * bytes.join);
    this.#add("changes", others, others * bytes.quality);
    const publishes = Math.min(1, speakers / Math.sqrt(size[0] * size[1]));
    this.#add("changes", 2 * publishes * others, 2 * publishes * others * bytes.track);
  }

  left(nodes: number): void {
    if (nodes > 1) this.#add("changes", nodes - 1, (nodes - 1) * this.#bytes.left);
  }

  unshared(nodes: number): void {
    if (nodes > 1) this.#add("changes", nodes - 1, (nodes - 1) * this.#bytes.bye);
  }

  /** What goes on all the time, per second, with so many links in all. */
  steady(
    rooms: RoomsOnNodes,
    kindOfRoom: Uint8Array,
    links: number,
  ): Record<"levels" | "quality" | "data" | "changes" | "pings", Sum> {
    let [levels, qualities, changes, publishers] = [0, 0, 0, 0];
    rooms.forEach((room, nodes, counts) => {
      const present = counts.reduce((sum, count) => sum + count, 0);
      const others = nodes.length - 1;
      const { speakers } = ROOM_KINDS[kindOfRoom[room]!]!;
      if (present > 1) levels += others;
      for (const count of counts) {
        const perS = count * QUALITY_CHANGES_PER_S;
        changes += others * perS;
        // What changes is gathered for a while, all of a room in one message.
        qualities += others * perS / (1 + perS * GATHER_MS / 1000);
      }
      publishers += Math.min(present, speakers) * others;
    });
    const bytes = this.#bytes;
    const sum = (messages: number, each: number): Sum => ({ messages, bytes: messages * each });
    const data = publishers * MESSAGES_PER_S;
    return {
      levels: sum(levels * SPEAKING * LEVELS_PER_S, bytes.levels),
      quality: {
        messages: qualities,
        bytes: qualities * bytes.quality + (changes - qualities) * bytes.qualityMember,
      },
      data: { messages: 2 * data, bytes: data * (bytes.data + bytes.ack) },
      changes: sum(publishers * MUTES_PER_S, bytes.mute),
      pings: sum(links * 2 * PINGS_PER_S * 2, bytes.ping),
    };
  }

  #add(kind: "hello" | "changes" | "tracks wanted", messages: number, bytes: number): void {
    if (!this.isOn) return;
    this.sums[kind].messages += messages;
    this.sums[kind].bytes += bytes;
  }
}

/** Cameras that are shown at a time. */
export function shown(publishers: number): number {
  return Math.min(publishers, MOST_SHOWN);
}

const MOST_SHOWN = 9;
