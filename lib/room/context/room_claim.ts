/**
 * What lets one session, of all with its identity on all nodes, be in a room. Pure.
 *
 * @module
 */
import type { ParticipantSid } from "../../base/ids.ts";

/** A place in a room: of all claims of one identity the highest number holds. */
export interface Claim {
  /** By which the session goes. */
  readonly sid: ParticipantSid;
  /** Given out once in a room. */
  readonly number: number;
}

/** Whether `claim` was made before `other`; where there are none, who comes is the newest. */
export function isOlderClaim(
  claim: Pick<Claim, "number"> | undefined,
  other: Pick<Claim, "number"> | undefined,
): boolean {
  return claim !== undefined && other !== undefined && claim.number < other.number;
}
