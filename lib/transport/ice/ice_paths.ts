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
  /** When an answer or authenticated media last came, or a request where the client is known. */
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

/** When the client last showed to be there by what nobody can say again, monotonic ms. */
export function shownAt({ provenAt, mediaAt }: PathRecord): number {
  return Math.max(provenAt, mediaAt);
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
 * The selected path of a client that asks from others, which are proven: is it still there? Clients
 * keep several paths alive, so that alone says nothing.
 */
export class DoubtedPath {
  readonly #others: PathRecord[];
  #asked = 0;
  #dueAt: number;

  constructor(readonly selected: PathRecord, other: PathRecord, readonly since: number) {
    this.#others = [other];
    this.#dueAt = since;
  }

  /** Where it asks from. */
  get others(): readonly PathRecord[] {
    return this.#others;
  }

  /** It asks from `other`, too. @returns Whether that is to be asked by itself. */
  join(other: PathRecord): boolean {
    if (this.#others.includes(other)) return false;
    this.#others.push(other);
    return this.#asked > 1 && other.provenAt < this.since;
  }

  /** A path is gone. */
  forget(record: PathRecord): void {
    const at = this.#others.indexOf(record);
    if (at >= 0) this.#others.splice(at, 1);
  }

  /** When to go on, monotonic ms. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Whether the selected path has shown to be alive: requests do not, they can be said again. */
  get isOver(): boolean {
    return shownAt(this.selected) > this.since;
  }

  /** Where the client has shown to be since, if anywhere. */
  get elsewhere(): PathRecord | undefined {
    return this.#others.find(({ provenAt }) => provenAt >= this.since);
  }

  /** What is due at `now`, once each time: whom to ask, or to make up one's mind. */
  next(now: number): "ask" | "ask all" | "decide" {
    if (this.#asked === ASKS) return "decide";
    this.#asked++;
    this.#dueAt = now + (this.#asked < ASKS ? ASK_SPACING_MS : DEAD_AFTER_MS);
    // Most are alive, and have said so before others are asked for nothing.
    return this.#asked > 1 && this.elsewhere === undefined ? "ask all" : "ask";
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

  /** The one not heard for longest, apart from `kept`; of those not proven, if there are any. */
  stalestBut(
    kept: readonly (PathRecord | undefined)[],
    isProven: (record: PathRecord) => boolean,
  ): PathRecord | undefined {
    let stalest: PathRecord | undefined;
    for (const record of this.#records) {
      if (kept.includes(record)) continue;
      const isBetter = stalest === undefined || isProven(stalest) && !isProven(record) ||
        isProven(stalest) === isProven(record) && record.heardAt < stalest.heardAt;
      if (isBetter) stalest = record;
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
