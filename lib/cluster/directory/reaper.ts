/**
 * Ends what dead nodes left, and rooms that nobody serves: the part of a cluster's dead that was
 * given to this node.
 *
 * Contract: a node is buried only after it was given in more than one heartbeat, cannot be reached,
 * and after the directory has been there for a lease without a break: else those who live have not
 * had the time to say so, after an outage or with a Redis whose clock is another. Observers hear of
 * each freed claim and of each finished room once, also of those for which the directory was asked
 * before this node ended. Everything that fails is tried again while it is this node's.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { Claim, Closing, ClusterDirectory, RoomRecord } from "./cluster_directory.ts";

/**
 * A node has to be given for so long, ms: more than one heartbeat, in which those who live renew a
 * lease that ended only because Redis' clock jumped.
 */
const GIVEN_MS = 1_500;
/** Rooms of a dead node that are asked for at a time. */
const ROOMS_AT_ONCE = 16;
/** Pause before a room's end, or a burial, is tried again, ms. */
const RETRY_MS = 1_000;
/** A burial is tried so often: as long as the directory remembers what one found. */
const MAX_TRIES = 5;
/** A room that the directory had lost is kept so long: whoever serves it says so meanwhile, ms. */
const LOST_MS = 5_000;

/** Who tells the world. */
export interface ReaperObserver {
  /** They are in the room no more: their node has died. */
  onFreed(room: RoomRecord, claims: readonly Claim[]): void;
  /** They will not come: their node died before they had joined. */
  onUnjoined(room: RoomRecord, claims: readonly Claim[]): void;
  /** The room is over. */
  onFinished(room: RoomRecord): void;
}

/** What a reaper works with. */
export interface ReaperOptions {
  readonly platform: Platform;
  readonly directory: ClusterDirectory;
  readonly self: NodeId;
  readonly leaseMs: number;
  /** Whether a node without a lease can be reached all the same. */
  readonly reaches: (node: NodeId) => Promise<boolean>;
  readonly observer: ReaperObserver;
}

/** One node's. */
export class Reaper {
  readonly #options: ReaperOptions;
  /** Dead nodes that were given: when first and when last, ms. */
  readonly #given = new Map<NodeId, { readonly firstMs: number; lastMs: number }>();
  readonly #atWork = new Set<NodeId>();
  /** Questions whose answers are for observers. */
  readonly #asked = new Set<Promise<void>>();
  /** Timers of rooms that are kept, by name. */
  readonly #kept = new Map<string, Cancel>();
  readonly #cancelStatus: Cancel;
  /** Since when the directory is there, ms; absent while it is away. */
  #upSinceMs: number | undefined;
  #hasEnded = false;

  constructor(options: ReaperOptions) {
    this.#options = options;
    const { clock } = options.platform;
    const note = () => {
      this.#upSinceMs = options.directory.status === "up" ? clock.now() : undefined;
    };
    this.#cancelStatus = options.directory.onStatus(note);
    note();
  }

