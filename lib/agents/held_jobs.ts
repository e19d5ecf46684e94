/**
 * Jobs that workers of this node have for rooms of others: their keepers are told how they are,
 * and a job that has lost its keeper finds another one, or ends.
 *
 * Contract: a job is here from the moment its worker took it until its keeper has heard that it is
 * over, or nobody keeps it. Every job of another node is told of again at least every
 * {@linkcode REPORT_MS}, so that a message that was lost is made up for.
 *
 * @module
 */
import { type Job, JobStatus } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { Adoption, AgentPeers } from "./agent_peers.ts";
import type { AgentPool, AgentWorker, JobOffer } from "./agent_pool.ts";
import { isEnded } from "./room_jobs.ts";

/** Keepers hear of their jobs as often as this, ms. */
const REPORT_MS = 2_000;
/** A room that nobody serves has so long to be served again before its jobs end, ms. */
const HOMELESS_MS = 10_000;
/** Offers that are called off before they are answered. */
const MAX_CALLED_OFF = 10_000;

interface HeldJob {
  readonly job: Job;
  readonly worker: AgentWorker;
  /** Absent while one is looked for. */
  keeper: NodeId | undefined;
  isSeeking: boolean;
  /** Since when nobody serves its room, monotonic ms. */
  homelessAt: number | undefined;
  isLost: boolean;
}

/** The dispatcher of this node, which may become the keeper of a job. */
export interface LocalKeeper {
  adopt(job: Job, worker: AgentWorker): Promise<Adoption>;
  /** The worker of a job that was adopted is gone. */
  lost(job: Job): void;
}

/** Jobs of workers here whose keepers are elsewhere. */
export class HeldJobs {
  readonly #held = new Map<string, HeldJob>();
  readonly #offered = new Set<string>();
  readonly #calledOff = new Set<string>();
  #cancel: Cancel | undefined;
  #isClosed = false;

  constructor(
    readonly platform: Pick<Platform, "clock" | "timers">,
    readonly pool: AgentPool,
    readonly peers: AgentPeers,
    readonly local: LocalKeeper,
  ) {}

  /** Offers a job of another node to workers here. */
  async offer(keeper: NodeId, job: Job): Promise<JobOffer> {
    if (this.peers.isDraining || this.#offered.has(job.id) || this.#held.has(job.id)) {
      return { outcome: "declined" };
    }
    this.#offered.add(job.id);
    const taken = await this.pool.assign(job);
    this.#offered.delete(job.id);
    const isCalledOff = this.#calledOff.delete(job.id);
    if (taken.outcome !== "taken") return { outcome: taken.outcome };
    const { worker, state } = taken;
    if (isCalledOff || this.#isClosed) {
      worker.terminate(job.id);
      return { outcome: "declined" };
    }
    job.state = state;
    if (!isEnded(state.status)) this.#add(job, worker, keeper);
    return { outcome: "taken", state };
  }

  /** A job of this node's own, whose room is not served here any more. */
  release(job: Job, worker: AgentWorker): void {
    if (this.#isClosed) return;
    this.#seek(this.#add(job, worker, undefined));
  }

  /** The keeper wants it ended. */
  end(jobId: string): void {
    if (this.#offered.has(jobId) && this.#calledOff.size < MAX_CALLED_OFF) {
      this.#calledOff.add(jobId);
    }
    const held = this.#held.get(jobId);
    if (held !== undefined) this.#terminate(held);
  }

  /** @returns Whether the job is one of these. */
  updated(worker: AgentWorker, jobId: string, status: JobStatus, error: string): boolean {
    const held = this.#held.get(jobId);
    if (held?.worker !== worker) return false;
    const { state } = held.job;
    if (state === undefined || isEnded(state.status)) return true;
    state.status = status;
    state.error = error;
    this.#report();
    return true;
  }

  workerGone(worker: AgentWorker): void {
    let isAny = false;
    for (const held of this.#held.values()) {
      if (held.worker !== worker) continue;
      held.isLost = isAny = true;
    }
    if (isAny) this.#report();
  }

  /** A keeper is dead. */
  gone(node: NodeId): void {
    for (const held of [...this.#held.values()]) {
      if (held.keeper === node) this.#orphan(held);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#held.clear();
  }

  #add(job: Job, worker: AgentWorker, keeper: NodeId | undefined): HeldJob {
    const isLost = false;
    const held = { job, worker, keeper, isLost, isSeeking: false, homelessAt: undefined };
    this.#held.set(job.id, held);
    this.#reportLater();
    return held;
  }

  #reportLater(): void {
    if (this.#isClosed || this.#held.size === 0) return;
    this.#cancel ??= this.platform.timers.after(REPORT_MS, () => this.#report());
  }

  #report(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const byKeeper = Map.groupBy(this.#held.values(), ({ keeper }) => keeper);
    for (const [keeper, jobs] of byKeeper) {
      if (keeper === undefined) jobs.forEach((held) => this.#seek(held));
      else void this.#reportTo(keeper, jobs);
    }
    this.#reportLater();
  }

  async #reportTo(keeper: NodeId, jobs: readonly HeldJob[]): Promise<void> {
    const reports = jobs.map(({ job, isLost }) => ({
      jobId: job.id,
      room: job.room?.name ?? "",
      status: job.state?.status ?? JobStatus.JS_RUNNING,
      error: job.state?.error ?? "",
      isLost,
    }));
    try {
      const unknown = new Set(await this.peers.report(keeper, reports));
      for (const [index, held] of jobs.entries()) {
        const { jobId, status, isLost } = reports[index]!;
        if (this.#held.get(jobId) !== held || held.keeper !== keeper) continue;
        if (isLost || isEnded(status)) this.#held.delete(jobId);
        else if (unknown.has(jobId)) this.#orphan(held);
      }
    } catch {
      // It is told again; if it is dead, that is told here.
    }
  }

  #orphan(held: HeldJob): void {
    held.keeper = undefined;
    this.#seek(held);
  }

  #seek(held: HeldJob): void {
    if (held.isSeeking) return;
    const { isLost, job } = held;
    if (isLost || isEnded(job.state?.status ?? JobStatus.JS_RUNNING)) {
      this.#held.delete(job.id);
      return;
    }
    held.isSeeking = true;
    this.#findKeeper(held).catch(() => {}).finally(() => {
      held.isSeeking = false;
      this.#reportLater();
    });
  }

  async #findKeeper(held: HeldJob): Promise<void> {
    const { job, worker } = held;
    const { name = "", sid = "" } = job.room ?? {};
    const serving = await this.peers.serving(name, sid);
    if (serving === undefined) return this.#terminate(held);
    const { self } = this.peers;
    const [lead] = serving.filter((node) => node === self || this.peers.isLive(node)).toSorted();
    const adoption = lead === undefined
      ? "away"
      : lead === self
      ? await this.local.adopt(job, worker)
      : await this.peers.adopt(lead, job);
    if (this.#held.get(job.id) !== held) return;
    if (adoption === "refused") return this.#terminate(held);
    if (adoption === "away") return this.#wait(held);
    held.homelessAt = undefined;
    if (lead !== self) {
      held.keeper = lead;
      return;
    }
    this.#held.delete(job.id);
    if (held.isLost) this.local.lost(job);
  }

  #wait(held: HeldJob): void {
    const now = this.platform.clock.now();
    held.homelessAt ??= now;
    if (now - held.homelessAt >= HOMELESS_MS) this.#terminate(held);
  }

  #terminate(held: HeldJob): void {
    this.#held.delete(held.job.id);
    held.worker.terminate(held.job.id);
  }
}
