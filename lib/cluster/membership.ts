/**
 * This node among the others: its lease, who else lives, and who is gone.
 *
 * Contract: a node is told of once when it is there, and as gone once when its lease has run out by
 * the directory's clock and it has no link to this one, nor had one for the time of a lease: a node
 * that only cannot reach the directory lives. Nobody is gone because the directory is away: then
 * those who were there last are there still, and whether they are is their links' matter.
 *
 * @module
 */
import type { NodeId } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { ClusterDirectory, NodeRecord } from "./directory/cluster_directory.ts";
import type { ClusterLinks } from "./link/cluster_links.ts";

/** How often a lease is renewed, and who else lives is looked at, ms. */
const HEARTBEAT_MS = 1_000;
/** Heartbeats of nodes that began together come apart by as much, ms. */
const SPREAD_MS = 100;
/** A node without a lease that does not answer for so long cannot be reached, ms. */
const REACH_MS = 1_000;
/** Addresses of nodes that are gone are remembered of so many. */
const MAX_GONE = 1_000;
/**
 * After the directory has lost everything all nodes have told it what they serve within this time,
 * ms: they notice with a heartbeat, and take turns for some seconds.
 */
const RETOLD_MS = 5_000;

/** Whoever has to do with other nodes. */
export interface MembershipObserver {
  /** A node is there, or says something else of itself than before. */
  onNode(node: NodeRecord): void;
  /** Its lease is over. */
  onGone(node: NodeId): void;
  /** The directory had forgotten this node, or is back: what is served here has to be asserted. */
  onForgotten(): void;
  /** Nodes whose parts in rooms this one has to end. */
  onBury(dead: readonly NodeId[]): void;
}

/** What membership works with. */
export interface MembershipOptions {
  readonly platform: Platform;
  readonly directory: ClusterDirectory;
  readonly leaseMs: number;
  readonly links: Pick<ClusterLinks, "facts" | "reach">;
  /** This node as it is now. */
  readonly self: () => NodeRecord;
  readonly observer: MembershipObserver;
}

