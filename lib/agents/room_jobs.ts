/**
 * One room's dispatches and jobs as its node keeps them. Pure.
 *
 * @module
 */
import {
  type AgentDispatch,
  type Job,
  JobStatus,
  JobType,
  type ParticipantInfo,
  ParticipantInfo_Kind as Kind,
} from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { JobHolder } from "./agent_pool.ts";

/**
 * Jobs a dispatch lists; in a room that is open for months, those that ended first are forgotten.
 */
export const MAX_LISTED_JOBS = 1_000;

/** A job that a worker has, or had: one whose worker is gone may still have its agent. */
export interface RunningJob {
  readonly job: Job;
  readonly holder: JobHolder;
  /** Whose worker it is; absent: this node's. */
  readonly node?: NodeId | undefined;
  /** When its worker was gone, monotonic ms. */
  lostAt?: number;
}

/** A room that is served here. */
export interface OpenRoom {
  readonly name: string;
  readonly sid: string;
  readonly dispatches: Map<string, AgentDispatch>;
  /** Jobs that a worker has, by id. */
  readonly running: Map<string, RunningJob>;
  /** Jobs that are being offered, by id. */
  readonly offered: Map<string, Job>;
  /** Room jobs that need not be done again, by {@linkcode causeOf}. */
  readonly done: Set<string>;
  /** Sids of the participants that have published. */
  readonly publishers: Set<string>;
}

/** A room without any. */
export function openRoom(name: string, sid: string): OpenRoom {
  return {
    name,
    sid,
    dispatches: new Map(),
    running: new Map(),
    offered: new Map(),
    done: new Set(),
    publishers: new Set(),
  };
}

/** What a job is for; there is to be one at a time for it. */
export function causeOf(
  { type, dispatchId, namespace, participant }: Pick<
    Job,
    "type" | "dispatchId" | "namespace" | "participant"
  >,
): string {
  const sid = type === JobType.JT_ROOM ? "" : participant?.sid ?? "";
  return JSON.stringify([type, dispatchId, namespace, sid]);
}

/** The jobs that are done now, or about to be. */
export function currentJobs({ running, offered }: OpenRoom): Job[] {
  return [...Array.from(running.values(), ({ job }) => job), ...offered.values()];
}

/** Adds a job to a dispatch's list. */
export function list(dispatch: AgentDispatch, job: Job): void {
  const { jobs } = dispatch.state!;
  const oldest = jobs.length < MAX_LISTED_JOBS
    ? -1
    : jobs.findIndex(({ state }) => state !== undefined && isEnded(state.status));
  if (oldest >= 0) jobs.splice(oldest, 1);
  jobs.push(job);
}

export function isEnded(status: JobStatus): boolean {
  return status === JobStatus.JS_SUCCESS || status === JobStatus.JS_FAILED;
}

/** Participants that are there for others cause no jobs. */
export function isDependent({ kind, permission }: ParticipantInfo): boolean {
  return kind === Kind.AGENT || kind === Kind.EGRESS || permission?.agent === true ||
    permission?.recorder === true;
}
