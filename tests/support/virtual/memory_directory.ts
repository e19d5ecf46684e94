/**
 * The directory in memory, for nodes of one process: simulations and tests. Its clock is the
 * platform's, so it runs on virtual time, and it can go away as Redis can.
 *
 * Contract: as `cluster_directory.ts` says. Every node has a handle of its own to one
 * {@linkcode DirectorySteps}; a step is made at once, its answer comes with a later turn.
 *
 * @module
 */
import { SfuError } from "../../../lib/base/errors.ts";
import type { NodeId, RoomSid } from "../../../lib/base/ids.ts";
import type { Cancel, Clock } from "../../../lib/base/platform.ts";
import type {
  AssertAnswer,
  AssertedClaim,
  AssertRequest,
  BarRequest,
  Burial,
  Claim,
  Closing,
  ClusterDirectory,
  DirectoryStatus,
  EnterAnswer,
  EnterRequest,
  HeartbeatAnswer,
  NodeRecord,
  RoomListing,
  RoomRecord,
  UpdateAnswer,
  UpdateRequest,
} from "../../../lib/cluster/directory/cluster_directory.ts";
import type { TextShelf } from "../../../lib/ingress/text_shelf.ts";
import { DirectorySteps } from "./directory_steps.ts";

/** What becomes of a question: answered, not even heard, or carried out without an answer. */
export type Reach = "here" | "away" | "deaf";

/** One node's handle. */
export class MemoryDirectory implements ClusterDirectory {
  readonly shelf: TextShelf = {
    all: async (...asked) => await this.#ask(({ shelf }) => shelf.all(...asked)),
    get: async (...asked) => await this.#ask(({ shelf }) => shelf.get(...asked)),
    put: async (...asked) => await this.#ask(({ shelf }) => shelf.put(...asked)),
    remove: async (...asked) => await this.#ask(({ shelf }) => shelf.remove(...asked)),
  };
  readonly #memory: DirectorySteps;
  readonly #listeners = new Set<(status: DirectoryStatus) => void>();
  #reach: Reach = "here";
  #status: DirectoryStatus = "up";
  /** Nodes as last answered. */
  #told: readonly NodeRecord[] = [];
  /** As they were when it went away, and until when they are still told after it came back, ms. */
  #seen: readonly NodeRecord[] = [];
  #seenUntil = 0;
  /** How far the directory's clock was ahead when it was heard last, ms. */
  #skewMs = 0;
  /** What ends claims that failed questions may have left. */
  readonly #doubts = new Map<string, (memory: DirectorySteps) => void>();

  constructor(memory: DirectorySteps, readonly clock: Clock) {
    this.#memory = memory;
  }

  get status(): DirectoryStatus {
    return this.#status;
  }

  /** As if it had much to do. */
  slow = false;

  isSlow(): boolean {
    return this.slow;
  }

