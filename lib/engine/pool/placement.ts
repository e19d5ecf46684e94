/**
 * Decides which engine of a pool a new connection lives on.
 *
 * Connections of one room are best together, as nothing has to cross then. So a room begins on the
 * least loaded engine and stays there until that one has too much to do and another clearly less;
 * from then on the room's newcomers go to whichever of its engines is freest, and it takes in one
 * more when all of them are full.
 *
 * Load is what engines measure (about twice a second) and, until a newcomer shows in that, a guess
 * for each. Pure.
 *
 * @module
 */

/** What an engine says about itself. */
export interface EngineLoad {
  /** Share of its time in which it was busy, 0–1. */
  readonly busy: number;
  readonly packetsOutPerS: number;
}

/** When a room spreads. */
export interface PlacementPolicy {
  /** An engine this busy takes newcomers only if none is much less so, 0–1. */
  readonly fullLoad: number;
  /** How much less loaded another engine must be for a room to spread to it, 0–1. */
  readonly clearlyLess: number;
}

/**
 * At 70 % busy, bursts begin to queue; the rest is for those who are there and subscribe to more.
 * Spreading costs each track a crossing, so the other engine must have real room.
 */
export const DEFAULT_PLACEMENT: PlacementPolicy = { fullLoad: 0.7, clearlyLess: 0.25 };

/** Guessed load of a connection that does not show in what was measured yet, 0–1. */
const NEWCOMER_LOAD = 0.004;
/** Least load of any connection: a thousand silent ones still want their timers. */
const IDLE_LOAD = 0.0005;

/** Load of one engine. */
class EngineState {
  measured = 0;
  /** Connections whose load is still guessed. */
  newcomers = 0;
  connections = 0;
  isAlive = true;

  get load(): number {
    const now = this.measured + this.newcomers * NEWCOMER_LOAD;
    return Math.max(now, this.connections * IDLE_LOAD);
  }
}

/**
 * The loads and rooms of a pool's engines. `place` always names a living engine if there is one,
 * and every placed connection is taken back by `gone`.
 */
export class Placement {
  readonly #engines: readonly EngineState[];
  readonly #policy: PlacementPolicy;
  /** Room → engine → its connections there. */
  readonly #rooms = new Map<string, Map<number, number>>();

  constructor(engines: number, policy: PlacementPolicy = DEFAULT_PLACEMENT) {
    this.#engines = Array.from({ length: engines }, () => new EngineState());
    this.#policy = policy;
  }

  /**
   * The engine of a new connection, which counts as living there from now on.
   *
   * @param room Absent for a connection that belongs to none.
   * @returns `undefined` if no engine is alive.
   */
  place(room: string | undefined): number | undefined {
    const engine = this.#choose(room);
    if (engine === undefined) return undefined;
    const state = this.#engines[engine]!;
    state.connections++;
    state.newcomers++;
    if (room === undefined) return engine;
    let homes = this.#rooms.get(room);
    if (homes === undefined) this.#rooms.set(room, homes = new Map());
    homes.set(engine, (homes.get(engine) ?? 0) + 1);
    return engine;
  }

  /** The engine that has least to do; `undefined` if none is alive. */
  freest(): number | undefined {
    return this.#freest(this.#engines.keys());
  }

  /** A connection that was placed is gone. */
  gone(engine: number, room: string | undefined): void {
    const state = this.#engines[engine]!;
    state.connections--;
    state.newcomers = Math.min(state.newcomers, state.connections);
    const homes = room === undefined ? undefined : this.#rooms.get(room);
    const left = (homes?.get(engine) ?? 0) - 1;
    if (homes === undefined || left < 0) return;
    if (left > 0) homes.set(engine, left);
    else homes.delete(engine);
    if (homes.size === 0) this.#rooms.delete(room!);
  }

  /** What an engine measured. A newcomer shows in it within a few reports. */
  report(engine: number, load: EngineLoad): void {
    const state = this.#engines[engine]!;
    state.measured = load.busy;
    state.newcomers = Math.floor(state.newcomers / 2);
  }

  /** Whether connections can be placed on an engine; one that was away has nothing to do. */
  setAlive(engine: number, alive: boolean): void {
    const state = this.#engines[engine]!;
    state.isAlive = alive;
    state.measured = 0;
  }

  #choose(room: string | undefined): number | undefined {
    const freest = this.freest();
    const homes = room === undefined ? undefined : this.#rooms.get(room);
    const home = homes === undefined ? undefined : this.#freest(homes.keys());
    if (home === undefined || freest === undefined) return freest;
    const { fullLoad, clearlyLess } = this.#policy;
    const here = this.#engines[home]!.load;
    const there = this.#engines[freest]!.load;
    return here >= fullLoad && there <= here - clearlyLess ? freest : home;
  }

  #freest(candidates: Iterable<number>): number | undefined {
    let best: number | undefined;
    for (const candidate of candidates) {
      const state = this.#engines[candidate]!;
      if (!state.isAlive) continue;
      if (best === undefined || state.load < this.#engines[best]!.load) best = candidate;
    }
    return best;
  }
}
