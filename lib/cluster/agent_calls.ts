/**
 * Agents of several nodes by calls between them: where workers are, offers, reports, and jobs that
 * look for a keeper.
 *
 * @module
 */
import { type AgentDispatch, Job, JobState, JobStatus } from "@livekit/protocol";
import type {
  Adoption,
  AgentAnswers,
  AgentNews,
  AgentPeers,
  JobReport,
  PeerOffer,
} from "../agents/agent_peers.ts";
import type { JobOffer } from "../agents/agent_pool.ts";
import type { NodeId } from "../base/ids.ts";
import type { PackedValue } from "../wire/message_pack.ts";
import type { ClusterDirectory, NodeRecord } from "./directory/cluster_directory.ts";
import type { NodeLinks } from "./link/link_ports.ts";
import { countOf, listOf, messageOf, textOf, tupleOf } from "./link/packed_fields.ts";

/** A worker has ten seconds to answer, and one that declines is followed by others, ms. */
const OFFER_MS = 20_000;
const ANSWER_MS = 3_000;
const MAX_JOB = 4 * 1024 * 1024;
const MAX_JOBS = 10_000;
const MAX_TEXT = 65_536;

const METHOD = {
  offer: "agents.offer",
  end: "agents.end",
  report: "agents.report",
  adopt: "agents.adopt",
  list: "agents.list",
  tell: "agents.tell",
} as const;

/** What is known of other nodes. */
export interface AgentCallsOptions {
  readonly self: NodeId;
  readonly links: Pick<NodeLinks, "call" | "serve">;
  readonly directory: Pick<ClusterDirectory, "find">;
  /** Live nodes but this one. */
  readonly others: () => readonly NodeRecord[];
  readonly isDraining: () => boolean;
  /** Others that share a room of this node. */
  readonly sharing: (room: string) => readonly NodeId[];
  readonly dispatches: (room: string) => readonly AgentDispatch[] | undefined;
}

/** The other nodes' agents, as this node asks for them. */
export class AgentCalls implements AgentPeers {
  constructor(readonly options: AgentCallsOptions) {}

  get self(): NodeId {
    return this.options.self;
  }

  get isDraining(): boolean {
    return this.options.isDraining();
  }

  offers(): readonly PeerOffer[] {
    return this.options.others().flatMap(({ nodeId, state, agents }) =>
      state === "serving" ? agents.map((offer) => ({ ...offer, node: nodeId })) : []
    );
  }

  isLive(node: NodeId): boolean {
    return this.options.others().some(({ nodeId }) => nodeId === node);
  }

  sharing(room: string): readonly NodeId[] {
    return this.options.sharing(room);
  }

  dispatches(room: string): readonly AgentDispatch[] | undefined {
    return this.options.dispatches(room);
  }

  async serving(room: string, sid: string): Promise<readonly NodeId[] | undefined> {
    const listing = await this.options.directory.find(room);
    return listing?.record.sid === sid ? listing.nodes : undefined;
  }

