/**
 * The agent workers of this node, and the choice of one for a job.
 *
 * A worker takes jobs of one type, under one agent name, namespace and deployment. Among those that
 * fit and are available and below the target load, one is drawn at random with weight 1 − load
 * (LiveKit 1.13.5, `pkg/service/agentservice.go`); one that declines or vanishes is not asked again
 * for the same job.
 *
 * @module
 */
import { type Job, type JobState, type JobType, WorkerStatus } from "@livekit/protocol";
import type { Random } from "../base/platform.ts";

/** What becomes of an offer. */
export type JobOffer =
  /** The worker took the job; or it had nothing to do and the job is done already. */
  | { readonly outcome: "taken"; readonly state: JobState }
  /** Ask another worker. */
  | { readonly outcome: "declined" }
  /** No answer in time; asking another could run the job twice. */
  | { readonly outcome: "timeout" };

/** Who has a job, here or on another node. */
export interface JobHolder {
  /** Tells the worker to end a job of its own. */
  terminate(jobId: string): void;
}

/** Who took a job, or why nobody did. */
export type Assigned =
  | { readonly outcome: "taken"; readonly worker: AgentWorker; readonly state: JobState }
  | { readonly outcome: "declined" | "timeout" };

/** Workers of one kind together. */
export interface WorkerGroup extends JobAudience {
  readonly namespace: string;
  /** How much they can still take, 0 to 1. */
  readonly headroom: number;
}

/** One registered worker, whatever it is connected by. */
export interface AgentWorker extends JobHolder {
  readonly id: string;
  readonly jobType: JobType;
  readonly agentName: string;
  readonly namespace: string;
  readonly deployment: string;
  readonly status: WorkerStatus;
  /** 0–1. */
  readonly load: number;
  /** Offers `job`, which the worker may keep. */
  offer(job: Job): Promise<JobOffer>;
}

/** Which workers a job is for. */
export interface JobAudience {
  readonly jobType: JobType;
  readonly agentName: string;
  readonly deployment: string;
}

/**
 * The workers that may be asked. `assign` asks one after the other, each once at most, until one
 * takes the job or none is left.
 */
export class AgentPool {
  readonly #workers = new Set<AgentWorker>();

  /** @param targetLoad Workers at or above this load get no jobs (`agents.target_load`). */
  constructor(readonly random: Random, readonly targetLoad: number) {}

  add(worker: AgentWorker): void {
    this.#workers.add(worker);
  }

  remove(worker: AgentWorker): void {
    this.#workers.delete(worker);
  }

  get size(): number {
    return this.#workers.size;
  }

  /** Namespaces with at least one worker of the audience: each gets a job of its own. */
  namespaces(audience: JobAudience): string[] {
    const fitting = [...this.#workers].filter((worker) => isFor(audience, worker));
    return [...new Set(fitting.map(({ namespace }) => namespace))].sort();
  }

  /** All workers by kind, with what each kind can still take. */
  groups(): WorkerGroup[] {
    const byKind = Map.groupBy(
      this.#workers,
      ({ jobType, agentName, namespace, deployment }) =>
        JSON.stringify([jobType, agentName, namespace, deployment]),
    );
    return Array.from(byKind.values(), (workers) => {
      const { jobType, agentName, namespace, deployment } = workers[0]!;
      const free = workers.reduce(
        (sum, worker) =>
          worker.status === WorkerStatus.WS_AVAILABLE
            ? sum + Math.max(0, this.targetLoad - worker.load)
            : sum,
        0,
      );
      // So that two free workers count for more than one, and any number for less than 1.
      const headroom = free / (free + 1);
      return { jobType, agentName, namespace, deployment, headroom };
    });
  }

  /**
   * Finds a worker for `job` and has it take it.
   *
   * @returns The worker and the job's first state; `declined` if nobody takes it, `timeout` if
   *   somebody may have.
   */
  async assign(job: Job): Promise<Assigned> {
    const asked = new Set<AgentWorker>();
    for (;;) {
      const worker = this.#draw(job, asked);
      if (worker === undefined) return { outcome: "declined" };
      asked.add(worker);
      const offer = await worker.offer(job.clone());
      if (offer.outcome === "taken") return { ...offer, worker };
      if (offer.outcome === "timeout") return { outcome: "timeout" };
    }
  }

  #draw(job: Job, asked: ReadonlySet<AgentWorker>): AgentWorker | undefined {
    const audience = { jobType: job.type, agentName: job.agentName, deployment: job.deployment };
    const candidates = [...this.#workers].filter((worker) =>
      isFor(audience, worker) && worker.namespace === job.namespace && !asked.has(worker) &&
      worker.status === WorkerStatus.WS_AVAILABLE && worker.load < this.targetLoad
    );
    const capacity = candidates.reduce((sum, worker) => sum + 1 - worker.load, 0);
    let point = (this.random.uint32() / 2 ** 32) * capacity;
    return candidates.find((worker) => (point -= 1 - worker.load) < 0) ?? candidates.at(-1);
  }
}

function isFor({ jobType, agentName, deployment }: JobAudience, worker: AgentWorker): boolean {
  return worker.jobType === jobType && worker.agentName === agentName &&
    worker.deployment === deployment;
}
