/**
 * Random histories of a directory: what several nodes ask of it, drawn from a seed, so that two
 * twins can be asked the same; and what must hold of any directory after each step.
 *
 * @module
 */
import type { NodeId, ParticipantSid, RoomSid } from "../../../lib/base/ids.ts";
import type {
  AssertedClaim,
  Claim,
  Closing,
  ClusterDirectory,
  EnterAnswer,
  RoomRecord,
} from "../../../lib/cluster/directory/cluster_directory.ts";
import { A, B, C, joining, nodeRecord, roomSeed } from "./directory_table.ts";
import { SeededRandom } from "./seeded_random.ts";

const NODES: readonly NodeId[] = [A, B, C];
const ROOMS = ["r", "s"];
const PEOPLE = ["ann", "bob", "cat"];

/** One question and its answer, with fencing numbers replaced by the order in which they came. */
export interface Event {
  readonly question: string;
  readonly answer: unknown;
}

/** Asks and remembers what nodes remember: their claims, closings and records. */
export class DirectoryHistory {
  readonly #random: SeededRandom;
  readonly #directory: ClusterDirectory;
  readonly #claims: { room: string; claim: AssertedClaim }[] = [];
  readonly #closings: { room: string; closing: Closing }[] = [];
  readonly #records = new Map<string, RoomRecord>();
  readonly #numbers = new Map<number, number>();
  #sids = 0;

  constructor(directory: ClusterDirectory, seed: number) {
    this.#directory = directory;
    this.#random = new SeededRandom(seed);
  }

