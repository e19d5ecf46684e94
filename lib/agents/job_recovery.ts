/**
 * What keeps every dispatch at one job for each cause, whoever dies: jobs whose worker is gone are
 * done by somebody else, jobs whose keeper is gone are kept by another node, and what nobody knows
 * any more is launched anew.
 *
 * Contract: a job is launched again only if its agent is not in the room, its dispatch and its
 * cause are still there, and its dispatch does not say never. For a room's own jobs the **lead** is
 * responsible, the smallest id of the live nodes that serve the room, which asks the others first
 * what they keep.
 *
 * @module
 */
import { Job, JobRestartPolicy, JobStatus, JobType } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { Cancel } from "../base/platform.ts";
import type { Adoption, AgentPeers } from "./agent_peers.ts";
import type { JobHolder } from "./agent_pool.ts";
import type { AgentDispatcher } from "./agent_dispatcher.ts";
import {
  causeOf,
  currentJobs,
  isEnded,
  list,
  type OpenRoom,
  type RunningJob,
} from "./room_jobs.ts";
import { describeError } from "../room/context/close_reason.ts";

/** An agent whose worker is gone is looked for after this, ms: it may be on its way. */
const LOOK_AFTER_MS = 2_000;
/** The same where its node is dead, which was waited for: others have heard of that as well, ms. */
const LOOK_AFTER_DEATH_MS = 100;
/**
 * A room is looked at so long after a node died, when all others have noticed and jobs have found
 * other keepers, ms.
 */
const AUDIT_AFTER_MS = 1_200;
/** Nodes come apart by as much, ms. */
const AUDIT_SPREAD_MS = 300;
/** Times that somebody is looked for who does a job again, or that a room is looked at. */
const ATTEMPTS = 6;
/** Links are up again so long after a node is back, ms. */
const COMPARE_AFTER_MS = 3_000;
const WORKER_GONE = "agent worker is gone";

/** Jobs of this node's rooms when workers or nodes are gone. */
export class JobRecovery {
  readonly #timers = new Set<Cancel>();
  #isClosed = false;

  constructor(readonly dispatcher: AgentDispatcher, readonly peers: AgentPeers) {}

  /** A job's worker is gone. */
  lost(room: OpenRoom, running: RunningJob, afterMs = LOOK_AFTER_MS): void {
    if (running.lostAt !== undefined) return;
    running.lostAt = this.dispatcher.platform.clock.now();
    this.#lookLater(room, running, afterMs);
  }

  /** A node is dead. */
  gone(node: NodeId): void {
    for (const room of this.dispatcher.all()) {
      for (const running of room.running.values()) {
        if (running.node === node) this.lost(room, running, LOOK_AFTER_DEATH_MS);
      }
      const others = this.peers.sharing(room.name).filter((peer) => this.peers.isLive(peer));
      if (this.#isLead([...others, this.peers.self])) {
        this.#auditLater(room, ATTEMPTS);
      }
    }
  }

