/**
 * Why signalling does not take a request, a message or a client.
 *
 * @module
 */
import type { DropReasons } from "../base/drop_counters.ts";

/** By counter name. */
export const SIGNALLING_DROPS = {
  signal_undecodable: "a client's message cannot be read",
  signal_frame_too_large: "a client's message is too large",
  signal_request_postponed: "a client's request waits, because it asks for much",
  signal_too_many_requests: "a client's request was refused, because too many wait",
  signal_join_too_soon: "a client comes in, or asks over HTTP, when it has had more than its share",
  signal_slow_reader: "a client reads too slowly",
  signal_carry_too_slow: "a node reads too slowly what a client says that was carried to it",
  session_cap_identity: "too many sessions have this identity",
  session_cap_token: "too many sessions have this token",
  session_cap_address: "too many sessions have this address",
} as const satisfies DropReasons;

/** One of {@linkcode SIGNALLING_DROPS}. */
export type SignallingDrop = keyof typeof SIGNALLING_DROPS;