  /** What a heartbeat answered; each time. */
  bury(dead: readonly NodeId[]): void {
    if (this.#hasEnded) return;
    const now = this.#options.platform.clock.now();
    const { leaseMs } = this.#options;
    for (const node of dead) {
      const before = this.#given.get(node);
      const isAgain = before !== undefined && now - before.lastMs < leaseMs;
      const given = isAgain ? before : { firstMs: now, lastMs: now };
      given.lastMs = now;
      this.#given.set(node, given);
      const isSure = now - given.firstMs >= GIVEN_MS &&
        this.#upSinceMs !== undefined && now - this.#upSinceMs >= leaseMs;
      if (isSure && !this.#atWork.has(node)) void this.#bury(node);
    }
    for (const [node, { lastMs }] of this.#given) {
      if (now - lastMs >= leaseMs) this.#given.delete(node);
    }
  }

  /** Closes a room when its time is over, unless somebody comes. This node is its keeper. */
  keep(room: RoomRecord, closing: Closing): void {
    if (!this.#hasEnded) this.#closeLater(room, closing, room.lingerMs);
  }

  /**
   * Leaves rooms that the directory takes for this node's and that are not: their departures were
   * lost while it was away.
   *
   * @param isServed Whether the room is served or kept here.
   */
  async tidy(isServed: (room: string) => boolean): Promise<void> {
    const { directory, self } = this.#options;
    try {
      for (const room of await directory.roomsOf(self)) {
        if (isServed(room) || this.#kept.has(room)) continue;
        const closing = await directory.leave({ room, node: self });
        if (closing === undefined || closing === "lost") continue;
        const found = await directory.find(room);
        if (found !== undefined) this.keep(found.record, closing);
      }
    } catch {
      // It is away again; it says so, and this is asked for once it is back.
    }
  }

  /**
   * Rooms that are kept stay so for others to find.
   *
   * @returns Resolves when observers have heard of everything that was asked for; within a second.
   */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#cancelStatus();
    for (const cancel of this.#kept.values()) cancel();
    this.#kept.clear();
    await Promise.allSettled(this.#asked);
  }

  async #bury(dead: NodeId): Promise<void> {
    const { directory } = this.#options;
    this.#atWork.add(dead);
    try {
      if (await this.#options.reaches(dead)) return;
      const rooms = await directory.roomsOf(dead);
      for (let from = 0; from < rooms.length && !this.#hasEnded; from += ROOMS_AT_ONCE) {
        const part = rooms.slice(from, from + ROOMS_AT_ONCE);
        await Promise.all(part.map((room) => this.#told(this.#buryIn(room, dead))));
      }
      if (!this.#hasEnded && await directory.forget(dead)) this.#given.delete(dead);
    } catch {
      // The directory is away; the node is given to somebody again once it is back.
    } finally {
      this.#atWork.delete(dead);
    }
  }

  async #buryIn(room: string, dead: NodeId): Promise<void> {
    const { directory, observer, self } = this.#options;
    const burial = await this.#again(() => directory.bury({ room, dead, by: self }));
    if (burial === undefined) return;
    const { record, freed, unjoined = [], closing } = burial;
    if (freed.length > 0) observer.onFreed(record, freed);
    if (unjoined.length > 0) observer.onUnjoined(record, unjoined);
    if (closing !== undefined) this.keep(record, closing);
  }

  /** Asks until there is an answer: a lost one is nobody else's to tell. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    const { timers } = this.#options.platform;
    for (let tries = 1;; tries++) {
      try {
        return await ask();
      } catch (error) {
        if (this.#hasEnded || tries === MAX_TRIES) throw error;
      }
      await new Promise<void>((resolve) => void timers.after(RETRY_MS, resolve));
    }
  }

  #closeLater(room: RoomRecord, closing: Closing, delayMs: number): void {
    const { timers } = this.#options.platform;
    this.#kept.get(room.name)?.();
    const cancel = timers.after(delayMs, () => {
      const isMeant = () => this.#kept.get(room.name) === cancel;
      void this.#told(this.#close(room, closing, isMeant));
    });
    this.#kept.set(room.name, cancel);
  }

  /** @param isMeant Whether no later closing of the room has taken this one's place. */
  async #close(room: RoomRecord, closing: Closing, isMeant: () => boolean): Promise<void> {
    const { directory, observer } = this.#options;
    try {
      const finished = await directory.close(room.name, closing, room.sid);
      if (finished === "lost") return await this.#closeLost(room);
      if (isMeant()) this.#kept.delete(room.name);
      if (finished !== undefined) observer.onFinished(finished);
    } catch {
      if (!this.#hasEnded && isMeant()) this.#closeLater(room, closing, RETRY_MS);
    }
  }

  /** The directory has lost the room, but not this node, which keeps it. */
  async #closeLost(room: RoomRecord): Promise<void> {
    const { directory, observer, self } = this.#options;
    const { name, sid } = room;
    const { ok } = await directory.assert({ node: self, record: room, claims: [] });
    if (!ok) {
      const isLast = await directory.lastWord({ room: name, sid, node: self });
      this.#kept.delete(name);
      if (isLast) observer.onFinished(room);
      return;
    }
    const closing = await directory.leave({ room: name, node: self, sid });
    this.#kept.delete(name);
    if (typeof closing === "object" && !this.#hasEnded) this.#closeLater(room, closing, LOST_MS);
  }

  async #told(answer: Promise<void>): Promise<void> {
    this.#asked.add(answer);
    try {
      await answer;
    } finally {
      this.#asked.delete(answer);
    }
  }
}