  /** A room is served here that was there before. Whoever else serves it keeps its jobs. */
  arrived(room: OpenRoom): void {
    this.#after(AUDIT_AFTER_MS, () => {
      if (this.peers.sharing(room.name).length === 0) this.#audit(room, ATTEMPTS);
    });
  }

  /** Others may have taken this node for dead: what they do by now is not done here as well. */
  forgotten(): void {
    for (const room of this.dispatcher.all()) {
      this.#after(COMPARE_AFTER_MS, () => this.#compare(room, ATTEMPTS));
    }
  }

  /** A job looks for a keeper. @param node Whose worker has it; absent: this one's. */
  async adopt(job: Job, holder: JobHolder, node?: NodeId): Promise<Adoption> {
    const { name = "", sid = "" } = job.room ?? {};
    const room = this.dispatcher.get(name);
    if (room?.sid !== sid) return "away";
    const others = await this.#keptBy(room, this.peers.sharing(name));
    if (this.dispatcher.get(name) !== room) return "away";
    const dispatch = room.dispatches.get(job.dispatchId);
    const cause = causeOf(job);
    const isTaken = [...currentJobs(room), ...others.filter(isCurrent)].some((other) =>
      causeOf(other) === cause
    );
    if (dispatch === undefined || isTaken || room.done.has(cause)) return "refused";
    const { participants = [] } = this.dispatcher.rooms.contents(name) ?? {};
    const hasCause = job.type === JobType.JT_ROOM ||
      participants.some((one) => one.sid === job.participant?.sid);
    if (!hasCause) return "refused";
    room.running.set(job.id, { job, holder, node });
    list(dispatch, job);
    return "kept";
  }

  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  #lookLater(room: OpenRoom, running: RunningJob, afterMs = LOOK_AFTER_MS): void {
    this.#after(afterMs, () => {
      const { job } = running;
      const isOver = this.dispatcher.get(room.name) !== room || !room.running.has(job.id);
      if (isOver) return;
      const { participants = [] } = this.dispatcher.rooms.contents(room.name) ?? {};
      const agent = job.state?.participantIdentity ?? "";
      const isThere = participants.some(({ identity }) => identity === agent);
      if (isThere) return this.#lookLater(room, running);
      this.dispatcher.fail(room, running, WORKER_GONE);
      const policy = room.dispatches.get(job.dispatchId)?.restartPolicy;
      if (policy !== JobRestartPolicy.JRP_NEVER) this.#relaunch(room, job, ATTEMPTS);
    });
  }

  #relaunch(room: OpenRoom, job: Job, attempts: number): void {
    const { platform } = this.dispatcher;
    const isTaken = currentJobs(room).some((other) => causeOf(other) === causeOf(job));
    if (this.#isClosed || isTaken) return;
    platform.log.info("agent job launched again", { job: job.id, room: room.name });
    this.dispatcher.relaunch(room, job).then((isDone) => {
      if (isDone || attempts <= 1) return;
      this.#after(LOOK_AFTER_MS, () => {
        if (this.dispatcher.get(room.name) === room) this.#relaunch(room, job, attempts - 1);
      });
    }).catch((error) =>
      platform.log.error("agent job failed", { job: job.id, error: describeError(error) })
    );
  }

  #auditLater(room: OpenRoom, attempts: number): void {
    const spread = this.dispatcher.platform.random.uint32() % AUDIT_SPREAD_MS;
    this.#after(AUDIT_AFTER_MS + spread, () => this.#audit(room, attempts));
  }

  #audit(room: OpenRoom, attempts: number): void {
    if (this.dispatcher.get(room.name) !== room) return;
    this.#launchMissing(room).catch(() => {
      // The directory is away.
      if (attempts > 1) this.#auditLater(room, attempts - 1);
    });
  }

  /** Launches the room's jobs that no node knows of. Rejects if nobody can tell who serves it. */
  async #launchMissing(room: OpenRoom): Promise<void> {
    const { self } = this.peers;
    const serving = await this.peers.serving(room.name, room.sid);
    const live = serving?.filter((node) => node === self || this.peers.isLive(node)) ?? [];
    if (!this.#isLead(live)) return;
    const others = await this.#keptBy(room, live.filter((node) => node !== self));
    if (this.dispatcher.get(room.name) !== room || this.#isClosed) return;
    const here = [...room.dispatches.values()].flatMap(({ state }) => state?.jobs ?? []);
    const known = new Set(
      [...others, ...here, ...currentJobs(room)]
        .filter(({ state }) => state?.error !== WORKER_GONE).map(causeOf),
    );
    for (const dispatch of room.dispatches.values()) {
      const { agentName, deployment, id: dispatchId, restartPolicy } = dispatch;
      if (restartPolicy === JobRestartPolicy.JRP_NEVER) continue;
      const audience = { jobType: JobType.JT_ROOM, agentName, deployment };
      for (const namespace of this.dispatcher.market.namespaces(audience)) {
        const job = new Job({ type: JobType.JT_ROOM, dispatchId, namespace });
        if (known.has(causeOf(job)) || room.done.has(causeOf(job))) continue;
        this.#relaunch(room, job, ATTEMPTS);
      }
    }
  }

  #compare(room: OpenRoom, attempts: number): void {
    if (this.dispatcher.get(room.name) !== room || attempts === 0) return;
    this.#yield(room).catch((error) =>
      this.dispatcher.platform.log.error("agent jobs were not compared", {
        error: describeError(error),
      })
    );
    this.#after(COMPARE_AFTER_MS, () => this.#compare(room, attempts - 1));
  }

  /** Gives up jobs that others keep, or do themselves. */
  async #yield(room: OpenRoom): Promise<void> {
    const others = (await this.#keptBy(room, this.peers.sharing(room.name))).filter(isCurrent);
    for (const { job, holder } of [...room.running.values()]) {
      const other = others.find((one) => causeOf(one) === causeOf(job));
      if (other === undefined) continue;
      room.running.delete(job.id);
      if (other.id !== job.id) holder.terminate(job.id);
    }
  }

  #isLead(nodes: readonly NodeId[]): boolean {
    return nodes.toSorted()[0] === this.peers.self;
  }

  async #keptBy({ name, sid }: OpenRoom, nodes: readonly NodeId[]): Promise<Job[]> {
    const live = nodes.filter((node) => this.peers.isLive(node));
    const lists = await Promise.all(live.map((node) => this.peers.list(node, name, sid)));
    return lists.flat();
  }

  #after(ms: number, then: () => void): void {
    if (this.#isClosed) return;
    const cancel = this.dispatcher.platform.timers.after(ms, () => {
      this.#timers.delete(cancel);
      then();
    });
    this.#timers.add(cancel);
  }
}

function isCurrent({ state }: Job): boolean {
  return !isEnded(state?.status ?? JobStatus.JS_PENDING);
}
