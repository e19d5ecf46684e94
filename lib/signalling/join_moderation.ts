/**
 * Whom moderation keeps out: bearers of tokens from before they were removed, and newcomers to a
 * locked room.
 *
 * @module
 */
import type { LocalRooms } from "../room/local_rooms.ts";
import { sessionNames } from "../room/context/session_names.ts";
import type { Refusal } from "./access_token.ts";
import { isDependentJoin } from "./join_admission.ts";
import type { JoinParameters } from "./join_parameters.ts";

/** The refusal, or `undefined` if moderation has nothing against this join. */
export function moderationRefusal(
  join: JoinParameters,
  rooms: LocalRooms,
): Refusal | undefined {
  const { roomName, identity, grant, tokenIdentity = identity } = join;
  const token = { notBeforeMs: join.tokenNotBefore ?? 0, expiresAtMs: join.tokenExpiresAt };
  for (const name of sessionNames(identity, tokenIdentity)) {
    if (rooms.revocations.refuses(roomName, name, token)) {
      return {
        ok: false,
        status: 401,
        body: "invalid authorization token: token has been revoked",
      };
    }
  }
  const room = rooms.get(roomName);
  if (room === undefined || !room.locked || room.byIdentity(identity) !== undefined) {
    return undefined;
  }
  return grant.roomAdmin || isDependentJoin(join)
    ? undefined
    : { ok: false, status: 403, body: "room is locked" };
}
