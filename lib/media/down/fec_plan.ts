/**
 * Whether a subscriber's video gets repair packets in advance, and how many: where a retransmission
 * comes late, and loss is not what too much was sent for. `deno task bench --only=congestion` shows
 * what each line gains, and that above the last one nothing does that is worth its bytes.
 *
 * Pure.
 *
 * @module
 */

/** A round trip from which on repair in advance is worth its bytes, ms. */
const LEAST_RTT_MS = 150;
/** Below this retransmission does. */
const LEAST_LOSS = 0.015;
/** Packets of a group by loss: the first line whose loss is not exceeded. */
const GROUPS: readonly (readonly [loss: number, packets: number])[] = [
  [0.035, 10],
  [0.07, 6],
  [0.115, 4],
];

/**
 * Packets that share a repair packet; 0 for none.
 *
 * @param loss Share of packets, 0–1.
 * @param rttMs Negative if it is not known.
 * @param isFull The path shows queues: more would make them longer.
 */
export function protectedGroup(loss: number, rttMs: number, isFull: boolean): number {
  if (isFull || rttMs < LEAST_RTT_MS || loss < LEAST_LOSS) return 0;
  return GROUPS.find(([most]) => loss <= most)?.[1] ?? 0;
}
