/**
 * What every SFU under test has to carry, and how long everything may take.
 *
 * @module
 */

/** RTP bytes of each packet, header included: what a browser's video packets come to. */
export const PACKET_BYTES = 1_200;
export const PUBLISHED_SSRC = 1_000;
/** After everything flows, before the window: V8 has compiled what it will, ms. */
export const WARM_UP_MS = 2_500;
/** The window, ms. */
export const WINDOW_MS = 4_000;

/** All of it, ms: what is not measured by then is left out, and the row says so. */
export const TOTAL_MS = 230_000;
/** One line of the first table, ms; only werift with hundreds of connections comes near. */
export const LINE_MS = 75_000;
/** What the lines of the first table leave for everything after it, ms. */
export const RESERVE_MS = 65_000;
/** What a line leaves for the one that is measured in its place, ms. */
export const OTHERWISE_MS = 25_000;

/** One line of the table. */
export interface Workload {
  readonly subscribers: number;
  /** Published packets per second; times subscribers is what is forwarded. */
  readonly packetsPerSecond: number;
  /** Measured instead, if this many subscribers cannot be had. */
  readonly otherwise?: Workload;
}

/** Roomwire: up to 30,000 packets/s forwarded, a video of 0.6 to 10 Mbit/s. */
export const ENGINE_WORKLOADS: readonly Workload[] = [
  { subscribers: 10, packetsPerSecond: 1_000 },
  { subscribers: 100, packetsPerSecond: 300 },
  { subscribers: 500, packetsPerSecond: 60 },
];

/**
 * werift's peer connections: 3,000 packets/s, which leaves a core half idle. Of more than they can
 * send they make an ever longer queue, and then nothing is forwarded at all. Roomwire is measured at
 * this rate, too, because the cost of a packet falls with the load.
 */
export const WERIFT_WORKLOADS: readonly Workload[] = [
  { subscribers: 10, packetsPerSecond: 300 },
  { subscribers: 100, packetsPerSecond: 30 },
  {
    subscribers: 500,
    packetsPerSecond: 6,
    otherwise: { subscribers: 200, packetsPerSecond: 15 },
  },
];
