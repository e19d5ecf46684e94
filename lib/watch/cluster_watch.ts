/**
 * What operators see of all nodes together: each is asked, and the answers are put into one state.
 *
 * A node that does not answer is shown as silent, with what it last said of its load; its rooms and
 * participants are left out. Who asks the same within a second gets the same answer.
 *
 * @module
 */
import type { NodeId } from "../base/ids.ts";
import type { Clock } from "../base/platform.ts";
import type { CarriedCall, CarriedReply, RemoteMembers } from "../room/context/node_ports.ts";
import {
  type ClusterFigures,
  MOST_SHOWN,
  type NodeAnswer,
  type NodeFigures,
  type RoomFigures,
  type WatchQuestion,
} from "./figures.ts";
import type { NodeWatch } from "./node_watch.ts";
import { sumOf, worse } from "./room_look.ts";

/** The call by which a node is asked. */
const CALL = "Watch";
/** Another node may take so long, ms. */
const ANSWER_MS = 1_500;
/** Answers are used again for so long, ms. */
const FRESH_FOR_MS = 900;
/** Longer questions are none, bytes. */
const MAX_QUESTION = 16_384;
/** Longer texts are none. */
const MAX_TEXT = 1_024;

/** Another node, as the directory knows it. */
export interface PeerNode {
  readonly nodeId: NodeId;
  readonly region: string;
  readonly state: "serving" | "draining";
  readonly load: {
    readonly cpu: number;
    readonly participants: number;
    readonly rooms: number;
    readonly tracks: number;
  };
  readonly startedAtMs: number;
}

/** The other nodes; nobody for a node that is alone. */
export interface WatchPeers {
  readonly others: () => readonly PeerNode[];
  readonly carrier: Pick<RemoteMembers, "carry">;
}

/** What it works with. */
export interface ClusterWatchOptions {
  readonly clock: Pick<Clock, "now" | "wallMs">;
  readonly nodeId: string;
  readonly own: NodeWatch;
  readonly peers: () => WatchPeers | undefined;
}

/** An answer, and when it was asked for. */
interface Fresh {
  readonly atMs: number;
  readonly figures: Promise<ClusterFigures>;
}

/** Asks all nodes. */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  /** Answers that are fresh, by question. */
  readonly #answers = new Map<string, Fresh>();

  constructor(options: ClusterWatchOptions) {
    this.#options = options;
  }

  /** Who asks again should wait so long, ms. */
  get paceMs(): number {
    return this.#options.own.paceMs;
  }

  look(question: WatchQuestion): Promise<ClusterFigures> {
    const now = this.#options.clock.now();
    for (const [key, { atMs }] of this.#answers) {
      if (now - atMs >= FRESH_FOR_MS) this.#answers.delete(key);
    }
    const key = JSON.stringify(question);
    const known = this.#answers.get(key);
    if (known !== undefined) return known.figures;
    const figures = this.#lookNow(question);
    this.#answers.set(key, { atMs: now, figures });
    // What failed is not said again.
    figures.catch(() => this.#answers.delete(key));
    return figures;
  }

  /** Answers another node; `undefined` if it asks for something else. */
  async answerCall({ name, bytes }: CarriedCall): Promise<CarriedReply | undefined> {
    if (name !== CALL || bytes.length > MAX_QUESTION) return undefined;
    const question = readQuestion(parsed(new TextDecoder().decode(bytes)));
    if (question === undefined) return undefined;
    const answer = await this.#options.own.answer(question);
    return { ok: true, bytes: new TextEncoder().encode(JSON.stringify(answer)) };
  }

  async #lookNow(question: WatchQuestion): Promise<ClusterFigures> {
    const { nodeId, own, peers: peersOf, clock } = this.#options;
    const peers = peersOf();
    const others = peers?.others() ?? [];
    const bytes = new TextEncoder().encode(JSON.stringify(question));
    const [first, ...answers] = await Promise.all([
      own.answer(question),
      ...others.map(({ nodeId: node }) => ask(peers!.carrier, node, bytes)),
    ]);
    const all = new Map<string, NodeAnswer>([[nodeId, first]]);
    const nodes: Record<string, NodeFigures> = { [nodeId]: first.node };
    for (const [index, peer] of others.entries()) {
      const answer = answers[index];
      nodes[peer.nodeId] = answer?.node ?? silent(peer);
      if (answer !== undefined) all.set(peer.nodeId, answer);
    }
    return { atMs: clock.wallMs(), self: nodeId, nodes, ...merged([...all.values()]) };
  }
}