  onStatus(listener: (status: DirectoryStatus) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Cuts this node off from the directory, or connects it again. */
  set reach(reach: Reach) {
    this.#reach = reach;
    const status = reach === "here" ? "up" : "down";
    if (status === this.#status) return;
    if (status === "down") this.#seen = this.#told;
    else this.#seenUntil = this.clock.now() + this.#memory.leaseMs;
    this.#status = status;
    if (status === "up") {
      for (const undo of this.#doubts.values()) undo(this.#memory);
      this.#doubts.clear();
    }
    for (const listener of this.#listeners) listener(status);
  }

  heartbeat(node: NodeRecord): Promise<HeartbeatAnswer> {
    return this.#ask((memory) => memory.heartbeat(node));
  }

  withdraw(node: NodeId): Promise<void> {
    return this.#ask((memory) => memory.withdraw(node));
  }

  async nodes(): Promise<readonly NodeRecord[]> {
    if (this.#status === "down") return this.#told;
    const live = await this.#ask((memory) => memory.nodes());
    if (this.#skewMs !== this.#memory.skewMs) {
      this.#skewMs = this.#memory.skewMs;
      this.#seen = this.#told;
      this.#seenUntil = this.clock.now() + this.#memory.leaseMs;
    }
    if (this.clock.now() >= this.#seenUntil) this.#seen = [];
    const known = new Set(live.map(({ nodeId }) => nodeId));
    const both = [...live, ...this.#seen.filter(({ nodeId }) => !known.has(nodeId))];
    return this.#told = both.sort((a, b) => a.nodeId < b.nodeId ? -1 : 1);
  }

  enter(request: EnterRequest): Promise<EnterAnswer> {
    const { room, node, claim } = request;
    return this.#doubtful(
      JSON.stringify([room, claim?.identity, node, claim?.sid]),
      (memory) => claim && memory.undo({ room, node, ...claim }),
      (memory) => memory.enter(request),
    );
  }

  joined(claim: { room: string; number: number }): Promise<void> {
    return this.#ask((memory) => memory.joined(claim));
  }

  release(claim: { room: string; identity: string; number: number }): Promise<boolean> {
    const { room, identity, number } = claim;
    const release = (memory: DirectorySteps) => memory.release(claim);
    return this.#doubtful(JSON.stringify([room, identity, number]), release, release);
  }

  bar(request: BarRequest): Promise<boolean> {
    return this.#ask((memory) => memory.bar(request));
  }

  leave(
    departure: { room: string; node: NodeId; sid?: RoomSid },
  ): Promise<Closing | "lost" | undefined> {
    return this.#ask((memory) => memory.leave(departure));
  }

  close(room: string, closing: Closing, sid?: RoomSid): Promise<RoomRecord | "lost" | undefined> {
    return this.#ask((memory) => memory.close(room, closing, sid));
  }

  lastWord(room: { room: string; sid: RoomSid; node: NodeId }): Promise<boolean> {
    return this.#ask((memory) => memory.lastWord(room));
  }

  update(request: UpdateRequest): Promise<UpdateAnswer> {
    return this.#ask((memory) => memory.update(request));
  }

  remove(room: string, request: string): Promise<RoomListing | undefined> {
    return this.#ask((memory) => memory.remove(room, request));
  }

  assert(request: AssertRequest): Promise<AssertAnswer> {
    return this.#ask((memory) => memory.assert(request));
  }

  find(room: string): Promise<RoomListing | undefined> {
    return this.#ask((memory) => memory.find(room));
  }

  claim(room: string, identity: string): Promise<Claim | undefined> {
    return this.#ask((memory) => memory.claim(room, identity));
  }

  claims(room: string): Promise<readonly AssertedClaim[]> {
    return this.#ask((memory) => memory.claims(room));
  }

  list(names?: readonly string[]): Promise<readonly RoomListing[]> {
    return this.#ask((memory) => memory.list(names));
  }

  roomsOf(node: NodeId): Promise<readonly string[]> {
    return this.#ask((memory) => memory.roomsOf(node));
  }

  bury(funeral: { room: string; dead: NodeId; by: NodeId }): Promise<Burial | undefined> {
    return this.#ask((memory) => memory.bury(funeral));
  }

  forget(dead: NodeId): Promise<boolean> {
    return this.#ask((memory) => memory.forget(dead));
  }

  async end(): Promise<void> {
    this.reach = "away";
    this.#listeners.clear();
  }

  /** As Redis' twin does: what a failed question may have left is undone once it is back. */
  async #doubtful<T>(
    name: string,
    undo: (memory: DirectorySteps) => void,
    step: (memory: DirectorySteps) => T,
  ): Promise<T> {
    try {
      const answer = await this.#ask(step);
      this.#doubts.delete(name);
      return answer;
    } catch (error) {
      this.#doubts.set(name, undo);
      throw error;
    }
  }

  async #ask<T>(step: (memory: DirectorySteps) => T): Promise<T> {
    const answer = this.#reach === "away" ? undefined : { value: step(this.#memory) };
    // What is answered is known here one turn later, as over a network.
    await Promise.resolve();
    if (answer === undefined || this.#reach !== "here") {
      throw new SfuError("directory_down", "the directory is away");
    }
    return answer.value;
  }
}
