/**
 * Whom moderation keeps out: bearers of tokens from before they were removed, and newcomers to a
 * locked room.
 *
 * @module
 */
import type { RoomDirectory } from "../room/room_directory.ts";
import type { Refusal } from "./access_token.ts";
import type { JoinParameters } from "./join_parameters.ts";

/** The refusal, or `undefined` if moderation has nothing against this join. */
export function moderationRefusal(
  join: JoinParameters,
  rooms: RoomDirectory,
): Refusal | undefined {
  const { roomName, identity, grant } = join;
  const token = { notBeforeMs: join.tokenNotBefore ?? 0, expiresAtMs: join.tokenExpiresAt };
  // A publish-only session has an identity of its own and the token of its user.
  const names = new Set([identity, join.tokenIdentity ?? identity]);
  for (const name of names) {
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
  const privileged = grant.roomAdmin || grant.agent || grant.recorder;
  return privileged ? undefined : { ok: false, status: 403, body: "room is locked" };
}
