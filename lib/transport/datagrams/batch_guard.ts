/**
 * A bug behind the seam where something is received ends at most what it was about, and never the
 * one loop that everybody shares: it is counted, and said.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Log } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";

/** Who hears of it. */
export interface BatchWitness {
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
}

/** What is received, one by one, and together. */
export type ReceivedUnit = "datagram" | "frame" | "message";

/**
 * Receiving one of them threw.
 *
 * @param kind What it claimed to be.
 */
export function receivingThrew(
  { drops, log }: BatchWitness,
  unit: ReceivedUnit,
  kind: string | undefined,
  error: unknown,
): void {
  drops.count("receive_threw");
  log.error(`Receiving a ${unit} failed inside`, kind === undefined ? { error } : { kind, error });
}

/** Tells whoever waits for the end of a batch, which was received at `now`. Never throws. */
export function endBatchSafely(
  { drops, log }: BatchWitness,
  unit: ReceivedUnit,
  onBatchEnd: (now: number) => void,
  now: number,
): void {
  try {
    onBatchEnd(now);
  } catch (error) {
    drops.count("receive_threw");
    log.error(`Ending a batch of ${unit}s failed inside`, { error });
  }
}
