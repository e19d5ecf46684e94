/**
 * A node's copy of what the directory knows of nodes: read when somebody asks, at most once a
 * second, and then only what changed; told as it is while the directory is away.
 *
 * Contract: a node whose lease held when the directory was last heard is told until one lease after
 * the directory came back, or its clock jumped: until then it may not have been able to renew.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { Clock } from "../../base/platform.ts";
import type { DirectoryStatus, NodeRecord } from "./cluster_directory.ts";
import { list, nodeIds, nodeRecord, number, type Reply, text } from "./redis_replies.ts";

/** How old what is told may be, ms: less than between two heartbeats, each of which looks. */
const MAX_AGE_MS = 900;
/** Now and then everything is read, in case a change was lost with a Redis that failed, ms. */
const WHOLE_AFTER_MS = 60_000;
/** Redis' clock has jumped when it is so far from where ours says it should be, ms. */
const JUMP_MS = 1_000;

export class NodesCopy {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #ask: (args: readonly string[]) => Promise<Reply>;
  readonly #records = new Map<NodeId, NodeRecord>();
  /** What is told. */
  #live: readonly NodeRecord[] = [];
  #readAt = -Infinity;
  #wholeAt = -Infinity;
  /** Number of the last change that is known, and the epoch of such numbers. */
  #change = "0";
  #epoch = "";
  /** Those that were seen before the directory was away, and until when they are told, ms. */
  #seen: readonly NodeRecord[] = [];
  #graceUntil = -Infinity;
  /** Redis' time less ours when it was read last, ms. */
  #aheadMs: number | undefined;
  #reading: Promise<readonly NodeRecord[]> | undefined;

  /** @param ask Runs the script `NODES_SINCE`. */
  constructor(
    clock: Clock,
    leaseMs: number,
    ask: (args: readonly string[]) => Promise<Reply>,
  ) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#ask = ask;
  }

  away(): void {
    this.#seen = this.#live;
  }

  /** It may be another Redis, which has not all that the former one had. */
  back(): void {
    this.#graceUntil = this.#clock.now() + this.#leaseMs;
    this.#wholeAt = -Infinity;
    this.stale();
  }

  /** The next to ask hears what holds then. */
  stale(): void {
    this.#readAt = -Infinity;
    this.#reading = undefined;
  }

  /**
   * @param including A node that somebody has just named: if it is not known, it may be new.
   * @throws {SfuError} `directory_down`, if it went away while it was asked.
   */
  async read(status: DirectoryStatus, including?: NodeId): Promise<readonly NodeRecord[]> {
    const nodes = await this.#read(status);
    if (including === undefined || status === "down") return nodes;
    if (nodes.some(({ nodeId }) => nodeId === including)) return nodes;
    this.stale();
    return await this.#read(status);
  }

  async #read(status: DirectoryStatus): Promise<readonly NodeRecord[]> {
    const now = this.#clock.now();
    if (status === "down" && this.#live.length > 0) return this.#live;
    if (now - this.#readAt < MAX_AGE_MS) return this.#live;
    const reading = this.#reading ??= this.#readChanges();
    try {
      return await reading;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  /** A replica that took over, or a host whose time was set, ends leases that still hold. */
  #compareClocks(redisMs: number): void {
    const now = this.#clock.now();
    const aheadMs = redisMs - now;
    if (this.#aheadMs !== undefined && Math.abs(aheadMs - this.#aheadMs) > JUMP_MS) {
      this.#seen = this.#live;
      this.#graceUntil = now + this.#leaseMs;
    }
    this.#aheadMs = aheadMs;
  }

  async #readChanges(): Promise<readonly NodeRecord[]> {
    const startedAt = this.#clock.now();
    const isWhole = startedAt - this.#wholeAt >= WHOLE_AFTER_MS;
    const reply = list(await this.#ask([isWhole ? "0" : this.#change, this.#epoch]));
    this.#change = text(reply[0]);
    this.#epoch = text(reply[1]);
    if (text(reply[2]) === "all") {
      this.#records.clear();
      this.#wholeAt = startedAt;
    }
    for (const gone of nodeIds(reply[4])) this.#records.delete(gone);
    for (const value of list(reply[5])) {
      const record = nodeRecord(value);
      if (record !== undefined) this.#records.set(record.nodeId, record);
    }
    const dead = new Set(nodeIds(reply[3]));
    const live = [...this.#records.values()].filter(({ nodeId }) => !dead.has(nodeId));
    this.#compareClocks(number(reply[6]));
    if (startedAt >= this.#graceUntil) this.#seen = [];
    const known = new Set(live.map(({ nodeId }) => nodeId));
    live.push(...this.#seen.filter(({ nodeId }) => !known.has(nodeId)));
    this.#readAt = startedAt;
    return this.#live = live.sort((a, b) => a.nodeId < b.nodeId ? -1 : 1);
  }
}
