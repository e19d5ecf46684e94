/**
 * How many sessions there may be at once of one user, with one token, from one address.
 *
 * Counted are participants, however they came in, for as long as they are there; one that takes its
 * own place (the same identity in the same room) is not counted beside itself. Forwarded
 * participants are nobody's sessions. Pure.
 *
 * @module
 */
import type { DropSink } from "../base/drop_counters.ts";
import type { ParticipantInit } from "../room/context/participant_profile.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { addressBlock, isPublicAddress } from "../wire/ip_address.ts";
import type { Refusal } from "./access_token.ts";
import type { SignallingDrop } from "./drop_reasons.ts";
import type { JoinParameters } from "./join_parameters.ts";

/** 0 is no limit. */
export interface SessionCaps {
  /** Of one user in one room: the first session and the publish-only ones beside it. */
  readonly perIdentity: number;
  readonly perToken: number;
  /**
   * From one IPv4 address or one IPv6 /64. `undefined` is the default, for public addresses alone:
   * in a private network there are proxies, which everybody comes through.
   */
  readonly perAddress: number | undefined;
}

export const DEFAULT_SESSION_CAPS: SessionCaps = {
  perIdentity: 10,
  perToken: 10,
  perAddress: undefined,
};
const DEFAULT_PER_ADDRESS = 1_000;

type Sessions = Pick<LocalRooms, "forEachSession">;

/** The refusal of one session too many; counted under what there were too many of. */
export function capRefusal(
  join: JoinParameters,
  rooms: Sessions,
  caps: SessionCaps,
  counters: DropSink<SignallingDrop>,
): Refusal | undefined {
  // Who resumes is counted already.
  if (join.reconnect) return undefined;
  const exceeded = exceededCap(join, rooms, caps);
  if (exceeded === undefined) return undefined;
  counters.count(`session_cap_${exceeded}`);
  return { ok: false, status: 429, body: `too many sessions with this ${exceeded}` };
}

function exceededCap(
  join: JoinParameters,
  rooms: Sessions,
  { perIdentity, perToken, perAddress }: SessionCaps,
): "identity" | "token" | "address" | undefined {
  const { roomName, identity, tokenId, socketAddress = "" } = join;
  const user = join.tokenIdentity ?? identity;
  const block = addressBlock(socketAddress);
  const addressCap = perAddress ?? (isPublicAddress(socketAddress) ? DEFAULT_PER_ADDRESS : 0);
  let sameUser = 0;
  let sameToken = 0;
  let sameAddress = 0;
  rooms.forEachSession((room, init) => {
    if (room === roomName && init.identity === identity) return;
    if (room === roomName && userOf(init) === user) sameUser++;
    if (tokenId !== undefined && init.tokenId === tokenId) sameToken++;
    if (block !== undefined && init.addressBlock === block) sameAddress++;
  });
  if (perIdentity > 0 && sameUser >= perIdentity) return "identity";
  if (perToken > 0 && sameToken >= perToken) return "token";
  return addressCap > 0 && sameAddress >= addressCap ? "address" : undefined;
}

function userOf({ identity, userIdentity = identity }: ParticipantInit): string {
  return userIdentity;
}