  /** Asks one thing. */
  async step(): Promise<Event> {
    const room = this.#one(ROOMS);
    const node = this.#one(NODES);
    const [question, answer] = await this.#ask(room, node);
    return { question: `${question} ${room} ${node}`, answer: this.#plain(answer) };
  }

  async #ask(room: string, node: NodeId): Promise<[string, unknown]> {
    const directory = this.#directory;
    switch (this.#random.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return ["enter", await this.#enter(room, node)];
      case 4:
      case 5: {
        const held = this.#one(this.#claims);
        if (held === undefined) return ["nothing", undefined];
        return ["release", await directory.release({ room: held.room, ...held.claim })];
      }
      case 6:
      case 7: {
        const sid = this.#random.chance(0.5) ? this.#records.get(room)?.sid : undefined;
        const closing = await directory.leave({ room, node, ...(sid && { sid }) });
        if (typeof closing === "object") this.#closings.push({ room, closing });
        return ["leave", closing];
      }
      case 8: {
        const last = this.#one(this.#closings);
        if (last === undefined) return ["nothing", undefined];
        const sid = this.#random.chance(0.5) ? this.#records.get(last.room)?.sid : undefined;
        return ["close", await directory.close(last.room, last.closing, sid)];
      }
      case 9:
        return ["update", await this.#update(room, node)];
      case 10:
        return this.#random.chance(0.3)
          ? ["remove", await directory.remove(room, `q${this.#random.below(3)}`)]
          : ["find", await directory.find(room)];
      case 11:
        return ["assert", await this.#assert(room, node)];
      case 12: {
        const burial = await directory.bury({ room, dead: node, by: this.#one(NODES)! });
        if (burial?.closing !== undefined) this.#closings.push({ room, closing: burial.closing });
        return ["bury", {
          ...burial,
          freed: [...burial?.freed ?? []].sort((a, b) => a.number - b.number),
          unjoined: [...burial?.unjoined ?? []].sort((a, b) => a.number - b.number),
        }];
      }
      case 14: {
        const held = this.#one(this.#claims);
        if (held === undefined) return ["nothing", undefined];
        const { number } = held.claim;
        return ["joined", await directory.joined({ room: held.room, number })];
      }
      case 13:
        if (this.#random.chance(0.3)) {
          const sid = this.#records.get(room)?.sid ?? "RM_none" as RoomSid;
          return ["last word", await directory.lastWord({ room, sid, node })];
        }
        return ["all", [
          await directory.claims(room),
          await directory.claim(room, this.#one(PEOPLE)!),
          await directory.list(),
          await directory.roomsOf(node),
        ]];
      default:
        return ["node", await this.#node(node)];
    }
  }

  async #enter(room: string, node: NodeId): Promise<EnterAnswer> {
    const identity = this.#one(PEOPLE)!;
    const sid = `PA_${this.#random.chance(0.1) ? this.#sids : ++this.#sids}`;
    const counted = this.#random.chance(0.8);
    const create = roomSeed(`RM_${++this.#sids}`, { maxParticipants: this.#random.below(3) });
    const request = joining(room, node, identity, sid, { create });
    const joinsLater = this.#random.chance(0.5);
    const answer = await this.#directory.enter({
      ...request,
      claim: { ...request.claim!, counted, joinsLater },
    });
    if (answer.ok) {
      const { number } = answer.claim!;
      const claim = { identity, node, sid: sid as ParticipantSid, number, counted };
      this.#claims.push({ room, claim });
      this.#records.set(room, answer.record);
    }
    return answer;
  }

  async #update(room: string, node: NodeId): Promise<unknown> {
    const record = this.#records.get(room);
    const sid = record?.sid ?? "RM_none" as RoomSid;
    const change = { locked: this.#random.chance(0.2), plan: `${this.#random.below(3)}` };
    const answer = await this.#directory.update({
      room,
      node,
      sid,
      version: record?.version ?? 1,
      change,
    });
    if ("record" in answer) this.#records.set(room, answer.record);
    return answer;
  }

  async #assert(room: string, node: NodeId): Promise<unknown> {
    const record = this.#records.get(room);
    if (record === undefined) return undefined;
    const newest = new Map<string, AssertedClaim>();
    for (const held of this.#claims) {
      if (held.room === room && held.claim.node === node && this.#random.chance(0.5)) {
        newest.set(held.claim.identity, held.claim);
      }
    }
    return await this.#directory.assert({ node, record, claims: [...newest.values()] });
  }

  async #node(node: NodeId): Promise<unknown> {
    const directory = this.#directory;
    switch (this.#random.below(3)) {
      case 0: {
        const answer = await directory.heartbeat(nodeRecord(node));
        return { ...answer, bury: [...answer.bury].sort() };
      }
      case 1:
        return await directory.withdraw(node);
      default:
        return [await directory.forget(node), await directory.nodes()];
    }
  }

  #one<T>(values: readonly T[]): T;
  #one<T>(values: readonly T[]): T | undefined {
    return values[this.#random.below(Math.max(1, values.length))];
  }

  /** The same, comparable with another directory's: numbers are times. */
  #plain(answer: unknown): unknown {
    return JSON.parse(JSON.stringify(answer ?? null), (name, value) => {
      if (name !== "number") return value;
      const known = this.#numbers.get(value) ?? this.#numbers.size;
      this.#numbers.set(value, known);
      return known;
    });
  }
}

/** What has to hold of a directory after each step, by all that it says. */
export async function violations(directory: ClusterDirectory): Promise<string[]> {
  const found: string[] = [];
  const listed = await directory.list();
  for (const { record, nodes, claims, counted } of listed) {
    const { name } = record;
    const held = await directory.claims(name);
    if (held.length !== claims) found.push(`${name}: ${held.length} claims, not ${claims}`);
    const taken = held.filter((claim) => claim.counted).length;
    if (taken !== counted) found.push(`${name}: ${taken} counted, not ${counted}`);
    const numbers = new Set(held.map(({ number }: Claim) => number));
    if (numbers.size !== held.length) found.push(`${name}: two claims of one number`);
    for (const node of nodes) {
      if (!(await directory.roomsOf(node)).includes(name)) found.push(`${node} has no ${name}`);
    }
  }
  const names = new Set(listed.map(({ record }) => record.name));
  for (const node of NODES) {
    for (const name of await directory.roomsOf(node)) {
      if (!names.has(name)) found.push(`${node} still has ${name}`);
    }
  }
  return found;
}