/**
 * What somebody wants to see, out of JSON.
 *
 * @returns `undefined` for what is no question.
 */
export function readQuestion(value: unknown): WatchQuestion | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const question: Record<string, string> = {};
  for (const name of ["room", "participant", "findRoom", "findParticipant"] as const) {
    const text = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    if (text === undefined || text === "") continue;
    if (typeof text !== "string" || text.length > MAX_TEXT) return undefined;
    question[name] = text;
  }
  return question;
}

/** JSON; `undefined` if it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function ask(
  carrier: WatchPeers["carrier"],
  node: NodeId,
  bytes: Uint8Array,
): Promise<NodeAnswer | undefined> {
  const reply = await carrier.carry(node, { name: CALL, bytes, hops: 1 }, ANSWER_MS);
  if (reply?.ok !== true) return undefined;
  // Another node's word is trusted as far as its shape goes: both are of this program.
  const answer = parsed(new TextDecoder().decode(reply.bytes)) as Partial<NodeAnswer> | undefined;
  const isAnswer = typeof answer?.node === "object" && typeof answer.rooms === "object" &&
    typeof answer.roomCount === "number";
  return isAnswer ? answer as NodeAnswer : undefined;
}

function silent({ region, load, startedAtMs }: PeerNode): NodeFigures {
  const { cpu, participants, rooms, tracks } = load;
  return { region, state: "silent", startedAtMs, cpu, participants, rooms, tracks };
}

function merged(answers: readonly NodeAnswer[]) {
  const rooms = new Map<string, RoomFigures>();
  for (const answer of answers) {
    for (const [sid, part] of Object.entries(answer.rooms)) {
      const known = rooms.get(sid);
      rooms.set(sid, known === undefined ? part : mergedRoom(known, part));
    }
  }
  const largest = [...rooms].sort(([, a], [, b]) => b.participants - a.participants);
  const serving = answers.filter(({ participants }) => participants !== undefined);
  const receiving = answers.find(({ received }) => received !== undefined);
  return {
    rooms: Object.fromEntries(largest.slice(0, MOST_SHOWN)),
    // Rooms on several nodes are counted once as far as they are told of.
    roomCount: answers.reduce(
      (sum, answer) => sum + answer.roomCount - Object.keys(answer.rooms).length,
      rooms.size,
    ),
    ...(serving.length === 0 ? {} : {
      participants: Object.fromEntries(
        serving.flatMap(({ participants = {} }) => Object.entries(participants))
          .slice(0, MOST_SHOWN),
      ),
      participantCount: serving.reduce((sum, answer) => sum + (answer.participantCount ?? 0), 0),
    }),
    ...(receiving === undefined ? {} : { received: receiving.received! }),
  };
}

function mergedRoom(a: RoomFigures, b: RoomFigures): RoomFigures {
  const inBps = sumOf(a.inBps, b.inBps);
  const outBps = sumOf(a.outBps, b.outBps);
  const quality = worse(a.quality, b.quality);
  return {
    name: a.name,
    createdAtMs: Math.min(a.createdAtMs, b.createdAtMs),
    isLocked: a.isLocked || b.isLocked,
    isRecorded: a.isRecorded || b.isRecorded,
    participants: a.participants + b.participants,
    publishers: a.publishers + b.publishers,
    tracks: a.tracks + b.tracks,
    subscriptions: a.subscriptions + b.subscriptions,
    ...(inBps === undefined ? {} : { inBps }),
    ...(outBps === undefined ? {} : { outBps }),
    ...(quality === undefined ? {} : { quality }),
    nodes: { ...a.nodes, ...b.nodes },
  };
}
