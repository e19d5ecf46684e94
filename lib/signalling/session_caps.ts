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
import { type SessionCensus, userKey } from "../room/context/session_census.ts";
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

/** The refusal of one session too many; counted under what there were too many of. */
export function capRefusal(
  join: JoinParameters,
  sessions: Pick<SessionCensus, "hasMany">,
  caps: SessionCaps,
  counters: DropSink<SignallingDrop>,
): Refusal | undefined {
  // Who resumes is counted already.
  if (join.reconnect) return undefined;
  const exceeded = exceededCap(join, sessions, caps);
  if (exceeded === undefined) return undefined;
  counters.count(`session_cap_${exceeded}`);
  return { ok: false, status: 429, body: `too many sessions with this ${exceeded}` };
}

function exceededCap(
  join: JoinParameters,
  sessions: Pick<SessionCensus, "hasMany">,
  { perIdentity, perToken, perAddress }: SessionCaps,
): "identity" | "token" | "address" | undefined {
  const { roomName: room, identity, tokenId, socketAddress = "" } = join;
  const place = { room, identity };
  const user = userKey(room, join.tokenIdentity ?? identity);
  if (perIdentity > 0 && sessions.hasMany("user", user, perIdentity, place)) return "identity";
  if (perToken > 0 && tokenId !== undefined) {
    if (sessions.hasMany("token", tokenId, perToken, place)) return "token";
  }
  const addressCap = perAddress ?? (isPublicAddress(socketAddress) ? DEFAULT_PER_ADDRESS : 0);
  if (addressCap === 0) return undefined;
  const block = addressBlock(socketAddress);
  if (block === undefined) return undefined;
  return sessions.hasMany("address", block, addressCap, place) ? "address" : undefined;
}