  async offer(node: NodeId, job: Job): Promise<JobOffer> {
    const offer = readOffer(await this.#call(node, METHOD.offer, job.toBinary(), OFFER_MS));
    if (offer === undefined) throw new Error("another node's answer to an offer makes no sense");
    return offer;
  }

  end(node: NodeId, jobId: string): void {
    // What is not told is found out when the job is reported.
    this.#call(node, METHOD.end, jobId).catch(() => {});
  }

  async report(node: NodeId, reports: readonly JobReport[]): Promise<readonly string[]> {
    const answer = await this.#call(node, METHOD.report, reports.map(packReport));
    const unknown = listOf(answer, MAX_JOBS, (id) => textOf(id, MAX_TEXT));
    if (unknown === undefined) throw new Error("another node's answer to a report makes no sense");
    return unknown;
  }

  async adopt(node: NodeId, job: Job): Promise<Adoption> {
    const answer = await this.#call(node, METHOD.adopt, job.toBinary(), 2 * ANSWER_MS);
    return answer === "kept" || answer === "refused" ? answer : "away";
  }

  async list(node: NodeId, room: string, sid: string): Promise<readonly Job[]> {
    const answer = await this.#call(node, METHOD.list, [room, sid]).catch(() => null);
    return listOf(answer, MAX_JOBS, (bytes) => messageOf(bytes, Job, MAX_JOB)) ?? [];
  }

  tell(node: NodeId, news: AgentNews): void {
    this.#call(node, METHOD.tell, packNews(news)).catch(() => {});
  }

  /** Answers what other nodes ask; what makes no sense is answered with nothing. */
  serve(answers: AgentAnswers): void {
    const { links } = this.options;
    links.serve(METHOD.offer, async (peer, payload) => {
      const job = messageOf(payload, Job, MAX_JOB);
      return job === undefined ? null : packOffer(await answers.offered(peer, job));
    });
    links.serve(METHOD.end, (_peer, payload) => {
      const jobId = textOf(payload, MAX_TEXT);
      if (jobId !== undefined) answers.ended(jobId);
      return null;
    });
    links.serve(METHOD.report, (peer, payload) => {
      const reports = listOf(payload, MAX_JOBS, readReport);
      return reports === undefined ? null : [...answers.reported(peer, reports)];
    });
    links.serve(METHOD.adopt, async (peer, payload) => {
      const job = messageOf(payload, Job, MAX_JOB);
      // Whoever keeps a job knows how it is.
      return job?.state === undefined ? null : await answers.adopted(peer, job);
    });
    links.serve(METHOD.list, (_peer, payload) => {
      const [room, sid] = tupleOf(payload, 2)?.map((value) => textOf(value, MAX_TEXT)) ?? [];
      if (room === undefined || sid === undefined) return null;
      return answers.listed(room, sid).slice(-MAX_JOBS).map((job) => job.toBinary());
    });
    links.serve(METHOD.tell, (_peer, payload) => {
      const news = readNews(payload);
      if (news !== undefined) answers.told(news);
      return null;
    });
  }

  async #call(
    node: NodeId,
    method: string,
    payload: PackedValue,
    withinMs = ANSWER_MS,
  ): Promise<PackedValue> {
    const address = this.options.others().find(({ nodeId }) => nodeId === node)?.link;
    const options = { withinMs, ...(address === undefined ? {} : { address }) };
    return await this.options.links.call(node, method, payload, options);
  }
}

function packOffer(offer: JobOffer): PackedValue {
  return offer.outcome === "taken" ? offer.state.toBinary() : offer.outcome;
}

/** What came of an offer; `undefined` if that cannot be told. */
function readOffer(value: PackedValue): JobOffer | undefined {
  if (value === "declined" || value === "timeout") return { outcome: value };
  const state = messageOf(value, JobState, MAX_JOB);
  return state && { outcome: "taken", state };
}

function packReport({ room, jobId, status, error, isLost }: JobReport): PackedValue {
  return [room, jobId, status, error.slice(0, MAX_TEXT), isLost];
}

function readReport(value: PackedValue): JobReport | undefined {
  const packed = tupleOf(value, 5);
  const room = textOf(packed?.[0], MAX_TEXT);
  const jobId = textOf(packed?.[1], MAX_TEXT);
  const status = countOf(packed?.[2], 0xff);
  const error = textOf(packed?.[3], MAX_TEXT);
  const isLost = packed?.[4];
  if (
    room === undefined || jobId === undefined || error === undefined || status === undefined ||
    JobStatus[status] === undefined || typeof isLost !== "boolean"
  ) return undefined;
  return { room, jobId, status, error, isLost };
}

function packNews({ kind, room, sid, subject, namespace }: AgentNews): PackedValue {
  return [kind, room, sid, subject, namespace];
}

function readNews(value: PackedValue): AgentNews | undefined {
  const packed = tupleOf(value, 5)?.slice(0, 5).map((text) => textOf(text, MAX_TEXT));
  const [kind, room, sid, subject, namespace] = packed ?? [];
  if (kind !== "left" && kind !== "expel" && kind !== "done") return undefined;
  if (room === undefined || sid === undefined || subject === undefined) return undefined;
  return namespace === undefined ? undefined : { kind, room, sid, subject, namespace };
}
