/**
 * Which grant each kind of server API call needs. A check gives the error to answer, or
 * `undefined`.
 *
 * @module
 */
import type { AccessToken } from "../lib/signalling/access_token.ts";
import { permissionsDenied, type TwirpError } from "./twirp_error.ts";

type Check = TwirpError | undefined;
type Token = AccessToken | undefined;

/** `roomCreate`: makes and deletes rooms. */
export function needsRoomCreate(token: Token): Check {
  return unless(token?.video?.roomCreate);
}

/** `roomList`. */
export function needsRoomList(token: Token): Check {
  return unless(token?.video?.roomList);
}

/** `roomAdmin` for whatever room: all that shows before the request is read. */
export function needsSomeRoomAdmin(token: Token): Check {
  return unless(token?.video?.roomAdmin);
}

/**
 * `roomAdmin` for exactly this room; a token without a room is no token for the room without a
 * name.
 */
export function needsRoomAdmin(token: Token, room: string): Check {
  return unless(token?.video?.roomAdmin && room !== "" && token.video.room === room);
}

/** `roomAdmin` for `room`, and `destinationRoom` naming where participants go. */
export function needsDestination(token: Token, room: string, destination: string): Check {
  return needsRoomAdmin(token, room) ??
    unless(destination !== "" && token?.video?.destinationRoom === destination);
}

/** `roomAdmin` and `roomList` for no room in particular: no participant's token has that. */
export function needsOperator(token: Token): Check {
  const { roomAdmin, roomList, room } = token?.video ?? {};
  return unless(roomAdmin === true && roomList === true && room === "");
}

/** `roomRecord`: egress. */
export function needsRoomRecord(token: Token): Check {
  return unless(token?.video?.roomRecord);
}

/** `ingressAdmin`. */
export function needsIngressAdmin(token: Token): Check {
  return unless(token?.video?.ingressAdmin);
}

/** `sip.admin`: trunks and dispatch rules. */
export function needsSipAdmin(token: Token): Check {
  return unless(token?.sip.admin);
}

/** `sip.call`: telephone participants. */
export function needsSipCall(token: Token): Check {
  return unless(token?.sip.call);
}

function unless(granted: boolean | undefined): Check {
  return granted === true ? undefined : permissionsDenied();
}
