/**
 * What agents on several nodes need of each other: a **keeper**, the node that launched a job and
 * knows what it is for, and a **holder**, the node whose worker has it.
 *
 * Contract: nobody is trusted to hear of everything. A holder tells the keeper of its jobs again
 * and again and hears which of them it knows; a job that no keeper knows finds another one, or
 * ends.
 *
 * @module
 */
import type { AgentDispatch, Job, JobStatus } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { JobOffer, WorkerGroup } from "./agent_pool.ts";

/** Workers of one kind on another node. */
export interface PeerOffer extends WorkerGroup {
  readonly node: NodeId;
}

/** How a job is that a worker of the node has, which says so. */
export interface JobReport {
  readonly room: string;
  readonly jobId: string;
  readonly status: JobStatus;
  readonly error: string;
  /** Its worker is gone. */
  readonly isLost: boolean;
}

/** Something that nodes that share a room tell each other of its agents. */
export interface AgentNews {
  readonly kind: "left" | "expel" | "done";
  readonly room: string;
  readonly sid: string;
  /** Of the agent that left, or that is to leave; of the dispatch whose job is done. */
  readonly subject: string;
  /** Of the job that is done. */
  readonly namespace: string;
}

/** What became of a job that looked for a keeper. */
export type Adoption =
  /** This node is its keeper from now on. */
  | "kept"
  /** It is not wanted any more: what it was for is gone, or somebody else does it. */
  | "refused"
  /** This node does not serve the room. */
  | "away";

/** Other nodes, as agents see them. */
export interface AgentPeers {
  readonly self: NodeId;
  /** Nobody is to be sent here any more. */
  readonly isDraining: boolean;
  /** Workers on nodes that live and take jobs. */
  offers(): readonly PeerOffer[];
  isLive(node: NodeId): boolean;
  /** Others that share a room of this node. */
  sharing(room: string): readonly NodeId[];
  /** Who serves a room; `undefined` if it has ended. Rejects if nobody can tell now. */
  serving(room: string, sid: string): Promise<readonly NodeId[] | undefined>;
  /** Rejects if there is no answer; then the job may have been taken. */
  offer(node: NodeId, job: Job): Promise<JobOffer>;
  /** Ends a job there. */
  end(node: NodeId, jobId: string): void;
  /** @returns Ids of the jobs that `node` knows nothing of. Rejects if there is no answer. */
  report(node: NodeId, reports: readonly JobReport[]): Promise<readonly string[]>;
  /** Rejects if there is no answer. */
  adopt(node: NodeId, job: Job): Promise<Adoption>;
  /** Jobs of a room that `node` keeps; none if it does not answer. */
  list(node: NodeId, room: string, sid: string): Promise<readonly Job[]>;
  tell(node: NodeId, news: AgentNews): void;
  /** The dispatches that a room of this node has; `undefined` without the room. */
  dispatches(room: string): readonly AgentDispatch[] | undefined;
}

/** What other nodes ask this one. */
export interface AgentAnswers {
  offered(keeper: NodeId, job: Job): Promise<JobOffer>;
  ended(jobId: string): void;
  reported(holder: NodeId, reports: readonly JobReport[]): readonly string[];
  adopted(holder: NodeId, job: Job): Promise<Adoption>;
  listed(room: string, sid: string): readonly Job[];
  told(news: AgentNews): void;
  /** A node is dead. */
  gone(node: NodeId): void;
  /** Others may have taken this node for dead. */
  forgotten(): void;
}
