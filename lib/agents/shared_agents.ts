/**
 * Agents of a node that is one among others: what other nodes ask, and who answers it here.
 *
 * @module
 */
import type { Job } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { AgentDispatcher, SharedAgents } from "./agent_dispatcher.ts";
import type { Adoption, AgentAnswers, AgentNews, AgentPeers, JobReport } from "./agent_peers.ts";
import type { AgentWorker, JobOffer } from "./agent_pool.ts";
import { HeldJobs } from "./held_jobs.ts";
import { JobRecovery } from "./job_recovery.ts";
import type { OpenRoom, RunningJob } from "./room_jobs.ts";

/** One node's agents among those of others. */
export class SharedAgentJobs implements SharedAgents, AgentAnswers {
  readonly held: HeldJobs;
  readonly #recovery: JobRecovery;

  constructor(readonly dispatcher: AgentDispatcher, readonly peers: AgentPeers) {
    const { platform, market } = dispatcher;
    market.peers = peers;
    const recovery = this.#recovery = new JobRecovery(dispatcher, peers);
    this.held = new HeldJobs(platform, market.pool, peers, {
      adopt: (job, worker) => recovery.adopt(job, worker),
      lost: (job) => {
        const room = dispatcher.get(job.room?.name ?? "");
        const running = room?.running.get(job.id);
        if (room !== undefined && running !== undefined) recovery.lost(room, running);
      },
    });
    dispatcher.share(this);
  }

  lost(room: OpenRoom, running: RunningJob): void {
    this.#recovery.lost(room, running);
  }

  release(job: Job, worker: AgentWorker): void {
    this.held.release(job, worker);
  }

  arrived(room: OpenRoom): void {
    this.#recovery.arrived(room);
  }

  offered(keeper: NodeId, job: Job): Promise<JobOffer> {
    return this.held.offer(keeper, job);
  }

  ended(jobId: string): void {
    this.held.end(jobId);
  }

  reported(holder: NodeId, reports: readonly JobReport[]): readonly string[] {
    return reports.filter((report) => !this.#knows(holder, report)).map(({ jobId }) => jobId);
  }

  adopted(holder: NodeId, job: Job): Promise<Adoption> {
    const { peers } = this;
    return this.#recovery.adopt(job, { terminate: (id) => peers.end(holder, id) }, holder);
  }

  listed(name: string, sid: string): readonly Job[] {
    const room = this.dispatcher.get(name);
    if (room?.sid !== sid) return [];
    const listed = [...room.dispatches.values()].flatMap(({ state }) => state?.jobs ?? []);
    return [...listed, ...room.offered.values()];
  }

  told(news: AgentNews): void {
    this.dispatcher.told(news);
  }

  gone(node: NodeId): void {
    this.dispatcher.market.forget(node);
    this.held.gone(node);
    this.#recovery.gone(node);
  }

  forgotten(): void {
    this.#recovery.forgotten();
  }

  close(): void {
    this.#recovery.close();
    this.held.close();
  }

  #knows(holder: NodeId, { room: name, jobId, status, error, isLost }: JobReport): boolean {
    const room = this.dispatcher.get(name);
    if (room === undefined) return false;
    if (room.offered.has(jobId)) return true;
    const running = room.running.get(jobId);
    if (running?.node !== holder) return false;
    if (isLost) this.#recovery.lost(room, running);
    else if (status !== running.job.state?.status || error !== running.job.state.error) {
      this.dispatcher.updated(room, running, status, error);
    }
    return true;
  }
}
