/**
 * What an operator's token says.
 *
 * @module
 */
import type { TokenClaims, VideoGrant } from "../signalling/access_token.ts";

/** A working day. */
const SESSION_MS = 12 * 3_600_000;
/** Who it is that acts, for whoever looks at tokens. */
export const OPERATOR_IDENTITY = "operator";
/** Everything that it can be good for. */
const RIGHTS: Partial<VideoGrant> = {
  roomAdmin: true,
  roomList: true,
  roomCreate: true,
  roomRecord: true,
};

/** What it says, and for how long it is valid. */
export function operatorClaims(): { readonly claims: TokenClaims; readonly validForMs: number } {
  return { claims: { identity: OPERATOR_IDENTITY, video: RIGHTS }, validForMs: SESSION_MS };
}
