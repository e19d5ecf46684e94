/**
 * How good connections of a room's members are that this node serves, as other nodes are told:
 * what has changed, all of a room together.
 *
 * Contract: what other nodes were told of a member and what was measured last are of one quality,
 * after {@linkcode GATHER_MS} at most.
 *
 * @module
 */
import type { Cancel, Timers } from "../../base/platform.ts";
import type { HeardQuality } from "../../room/context/node_ports.ts";

/** What changes is gathered for so long, ms; each connection is measured each 5 s. */
export const GATHER_MS = 1_000;

/** One member's. */
export interface ToldQuality extends HeardQuality {
  readonly sid: string;
}

/** One room's. It is told of a member once for each change of its quality. */
export class ToldQualities {
  readonly #measured = new Map<string, ToldQuality>();
  readonly #changed = new Set<string>();
  #cancel: Cancel | undefined;

  constructor(
    readonly timers: Timers,
    readonly tell: (qualities: readonly ToldQuality[]) => void,
  ) {}

  /** All that are known, for a node that has heard of none. */
  get all(): readonly ToldQuality[] {
    return [...this.#measured.values()];
  }

  /** A member was measured. Opinions alone are told to nobody, here either. */
  measured(sid: string, { quality, opinion }: HeardQuality): void {
    if (this.#measured.get(sid)?.quality === quality) return;
    this.#measured.set(sid, { sid, quality, opinion });
    this.#changed.add(sid);
    this.#cancel ??= this.timers.after(GATHER_MS, () => this.#tellChanged());
  }

  left(sid: string): void {
    this.#measured.delete(sid);
    this.#changed.delete(sid);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #tellChanged(): void {
    this.#cancel = undefined;
    const changed = [...this.#changed].map((sid) => this.#measured.get(sid)!);
    this.#changed.clear();
    if (changed.length > 0) this.tell(changed);
  }
}
