/**
 * Why a call of the server API did nothing, as a value. The words are LiveKit's, because
 * applications compare them.
 *
 * @module
 */

export type AdminFailureCode =
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "failed_precondition"
  | "resource_exhausted"
  | "unavailable"
  | "canceled"
  | "malformed"
  | "dataloss"
  | "unimplemented"
  | "internal";

/** A call that changed nothing: its code, and LiveKit's words for it. */
export class AdminFailure {
  constructor(
    readonly code: AdminFailureCode,
    readonly message: string,
    /** What is wrong with an argument that `message` names, such as the limit it exceeds. */
    readonly detail?: number | string,
  ) {}
}

export function roomNotFound(): AdminFailure {
  return new AdminFailure("not_found", "requested room does not exist");
}

export function participantNotFound(): AdminFailure {
  return new AdminFailure("not_found", "participant does not exist");
}

/** Calls that are routed to a participant or an open room end like this when nobody is there. */
export function nobodyServes(): AdminFailure {
  return new AdminFailure("unavailable", "no response from servers");
}
