/**
 * Why an encoder's connection is not taken, or does not last.
 *
 * @module
 */
import type { DropReasons } from "../base/drop_counters.ts";

/** By counter name. */
export const INGRESS_DROPS = {
  rtmp_connection_refused: "there are too many RTMP connections, in all or from one address",
  rtmp_too_slow: "an RTMP connection published nothing in time, or fell silent",
  rtmp_slow_reader: "an RTMP peer does not read what it is told",
  rtmp_key_unknown: "an encoder came with a stream key that opens nothing",
} as const satisfies DropReasons;

/** One of {@linkcode INGRESS_DROPS}. */
export type IngressDrop = keyof typeof INGRESS_DROPS;
