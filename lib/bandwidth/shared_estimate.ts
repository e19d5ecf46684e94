/**
 * An estimate as whoever shares it out knows it.
 *
 * @module
 */
import type { SendEstimate } from "./send_estimate.ts";

/** What of an estimate whoever shares it out reads, and tells it. */
export type SharedEstimate = Pick<
  SendEstimate,
  "bps" | "mayRaise" | "lossFraction" | "queueMs" | "limitedBy" | "probedBps" | "setDemand"
>;
