/**
 * Why an operator's stream ends.
 *
 * @module
 */
import type { DropReasons } from "../base/drop_counters.ts";

/** By counter name. */
export const WATCH_DROPS = {
  watch_question_malformed: "an operator's stream was asked for nothing that it knows",
  watch_reader_too_slow: "an operator's stream was not read",
} as const satisfies DropReasons;

/** One of {@linkcode WATCH_DROPS}. */
export type WatchDrop = keyof typeof WATCH_DROPS;
