/**
 * How much this node has to do, as other nodes of a cluster are told.
 *
 * @module
 */
import type { Clock } from "../base/platform.ts";
import type { NodeLoad } from "../cluster/directory/cluster_directory.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { ProcessorMeter } from "./processor_meter.ts";

/** Share of the cores that this process can use before calls suffer. */
const FULL_CPU = 0.9;
/** Shorter spans say little. */
const LEAST_SPAN_MS = 500;

/** What the figures come from. */
export interface NodeLoadSource {
  readonly clock: Clock;
  readonly cores: number;
  /** Most tracks that come in and go out; 0: no limit. */
  readonly maxTracks: number;
  readonly rooms: () => LocalRooms;
  /** CPU time of this process since its start, µs. */
  readonly cpuUs?: () => number;
}

/** Measures between one question and the next; who asks again soon gets the same answer. */
export class NodeLoadMeter {
  readonly #source: NodeLoadSource;
  readonly #processor: ProcessorMeter;
  #measured: NodeLoad | undefined;
  #measuredAtMs = 0;

  constructor(source: NodeLoadSource) {
    this.#source = source;
    this.#processor = new ProcessorMeter(source.clock, source.cores, source.cpuUs);
  }

  /**
   * The load now; that of the processor since it was last measured. Every client that is told where
   * else to go asks for it, and all tracks are counted.
   */
  measure(): NodeLoad {
    const now = this.#source.clock.now();
    if (this.#measured !== undefined && now - this.#measuredAtMs < LEAST_SPAN_MS) {
      return this.#measured;
    }
    this.#measuredAtMs = now;
    return this.#measured = this.#measureNow();
  }

  #measureNow(): NodeLoad {
    const { maxTracks, rooms: roomsOf } = this.#source;
    const cpu = this.#processor.measure();
    const rooms = roomsOf();
    const tracks = rooms.trackCount();
    const byTracks = maxTracks === 0 ? 0 : tracks / maxTracks;
    return {
      cpu,
      participants: rooms.occupants(),
      rooms: rooms.size,
      tracks,
      headroom: Math.max(0, 1 - Math.max(cpu / FULL_CPU, byTracks)),
    };
  }
}