/** One node's place in the cluster. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #nodes = new Map<NodeId, NodeRecord>();
  /** Nodes without a lease that live all the same, and when their links were up last, ms. */
  readonly #linkedAt = new Map<NodeId, number>();
  /** Where nodes were that are gone. */
  readonly #gone = new Map<NodeId, string>();
  /** Whether a heartbeat was ever answered. */
  #wasKnown = false;
  /** Until when the directory may lack what other nodes serve, ms. */
  #wholeFromMs = -Infinity;
  #cancel: Cancel | undefined;
  #cancelStatus: Cancel | undefined;
  #isBeating = false;
  #beatsAgain = false;
  /** The directory was away since the last heartbeat that it answered. */
  #wasAway = false;
  #isClosed = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /**
   * Takes the lease, and from then on renews it.
   *
   * @returns Resolves when it is taken, or could not be for now; never rejects.
   */
  async start(): Promise<void> {
    const { directory } = this.#options;
    this.#cancelStatus = directory.onStatus((status) => {
      if (status === "down") {
        this.#wasAway = true;
        // It may have lost everything, which the next heartbeat tells.
        this.#wholeFromMs = Infinity;
      } else if (!this.#isClosed) this.beat();
    });
    await this.#beat();
  }

  /** All other nodes that are there. */
  get others(): readonly NodeRecord[] {
    return [...this.#nodes.values()];
  }

  /** A node, this one too; `undefined` if it is not there. */
  get(node: NodeId): NodeRecord | undefined {
    const other = this.#nodes.get(node);
    if (other !== undefined) return other;
    // What this node is now is measured: asked for last.
    const self = this.#options.self();
    return node === self.nodeId ? self : undefined;
  }

  /** Whether the directory knows all rooms there are: it has not just lost everything. */
  get isDirectoryWhole(): boolean {
    return this.#options.platform.clock.now() >= this.#wholeFromMs;
  }

  /** Whether a node without a lease lives all the same. */
  async reaches(node: NodeId): Promise<boolean> {
    const { links } = this.#options;
    if (links.facts(node)?.isUp) return true;
    const address = this.#nodes.get(node)?.link ?? this.#gone.get(node);
    return address !== undefined && await links.reach(node, address, REACH_MS);
  }

  /** Says at once what this node is now; after a change that others should know of soon. */
  beat(): void {
    if (this.#isBeating) this.#beatsAgain = true;
    else void this.#beat();
  }

  /** Ends the lease. Never rejects; idempotent. */
  async end(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancelStatus?.();
    await this.#options.directory.withdraw(this.#options.self().nodeId).catch(() => {});
  }

  /** One heartbeat and one look; never rejects. */
  async #beat(): Promise<void> {
    const { directory, self, observer } = this.#options;
    this.#cancel?.();
    this.#isBeating = true;
    this.#beatsAgain = false;
    try {
      const { known, isNew, bury } = await directory.heartbeat(self());
      const now = this.#options.platform.clock.now();
      if (isNew && this.#wasKnown) this.#wholeFromMs = now + RETOLD_MS;
      else if (this.#wholeFromMs === Infinity) this.#wholeFromMs = now;
      this.#wasKnown = true;
      // Also who was away for less than a lease has let people in whom it does not know.
      const isUnsure = !known || this.#wasAway;
      this.#wasAway = directory.status === "down";
      if (isUnsure && !this.#isClosed) observer.onForgotten();
      const nodes = await directory.nodes();
      if (!this.#isClosed) this.#look(nodes);
      if (bury.length > 0 && !this.#isClosed) observer.onBury(bury);
    } catch {
      // The directory is away, which it says itself, or it hit a bug, which it counts: who was
      // there is there.
    }
    this.#isBeating = false;
    this.#beatLater();
  }

  #beatLater(): void {
    if (this.#isClosed) return;
    const { timers, random } = this.#options.platform;
    const spread = random.uint32() % SPREAD_MS;
    const delay = this.#beatsAgain ? 0 : HEARTBEAT_MS - spread;
    this.#cancel = timers.after(delay, () => void this.#beat());
  }

  #look(nodes: readonly NodeRecord[]): void {
    const { observer, self } = this.#options;
    const own = self().nodeId;
    const there = new Set(nodes.map(({ nodeId }) => nodeId));
    for (const node of [...this.#nodes.keys()]) {
      if (there.has(node)) {
        this.#linkedAt.delete(node);
        continue;
      }
      if (this.#isLinked(node)) continue;
      this.#leave(node);
      observer.onGone(node);
    }
    for (const node of nodes) {
      if (node.nodeId === own) continue;
      const before = this.#nodes.get(node.nodeId);
      this.#gone.delete(node.nodeId);
      this.#nodes.set(node.nodeId, node);
      if (before === undefined || isNews(before, node)) observer.onNode(node);
    }
  }

  /** Whether it has a link, or had one until a lease ago. */
  #isLinked(node: NodeId): boolean {
    const { links, leaseMs, platform: { clock } } = this.#options;
    const now = clock.now();
    if (links.facts(node)?.isUp) this.#linkedAt.set(node, now);
    return now - (this.#linkedAt.get(node) ?? -Infinity) < leaseMs;
  }

  #leave(node: NodeId): void {
    this.#linkedAt.delete(node);
    this.#gone.set(node, this.#nodes.get(node)!.link);
    this.#nodes.delete(node);
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size <= MAX_GONE) break;
      this.#gone.delete(oldest);
    }
  }
}

/** Whether a node says of itself what others act upon; loads are looked at when they are needed. */
function isNews(before: NodeRecord, now: NodeRecord): boolean {
  return before.state !== now.state || before.region !== now.region || before.link !== now.link ||
    before.protocol.min !== now.protocol.min || before.protocol.max !== now.protocol.max;
}
