/**
 * How operators get in, and which tokens they get: for themselves, and for each call of the server
 * API.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { DropSink } from "../base/drop_counters.ts";
import type { Clock } from "../base/platform.ts";
import type { AccessToken, ApiKeys } from "../signalling/access_token.ts";
import type { AdminRouteOptions, RoomTokenRequest } from "../../routes/admin.ts";
import type { AdminEntry, AdminSession, AdminSessionOptions } from "../../routes/admin_session.ts";
import type { RoutesDrop } from "../../routes/drop_reasons.ts";
import { OPERATOR_IDENTITY, operatorClaims } from "./operator_claims.ts";
import { PasswordAttempts } from "./password_attempts.ts";
import { firstKeySigner } from "./server_keys.ts";

/** Long enough for one call. */
const ROOM_TOKEN_MS = 60_000;
const THIS_MACHINE = /^(?:::ffff:)?127(?:\.\d{1,3}){3}$|^::1$/i;

/** What is needed for it. */
export interface OperatorTokensWorld {
  readonly keys: ApiKeys;
  readonly clock: Clock;
  readonly counters: DropSink<RoutesDrop>;
}

/** What the routes need of it. */
export function operatorTokens(
  entry: AdminEntry,
  password: string,
  { keys, clock, counters }: OperatorTokensWorld,
): Pick<AdminRouteOptions, "session" | "roomToken"> {
  const attempts = new PasswordAttempts();
  const expected = digest(password);
  const sign = firstKeySigner(keys);
  const session: AdminSessionOptions = {
    entry,
    counters,
    isHere: (address) => THIS_MACHINE.test(address),
    mayTry: (address) => attempts.take(address, clock.now()),
    succeeded: (address) => attempts.succeeded(address),
    isPassword: (given) => timingSafeEqual(digest(given), expected),
    issue: async (): Promise<AdminSession> => {
      const { claims, validForMs } = operatorClaims();
      const nowMs = clock.wallMs();
      const token = await sign(claims, nowMs, validForMs);
      return { token, expiresAtMs: nowMs + validForMs };
    },
  };
  const roomToken = (token: AccessToken, wanted: RoomTokenRequest) => {
    const nowMs = clock.wallMs();
    const validForMs = Math.max(0, Math.min(ROOM_TOKEN_MS, token.expiresAt - nowMs));
    return sign(roomClaims(token, wanted), nowMs, validForMs);
  };
  return { session, roomToken };
}

/** No more rights than `token` has: that of all rooms, for one. */
function roomClaims(
  { video, identity }: AccessToken,
  { room, destinationRoom }: RoomTokenRequest,
) {
  const { roomCreate = false, roomRecord = false } = video ?? {};
  const rights = { roomAdmin: true, roomList: true, roomCreate, roomRecord };
  return { identity: identity || OPERATOR_IDENTITY, video: { ...rights, room, destinationRoom } };
}

/** Of one length for every password, so that time does not even tell that. */
function digest(password: string): Uint8Array {
  return createHash("sha256").update(password).digest();
}
