/**
 * The two kinds of failure that are thrown. Network noise is never thrown (see `drop_counters.ts`),
 * and a client's mistake is a value, mapped once to the protocol's answer.
 *
 * @module
 */

/** What went wrong while operating; each code has one cause an operator can act on. */
export type SfuErrorCode =
  | "address_in_use"
  | "address_not_available"
  | "permission_denied"
  | "invalid_config"
  | "unreadable_file"
  | "missing_keys"
  | "worker_failed"
  | "native_unavailable"
  | "directory_down"
  | "unreachable"
  | "closed";

/** An operational failure: something outside the program did not do what was needed. */
export class SfuError extends Error {
  override readonly name = "SfuError";
  constructor(readonly code: SfuErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** A broken assumption of ours: the participant that hit it is closed, the process lives. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws {@linkcode InvariantError} unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
