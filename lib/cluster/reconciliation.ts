/**
 * Puts the directory right: after it had forgotten this node, lost what it knew, or was away it is
 * told what is served here, and then what it only takes for this node's is left. What dead nodes
 * left in it is ended.
 *
 * Contract: rooms take turns, so that many nodes which are told at once are no storm. Nothing that
 * is served here, or about to be, is left.
 *
 * @module
 */
import type { NodeId } from "../base/ids.ts";
import type { Cancel } from "../base/platform.ts";
import { Reaper, type ReaperOptions } from "./directory/reaper.ts";
import type { DirectoryPlacement } from "./mirror/directory_placement.ts";
import type { SharedRooms } from "./mirror/shared_rooms.ts";

/** Rooms that were asserted last are answered by then, ms. */
const TIDY_AFTER_MS = 1_000;

/** What it works with. */
export interface ReconciliationOptions extends ReaperOptions {
  readonly rooms: SharedRooms;
  readonly placement: DirectoryPlacement;
}

/** One node's. */
export class Reconciliation {
  readonly #reaper: Reaper;
  #cancel: Cancel | undefined;

  constructor(readonly options: ReconciliationOptions) {
    this.#reaper = new Reaper(options);
  }

  /** Nodes whose parts in rooms this one has to end; told with each heartbeat. */
  bury(dead: readonly NodeId[]): void {
    this.#reaper.bury(dead);
  }

  /** The directory may not know what is served here, or take for served what is not. */
  begin(): void {
    const { platform: { timers }, rooms, placement } = this.options;
    rooms.assertAll();
    this.#cancel?.();
    this.#cancel = timers.after(rooms.assertSpreadMs + TIDY_AFTER_MS, () => {
      void this.#reaper.tidy((room) => placement.isServed(room));
    });
  }

  /** Nothing is asked any more. Resolves when all that was asked for has been told. */
  end(): Promise<void> {
    this.#cancel?.();
    return this.#reaper.end();
  }
}
