/**
 * Reads a WHIP client's request to join: query, headers and verified token in, join parameters or
 * LiveKit's refusal out, in LiveKit's order of checks (1.13.5, `pkg/service/whipservice.go`).
 *
 * Pure.
 *
 * @module
 */
import { type AccessToken, type Refusal, refuse } from "./access_token.ts";
import { completeClientInfo } from "./client_wishes.ts";
import {
  exceeds,
  type JoinHttpRequest,
  type JoinLimits,
  type JoinParameters,
  toJoinParameters,
} from "./join_parameters.ts";
import { wishesOfQuery } from "./join_query.ts";
import { CURRENT_PROTOCOL } from "./join_response.ts";

/** Tracks a client wants in its answer: identity → names. */
export type WantedTracks = ReadonlyMap<string, readonly string[]>;

/** The parts of an HTTP request this module reads. */
export interface WhipHttpRequest extends Omit<JoinHttpRequest, "needsJoinRequest"> {
  /** `X-LiveKit-ClientInfo`, or empty. */
  readonly clientInfo: string;
}

/** A room and an identity that a token may join with. */
export type WhipGrant =
  | {
    readonly ok: true;
    readonly token: AccessToken;
    readonly roomName: string;
    readonly identity: string;
  }
  | Refusal;

/** Longest header looked at, characters: what the listener takes anyway. */
const MAX_HEADER_CHARS = 65_536;

/** Tracks a client may name, all in all; its answer has a section for each. */
export const MAX_WANTED_TRACKS = 100;

/** What every WHIP request needs of its token, before anything else is looked at. */
export function readWhipGrant(token: AccessToken | undefined): WhipGrant {
  if (token?.video === undefined) return refuse(401, "no permissions to access the room");
  if (!token.video.roomJoin) return refuse(401, "permissions denied");
  if (token.video.room === "") return refuse(401, "room name cannot be empty");
  return { ok: true, token, roomName: token.video.room, identity: token.identity };
}

/** Reads what a session is started with. */
export function readWhipParameters(
  request: WhipHttpRequest,
  limits: JoinLimits,
): { readonly ok: true; readonly join: JoinParameters; readonly wanted: WantedTracks } | Refusal {
  const access = readWhipGrant(request.token);
  if (!access.ok) return access;
  const { token, roomName, identity } = access;
  if (exceeds(roomName, limits.maxRoomNameLength)) {
    return refuse(400, `room name length exceeds limits: max length ${limits.maxRoomNameLength}`);
  }
  if (identity === "") return refuse(400, "identity cannot be empty");
  if (exceeds(identity, limits.maxParticipantIdentityLength)) {
    const limit = limits.maxParticipantIdentityLength;
    return refuse(400, `participant identity length exceeds limits: max length ${limit}`);
  }
  const header = readClientInfoHeader(request.clientInfo);
  if (header === undefined) return refuse(400, "malformed json in client info header");
  if (header === "too many") {
    return refuse(
      400,
      `too many subscribed tracks in client info header: max ${MAX_WANTED_TRACKS}`,
    );
  }
  const { publish: _publish, ...wishes } = wishesOfQuery(request.query);
  const { clientInfo } = wishes;
  const { socketAddress = "" } = request;
  // Who says nothing of itself is no old client: WHIP has no protocol versions.
  if (clientInfo.protocol === 0) clientInfo.protocol = CURRENT_PROTOCOL;
  completeClientInfo(clientInfo, request.userAgent, header.clientIp || socketAddress);
  return {
    ok: true,
    join: {
      ...toJoinParameters(wishes, token, token.video!),
      socketAddress,
      autoSubscribe: true,
      adaptiveStream: false,
      reconnect: false,
      singlePeerConnection: true,
    },
    wanted: header.wanted,
  };
}

/** `undefined` if it is not JSON of the right shape; unknown fields are passed over. */
function readClientInfoHeader(
  text: string,
): { readonly clientIp: string; readonly wanted: WantedTracks } | "too many" | undefined {
  const wanted = new Map<string, readonly string[]>();
  if (text === "") return { clientIp: "", wanted };
  if (text.length > MAX_HEADER_CHARS) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { clientIp = "", subscribedParticipantTrackNames: names = {} } = value;
  if (typeof clientIp !== "string" || !isRecord(names ?? {})) return undefined;
  let count = 0;
  for (const [identity, list] of Object.entries(names ?? {})) {
    if (!Array.isArray(list) || list.some((name) => typeof name !== "string")) return undefined;
    if ((count += Math.max(1, list.length)) > MAX_WANTED_TRACKS) return "too many";
    wanted.set(identity, list);
  }
  return { clientIp, wanted };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
