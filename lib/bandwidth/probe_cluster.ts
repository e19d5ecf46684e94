/**
 * A burst of packets, sent at a rate, that shows whether a path carries that much: how long it
 * takes, and when it is whole.
 *
 * Pure; rates are bits per second, times ms.
 *
 * @module
 */

/** Longer than the 15 ms that are usual: clocks of whole milliseconds, wheels of five. */
export const CLUSTER_MS = 20;
const CLUSTER_PACKETS = 5;
/** Who sends does so in turns: one in which so much of it is due may be its last… */
const LAST_TURN = 0.75;
/** …and if turns come late it takes more at the same rate, but no more times what was wanted. */
const MOST = 2;

/** What is to be sent. */
export interface ProbeCluster {
  /** 1–255: goes with every packet that leaves meanwhile, media included. */
  readonly cluster: number;
  /** Rate to send at, media that leaves meanwhile included. */
  readonly bps: number;
  /** At least so many packets, and bytes after those that left at its first moment. */
  readonly packets: number;
  readonly bytes: number;
}

/** A burst of the usual length, or another one. */
export function newCluster(cluster: number, bps: number, ms = CLUSTER_MS): ProbeCluster {
  const bytes = Math.ceil(bps * ms / 8_000);
  return { cluster, bps: Math.round(bps), packets: CLUSTER_PACKETS, bytes };
}

/** Whether a turn so long after the first moment may be the last one. */
export function mayEnd({ bps, bytes }: ProbeCluster, elapsedMs: number): boolean {
  return bps / 8_000 * elapsedMs >= bytes * LAST_TURN;
}

/** What has to have left by a turn so long after the first moment, not counting that, bytes. */
export function dueBytes(probe: ProbeCluster, elapsedMs: number): number {
  const due = Math.min(probe.bps / 8_000 * elapsedMs, probe.bytes * MOST);
  return mayEnd(probe, elapsedMs) ? Math.max(probe.bytes, due) : due;
}

/**
 * Whether a burst has left whole, at no less than its rate.
 *
 * @param packets All of it that have left.
 * @param bytes Of those after the first moment.
 */
export function isWhole(
  probe: ProbeCluster,
  packets: number,
  bytes: number,
  elapsedMs: number,
): boolean {
  return packets >= probe.packets && bytes >= probe.bytes && bytes >= dueBytes(probe, elapsedMs);
}
