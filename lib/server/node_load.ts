/**
 * How much this node has to do, as other nodes of a cluster are told.
 *
 * @module
 */
import process from "node:process";
import type { Clock } from "../base/platform.ts";
import type { NodeLoad } from "../cluster/directory/cluster_directory.ts";
import type { LocalRooms } from "../room/local_rooms.ts";

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

/** Measures between one question and the next. */
export class NodeLoadMeter {
  readonly #source: NodeLoadSource;
  readonly #cpuUs: () => number;
  #atMs: number;
  #usedUs: number;
  #cpu = 0;

  constructor(source: NodeLoadSource) {
    this.#source = source;
    this.#cpuUs = source.cpuUs ?? processCpuUs;
    this.#atMs = source.clock.now();
    this.#usedUs = this.#cpuUs();
  }

  /** The load now; that of the processor since it was last asked for. */
  measure(): NodeLoad {
    const { maxTracks, rooms: roomsOf } = this.#source;
    const cpu = this.#measureCpu();
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

  #measureCpu(): number {
    const { clock, cores } = this.#source;
    const spanMs = clock.now() - this.#atMs;
    if (spanMs < LEAST_SPAN_MS) return this.#cpu;
    const used = this.#cpuUs();
    this.#cpu = Math.min(1, (used - this.#usedUs) / 1000 / spanMs / cores);
    this.#atMs = clock.now();
    this.#usedUs = used;
    return this.#cpu;
  }
}

function processCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
