/**
 * The calls to the process with the clients of a room that spans nodes.
 *
 * @module
 */
import type { Nothing } from "../bench_child.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { ServerAccess } from "./loads_calls.ts";

/**
 * Who asks for which layers: every subscriber for the best one; a third of each node's for each; or
 * of ten one for the best, one for the middle one, and the others for the lowest.
 */
export type Wants = "best" | "all" | "few";

/** Subscribers of one node since the mark before. */
export interface NodeFigures {
  readonly received: number;
  readonly bytes: number;
  readonly expected: number;
  readonly lost: number;
  /** Of voice: from the publisher's socket to the kernel of the receiver. */
  readonly voice: Percentiles;
}

/** The clients of one room on several nodes. */
export interface RelayCalls {
  /** Loopback alone. */
  baseline(options: Nothing): Promise<Percentiles>;
  /** The publisher joins at the first node, and so many more everybody at each. */
  gather(options: {
    readonly servers: readonly ServerAccess[];
    readonly subscribers: number;
  }): Promise<{ streams: number; ms: number }>;
  want(options: { readonly wants: Wants }): Promise<Nothing>;
  mark(options: Nothing): Promise<{
    readonly wallMs: number;
    readonly cpuMicros: number;
    readonly kernelDrops: number;
    readonly nodes: readonly NodeFigures[];
  }>;
  leave(options: Nothing): Promise<Nothing>;
}
