/**
 * What every SFU under test has to carry.
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

/** One line of the table. */
export interface Workload {
  readonly subscribers: number;
  /** Published packets per second; times subscribers is what is forwarded. */
  readonly packetsPerSecond: number;
}

/** Roomwire: up to 30,000 packets/s forwarded, a video of 0.6 to 10 Mbit/s. */
export const ENGINE_WORKLOADS: readonly Workload[] = [
  { subscribers: 10, packetsPerSecond: 1_000 },
  { subscribers: 100, packetsPerSecond: 300 },
  { subscribers: 500, packetsPerSecond: 60 },
];

/** werift's peer connections saturate one core at about 24,000 packets/s, so they get less. */
export const WERIFT_WORKLOADS: readonly Workload[] = [
  { subscribers: 10, packetsPerSecond: 1_000 },
  { subscribers: 100, packetsPerSecond: 100 },
  { subscribers: 500, packetsPerSecond: 20 },
];
