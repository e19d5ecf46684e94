/**
 * The credentials of the TURN server inside this process: made for a participant, and checked
 * without a memory of them.
 *
 * Compatible with LiveKit's server 1.13.5 (`pkg/service/turn.go`): a name says whose key signed it,
 * for whom and until when, the password follows from it and the key's secret. Clients take both as
 * opaque.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { invariant } from "../../base/errors.ts";
import type { StunMac } from "../../wire/stun.ts";
import { stunMacOf } from "../ice/stun_key.ts";

/** What clients are told to be in; LiveKit's. */
export const TURN_REALM = "livekit";
const SEPARATOR = "|";
const FIELDS = 3;
/** Longer ones are not ours. */
const MAX_NAME_BYTES = 512;

/** What a client is given. */
export interface TurnCredentials {
  readonly username: string;
  readonly credential: string;
}

/** What a name says, once its password has been proved. */
export interface TurnUser {
  readonly apiKey: string;
  /** Of the participant. */
  readonly sid: string;
  /** Unix seconds, after which nothing new is allocated. */
  readonly expiresAt: number;
}

/**
 * Makes credentials.
 *
 * @param secret Of `user.apiKey`.
 * @throws {InvariantError} if they would never end: a name without an end is refused.
 */
export function turnCredentials(user: TurnUser, secret: string): TurnCredentials {
  const { apiKey, sid, expiresAt } = user;
  invariant(expiresAt > 0, "credentials end at some time");
  const name = [apiKey, sid, expiresAt].join(SEPARATOR);
  return {
    username: Buffer.from(name).toString("base64url"),
    credential: passwordOf(user, secret),
  };
}

/** Reads a name; `undefined` if it cannot be one of ours. Proves nothing. */
export function readTurnUser(username: string): TurnUser | undefined {
  if (username.length > MAX_NAME_BYTES || !/^[\w-]+$/.test(username)) return undefined;
  const parts = Buffer.from(username, "base64url").toString().split(SEPARATOR);
  const [apiKey, sid, expiry] = parts;
  if (parts.length !== FIELDS || !apiKey || !sid || !/^[1-9]\d{0,14}$/.test(expiry!)) {
    return undefined;
  }
  return { apiKey, sid, expiresAt: Number(expiry) };
}

/** The long-term key of a name (RFC 8489 §9.2.2), ready to check and sign with. */
export function turnMac(username: string, user: TurnUser, secret: string): StunMac {
  const text = `${username}:${TURN_REALM}:${passwordOf(user, secret)}`;
  return stunMacOf(createHash("md5").update(text).digest());
}

function passwordOf({ apiKey: _, sid, expiresAt }: TurnUser, secret: string): string {
  return createHash("sha256").update([secret, sid, expiresAt].join(SEPARATOR)).digest("base64url");
}
