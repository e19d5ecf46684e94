/**
 * Ends what dead nodes left behind: their claims, their part in rooms, and rooms that nobody serves
 * any more.
 *
 * Contract: a room that nobody serves lives on for its time, and is closed once, by whoever the
 * directory says; `finished` is called by that node alone. What fails because the directory is away
 * is asked for again, by whoever the directory asks then.
 *
 * @module
 */
import type { NodeId } from "../base/ids.ts";
import type { Cancel, Log, Timers } from "../base/platform.ts";
import type { Closing, ClusterDirectory, RoomRecord } from "./directory/cluster_directory.ts";

/** What the reaper works with. */
export interface ReaperOptions {
  readonly timers: Timers;
  readonly log: Log;
  readonly directory: Pick<ClusterDirectory, "roomsOf" | "bury" | "close" | "forget">;
  /** This node. */
  readonly node: NodeId;
  /** A room has ended, by this node's word. */
  readonly finished: (room: RoomRecord) => void;
}

/** One node's share of burying. */
export class Reaper {
  readonly #options: ReaperOptions;
  readonly #burying = new Set<NodeId>();
  /** Rooms that are kept for those who may come back, until their time is over. */
  readonly #kept = new Map<string, Cancel>();

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** Ends the parts of these nodes; one that is being buried is not begun again. */
  bury(dead: readonly NodeId[]): void {
    for (const node of dead) {
      if (this.#burying.has(node)) continue;
      this.#burying.add(node);
      this.#bury(node)
        .catch((error) => {
          this.#options.log.warn("a dead node's rooms are not buried yet", {
            node,
            error: String(error),
          });
        })
        .finally(() => this.#burying.delete(node));
    }
  }

  /** Rooms that wait for their end here are left to others. Idempotent. */
  close(): void {
    for (const cancel of this.#kept.values()) cancel();
    this.#kept.clear();
  }

  async #bury(dead: NodeId): Promise<void> {
    const { directory, log, node } = this.#options;
    const rooms = await directory.roomsOf(dead);
    for (const room of rooms) {
      const burial = await directory.bury({ room, dead, by: node });
      if (burial?.closing !== undefined) this.#keep(burial.record, burial.closing);
    }
    if (await directory.forget(dead) && rooms.length > 0) {
      log.info("a dead node's rooms are buried", { node: dead, rooms: rooms.length });
    }
  }

  #keep(record: RoomRecord, closing: Closing): void {
    const { timers } = this.#options;
    this.#kept.get(record.name)?.();
    this.#kept.set(
      record.name,
      timers.after(record.lingerMs, () => {
        this.#kept.delete(record.name);
        this.#end(record.name, closing);
      }),
    );
  }

  #end(room: string, closing: Closing): void {
    const { directory, finished, log } = this.#options;
    directory.close(room, closing).then((closed) => {
      if (closed !== undefined) finished(closed);
    }, (error) => {
      // As this node's keepership lives in the directory, it is asked for again with its next beat.
      log.warn("a room that nobody serves is not closed yet", { room, error: String(error) });
      this.#kept.set(room, this.#options.timers.after(RETRY_MS, () => this.#end(room, closing)));
    });
  }
}

/** A room that could not be closed is tried again after so long, ms. */
const RETRY_MS = 2_000;
