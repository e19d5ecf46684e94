/**
 * Where a job goes: to a worker of this node, or to another node that has workers. Of two nodes
 * that are drawn the freer one is asked first, this one unless the other is clearly freer; one that
 * declines is followed by another.
 *
 * @module
 */
import type { Job, JobState } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { AgentPeers, PeerOffer } from "./agent_peers.ts";
import type { AgentPool, JobAudience, JobHolder, WorkerGroup } from "./agent_pool.ts";

/** What a node has to have more than another to be clearly freer. */
const CLEARLY_FREER = 0.1;
/** What a job is taken to cost a node until it says itself how much it can still take. */
const JOB_COST = 0.05;

/** Who has a job now. */
export interface Taken {
  readonly holder: JobHolder;
  /** Absent: a worker of this node. */
  readonly node?: NodeId;
  readonly state: JobState;
}

/** Workers here and elsewhere. */
export class AgentMarket {
  /** Absent for a node that is alone. */
  peers: AgentPeers | undefined;
  /** Jobs sent to workers of another node since it said what they can take. */
  readonly #sent = new Map<string, { readonly headroom: number; count: number }>();

  constructor(readonly pool: AgentPool) {}

  /** Namespaces with at least one worker of the audience: each gets a job of its own. */
  namespaces(audience: JobAudience): string[] {
    const here = this.pool.namespaces(audience);
    if (this.peers === undefined) return here;
    const elsewhere = this.peers.offers().filter((offer) => isFor(audience, offer));
    const own = this.peers.isDraining ? [] : here;
    return [...new Set([...own, ...elsewhere.map(({ namespace }) => namespace)])].sort();
  }

  /** Finds a worker for a job; `undefined` if nobody takes it. */
  async assign(job: Job): Promise<Taken | undefined> {
    const { peers } = this;
    if (peers === undefined) return (await this.#assignHere(job)) ?? undefined;
    const asked = new Set<NodeId>();
    for (;;) {
      const choice = this.#choose(peers, job, asked);
      if (choice === undefined) return undefined;
      const { node } = choice;
      asked.add(node);
      if (node === peers.self) {
        const taken = await this.#assignHere(job);
        if (taken === null) return undefined;
        if (taken !== undefined) return taken;
        continue;
      }
      this.#note(choice);
      try {
        const offer = await peers.offer(node, job);
        if (offer.outcome === "timeout") return undefined;
        if (offer.outcome === "declined") continue;
        return { node, state: offer.state, holder: { terminate: (id) => peers.end(node, id) } };
      } catch {
        // It may have taken the job, and hears that it is not wanted there any more.
        peers.end(node, job.id);
      }
    }
  }

  /** `null` if nobody else may be asked. */
  async #assignHere(job: Job): Promise<Taken | null | undefined> {
    const offer = await this.pool.assign(job);
    if (offer.outcome === "taken") return { holder: offer.worker, state: offer.state };
    return offer.outcome === "timeout" ? null : undefined;
  }

  #choose(peers: AgentPeers, job: Job, asked: ReadonlySet<NodeId>): PeerOffer | undefined {
    const audience = { jobType: job.type, agentName: job.agentName, deployment: job.deployment };
    const own = peers.isDraining ? [] : this.pool.groups();
    const here = own.map((group): PeerOffer => ({ ...group, node: peers.self }));
    const candidates = [...here, ...peers.offers().map((offer) => this.#spent(offer))]
      .filter((offer) =>
        isFor(audience, offer) && offer.namespace === job.namespace && offer.headroom > 0 &&
        !asked.has(offer.node)
      );
    const first = this.#draw(candidates);
    const second = this.#draw(candidates.filter((offer) => offer !== first));
    if (first === undefined || second === undefined) return first;
    // This node is one of the two wherever it can take the job at all.
    const local = candidates.find(({ node }) => node === peers.self);
    const [one, other] = local === undefined
      ? [first, second]
      : [local, first === local ? second : first];
    return other.headroom > one.headroom + (local === undefined ? 0 : CLEARLY_FREER) ? other : one;
  }

  #draw<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.pool.random.uint32() % items.length];
  }

  /** An offer without what it has been sent since it was made. */
  #spent(offer: PeerOffer): PeerOffer {
    const sent = this.#sent.get(kindOf(offer));
    if (sent === undefined || sent.headroom !== offer.headroom) return offer;
    const left = Math.max(offer.headroom - sent.count * JOB_COST, Number.MIN_VALUE);
    return { ...offer, headroom: Math.min(offer.headroom, left) };
  }

  #note(choice: PeerOffer): void {
    const key = kindOf(choice);
    const told = this.peers?.offers().find((offer) => kindOf(offer) === key);
    const sent = this.#sent.get(key);
    if (told === undefined) return;
    if (sent?.headroom === told.headroom) sent.count++;
    else this.#sent.set(key, { headroom: told.headroom, count: 1 });
  }

  /** What was sent to a node that is gone counts no more. */
  forget(node: NodeId): void {
    for (const key of [...this.#sent.keys()]) {
      if (JSON.parse(key)[0] === node) this.#sent.delete(key);
    }
  }
}

function kindOf({ node, jobType, agentName, namespace, deployment }: PeerOffer): string {
  return JSON.stringify([node, jobType, agentName, namespace, deployment]);
}

function isFor({ jobType, agentName, deployment }: JobAudience, group: WorkerGroup): boolean {
  return group.jobType === jobType && group.agentName === agentName &&
    group.deployment === deployment;
}
