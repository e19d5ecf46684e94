/**
 * What becomes of what dead nodes had in the directory: each is given to one other node when its
 * lease is over, which ends its part of every room, sixteen rooms at a time, as `reaper.ts` does.
 *
 * @module
 */
import * as costs from "./directory_costs.ts";
import type { RedisModel } from "./redis_model.ts";
import type { RoomsOnNodes } from "./rooms_on_nodes.ts";

const LEASE_MS = 5_000;
/** Given by one heartbeat (`redis_node_scripts.ts`), and rooms at a time (`reaper.ts`). */
const AT_ONCE = 9;
const ROOMS_AT_ONCE = 16;
/** A node is buried when it is given for the second time, with the next heartbeat, ms. */
const SURE_AFTER_MS = 1_000;
/** A link that has ended, or over which nothing came for so long, ms (`link_connection.ts`). */
const DEAD_LINK_MS = 2_000;
/** A question fails after so long, ms (`redis_link.ts`: the answer's time and the grace). */
export const ANSWER_MS = 800;
/** How old may be what a node knows of the others, ms (`nodes_copy.ts`). */
const COPY_MS = 1_000;

/** One dead node. */
export interface Funeral {
  readonly diedAt: number;
  readonly leaseEndsAt: number;
  /** When the others, whose link to it has ended, look whether it lives. */
  readonly goneAt: number;
  /** Who buries it; -1: nobody yet. */
  by: number;
  /** What it still has; `undefined` until it was asked for. */
  rooms: number[] | undefined;
  buriedAt: number | undefined;
}

export class Funerals {
  readonly #funerals = new Map<number, Funeral>();
  /** Those that nobody buries yet. */
  readonly #waiting = new Set<number>();
  #freed = 0;
  #rooms = 0;
  forgotten = 0;

  /** @param later Has {@linkcode Funerals.step} called at a time. */
  constructor(
    readonly redis: RedisModel,
    readonly rooms: RoomsOnNodes,
    readonly later: (at: number, dead: number) => void,
    /** Whether the script reads all claims of a room, as it did, or those of the dead alone. */
    readonly readsAll: boolean,
  ) {}

  /** @param isSilent Whether its links only fall silent. */
  died(node: number, at: number, lastBeat: number, isSilent: boolean): void {
    const leaseEndsAt = lastBeat + LEASE_MS;
    const missedAt = at + (isSilent ? DEAD_LINK_MS : 0) + LEASE_MS;
    this.#funerals.set(node, {
      diedAt: at,
      leaseEndsAt,
      goneAt: Math.max(missedAt, leaseEndsAt + COPY_MS),
      by: -1,
      rooms: undefined,
      buriedAt: undefined,
    });
    this.#waiting.add(node);
  }

  get(dead: number): Funeral {
    return this.#funerals.get(dead)!;
  }

  /** A heartbeat is answered: it may be given the dead. */
  asked(node: number, at: number): void {
    if (this.#waiting.size === 0) return;
    let given = 0;
    for (const dead of this.#waiting) {
      const funeral = this.get(dead);
      if (funeral.leaseEndsAt > at) continue;
      this.#waiting.delete(dead);
      funeral.by = node;
      this.later(at + SURE_AFTER_MS, dead);
      if (++given === AT_ONCE) return;
    }
  }

  /** Its turn comes again with somebody else. */
  again(dead: number, at: number): void {
    const funeral = this.get(dead);
    this.#funerals.set(dead, { ...funeral, leaseEndsAt: at + LEASE_MS, by: -1 });
    this.#waiting.add(dead);
  }

  /** The next questions about a dead node. @returns Rooms that nobody serves any more. */
  step(dead: number, now: number, trip: number): number[] {
    const funeral = this.get(dead);
    if (funeral.rooms === undefined) {
      funeral.rooms = this.rooms.listOf(dead);
      const cost = costs.roomsOfCost(funeral.rooms.length);
      this.later(this.redis.ask("rooms of a node", cost, now) + trip, dead);
      return [];
    }
    if (funeral.rooms.length === 0) {
      funeral.buriedAt = this.redis.ask("forget", costs.FORGET, now);
      this.forgotten++;
      return [];
    }
    const empty: number[] = [];
    let answered = now;
    for (const room of funeral.rooms.splice(0, ROOMS_AT_ONCE)) {
      const claims = this.rooms.peopleIn(room);
      const freed = this.rooms.leave(room, dead, now);
      this.#freed += freed;
      this.#rooms++;
      const cost = this.readsAll ? costs.buryAmongAllCost(claims, freed) : costs.buryCost(freed);
      answered = Math.max(answered, this.redis.ask("bury", cost, now, room) + trip);
      if (this.rooms.nodesOf(room).length === 0) empty.push(room);
    }
    // What was answered too late failed: the node is given again with a later heartbeat.
    const isLate = answered - now > ANSWER_MS;
    if (isLate) funeral.rooms = undefined;
    this.later(isLate ? answered + SURE_AFTER_MS : answered, dead);
    return empty;
  }

  /** Of those who died at a time. */
  figures(diedAt: number) {
    const all = [...this.#funerals.values()].filter((funeral) => funeral.diedAt === diedAt);
    const isDone = all.every(({ buriedAt }) => buriedAt !== undefined);
    const [claimsFreed, roomsBuried] = [this.#freed, this.#rooms];
    this.#freed = this.#rooms = 0;
    return {
      buriedAfterMs: isDone
        ? Math.max(...all.map(({ buriedAt }) => buriedAt!)) - diedAt
        : undefined,
      goneAfterMs: Math.max(...all.map(({ goneAt }) => goneAt)) - diedAt,
      claimsFreed,
      roomsBuried,
    };
  }
}
