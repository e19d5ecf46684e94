/**
 * The paths of one ICE agent, and what it remembers of each.
 *
 * @module
 */
import type { NetworkPath } from "./network_path.ts";
import { type PathProof, unprovenPath } from "./path_checks.ts";

/** One path. */
export interface PathRecord extends PathProof {
  /** The remote address as the answers carry it. */
  readonly address: Uint8Array;
  /** When a request, an answer, or authenticated media last came. */
  heardAt: number;
  /** Of the last request on it. */
  priority: number;
  /** Highest generation a request on it was made under. */
  generation: number;
  nominated: boolean;
  /**
   * Nominations of this path since the selected one was last nominated; retransmissions count once.
   */
  claims: number;
  claimTag: number;
  /** When the first of them came. */
  claimedAt: number;
  /** When another one was selected in its place, monotonic ms; -Infinity if never. */
  leftAt: number;
}

/**
 * When a check that a move waits for is repeated, ms after it began; the client's requests do more.
 */
const REPEAT_AFTER_MS: readonly number[] = [100, 300];

/** A path that the client nominated, or sends by, and that is not proven yet. */
export class WantedPath {
  #repeats = 0;

  constructor(readonly record: PathRecord, readonly since: number) {}

  /** When to ask again, monotonic ms. */
  get repeatsAt(): number {
    return this.since + (REPEAT_AFTER_MS[this.#repeats] ?? Infinity);
  }

  /** Whether it is time for that, once each time. */
  isDue(now: number): boolean {
    if (now < this.repeatsAt) return false;
    this.#repeats++;
    return true;
  }
}

/** How often a path in doubt is asked, and how far apart, ms. */
const ASKS = 4;
const ASK_SPACING_MS = 500;
/**
 * It is dead if it has shown nothing for so long after the last time, ms: where timers are in time,
 * that is as long in all as libwebrtc takes to call a connection silent
 * (`p2p/base/p2p_constants.cc`).
 */
const DEAD_AFTER_MS = 1_000;

/**
 * The selected path of a client that asks from another one, which is proven: is it still there?
 * Clients keep several paths alive, so that alone says nothing.
 */
export class DoubtedPath {
  #asked = 0;
  #dueAt: number;

  constructor(
    readonly selected: PathRecord,
    readonly other: PathRecord,
    readonly since: number,
  ) {
    this.#dueAt = since;
  }

  /** When to go on, monotonic ms. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Whether the selected path has shown to be alive: requests do not, they can be said again. */
  get isOver(): boolean {
    return Math.max(this.selected.provenAt, this.selected.mediaAt) > this.since;
  }

  /** Whether the client has shown to be at the other one. */
  get isElsewhere(): boolean {
    return this.other.provenAt >= this.since;
  }

  /** What is due at `now`, once each time: whom to ask, or to make up one's mind. */
  next(now: number): "ask" | "ask both" | "decide" {
    if (this.#asked === ASKS) return "decide";
    this.#asked++;
    this.#dueAt = now + (this.#asked < ASKS ? ASK_SPACING_MS : DEAD_AFTER_MS);
    // Most are alive, and have said so before the other one is asked for nothing.
    return this.#asked > 1 && !this.isElsewhere ? "ask both" : "ask";
  }
}

/**
 * An agent's paths in the order in which they came. A removed one has no owner any more. Paths are
 * few, so looking one up walks them all.
 */
export class IcePaths {
  #records: readonly PathRecord[] = [];

  /** In the order in which they came; a value that stays as it is when paths come or go. */
  get all(): readonly PathRecord[] {
    return this.#records;
  }

  get size(): number {
    return this.#records.length;
  }

  of(path: NetworkPath): PathRecord | undefined {
    for (const record of this.#records) if (record.path === path) return record;
    return undefined;
  }

  /** @param address 4 or 16 bytes. */
  add(path: NetworkPath, address: Uint8Array, now: number): PathRecord {
    const record: PathRecord = {
      ...unprovenPath(path),
      address,
      heardAt: now,
      priority: 0,
      generation: 0,
      nominated: false,
      claims: 0,
      claimTag: 0,
      claimedAt: 0,
      leftAt: -Infinity,
    };
    this.#records = [...this.#records, record];
    return record;
  }

  /** The path has no owner any more. */
  remove(record: PathRecord): void {
    this.#records = this.#records.filter((other) => other !== record);
    record.path.owner = undefined;
    record.path.validator = undefined;
  }

  /** The one not heard for longest, apart from `kept`. */
  stalestBut(kept: readonly (PathRecord | undefined)[]): PathRecord | undefined {
    let stalest: PathRecord | undefined;
    for (const record of this.#records) {
      if (kept.includes(record)) continue;
      if (stalest === undefined || record.heardAt < stalest.heardAt) stalest = record;
    }
    return stalest;
  }

  /** The one heard last, of the proven ones if there are any. */
  freshest(isProven: (record: PathRecord) => boolean): PathRecord | undefined {
    let freshest: PathRecord | undefined;
    for (const record of this.#records) {
      const isBetter = freshest === undefined || isProven(record) && !isProven(freshest) ||
        isProven(record) === isProven(freshest) && record.heardAt > freshest.heardAt;
      if (isBetter) freshest = record;
    }
    return freshest;
  }
}
