/**
 * Reads a signalling request (`/rtc`, `/rtc/v1` and their `/validate`): query string and verified
 * token in, join parameters or LiveKit's exact HTTP refusal out (1.13.5,
 * `pkg/service/rtcservice.go`). The order of the checks is part of the contract, because clients
 * tell failures apart by status and body.
 *
 * Pure but for the `admit` callback, which asks the room layer between two of the checks.
 *
 * @module
 */
import type {
  ParticipantInfo_Kind,
  ParticipantInfo_KindDetail,
  RoomConfiguration,
} from "@livekit/protocol";
import type { Claim } from "../room/context/room_claim.ts";
import { type AccessToken, type Refusal, refuse, type VideoGrant } from "./access_token.ts";
import { type ClientWishes, completeClientInfo } from "./client_wishes.ts";
import { readAttributes, wishesOfQuery } from "./join_query.ts";
import { decodeJoinRequest, wishesOfJoinRequest } from "./join_request.ts";

/** Everything a session is started with. */
export interface JoinParameters extends Omit<ClientWishes, "publish"> {
  readonly roomName: string;
  /** Includes `#<publish>` for a publish-only second session. */
  readonly identity: string;
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Name of a publish-only second session. */
  readonly publish?: string;
  readonly grant: VideoGrant;
  readonly kind: ParticipantInfo_Kind;
  readonly kindDetails: readonly ParticipantInfo_KindDetail[];
  readonly roomConfig?: RoomConfiguration;
  readonly roomPreset?: string;
  /** The key that signed the token. */
  readonly apiKey: string;
  /** Unix milliseconds. */
  readonly tokenExpiresAt: number;
  /** Unix milliseconds; absent if the token does not say when it was issued. */
  readonly tokenNotBefore?: number;
  /** The token itself, and the address it came from; for counting alone. */
  readonly tokenId?: string;
  readonly socketAddress?: string;
  /** The identity of the user that the token was made for, without any `#<publish>`. */
  readonly tokenIdentity?: string;
  /** What lets it be in its room, where several nodes serve rooms. */
  readonly claim?: Claim;
}

/** Lengths in UTF-8 bytes; 0 means no limit. */
export interface JoinLimits {
  readonly maxRoomNameLength: number;
  readonly maxParticipantIdentityLength: number;
}

/** The parts of an HTTP request this module reads. */
export interface JoinHttpRequest {
  readonly query: URLSearchParams;
  /** Absent if the request carried none. */
  readonly token: AccessToken | undefined;
  /** `User-Agent`, or empty. */
  readonly userAgent: string;
  /** Where the client comes from, as far as proxies of ours say so, else its socket. */
  readonly socketAddress?: string;
  /** On `/rtc/v1`: a query without a join request is refused. */
  readonly needsJoinRequest?: boolean;
}

/** What the room layer says to parameters that are otherwise in order. */
export type Admission = { readonly ok: true } | Refusal;

/** A join that this node is to serve, or why it is not. */
export type Placement = { readonly ok: true; readonly join: JoinParameters } | Refusal;

const NO_ACCESS = "no permissions to access the room";

/**
 * Validates in LiveKit's order.
 *
 * @param strict `true` on `/rtc/validate`, where undecodable `attributes` are refused; on the
 * WebSocket path they are ignored.
 * @param admit Asked after the token's checks and before the permission to set metadata.
 */
export function readJoinParameters(
  request: JoinHttpRequest,
  limits: JoinLimits,
  strict: boolean,
  admit: (join: JoinParameters) => Admission,
): { readonly ok: true; readonly join: JoinParameters } | Refusal {
  const { token } = request;
  if (token?.video === undefined) return refuse(401, NO_ACCESS);
  const read = readWishes(request, strict);
  if (!read.ok) return read;
  const { wishes } = read;
  const grant = token.video;
  if (!grant.roomJoin) return refuse(401, "permissions denied");
  if (token.identity === "") return refuse(400, "identity cannot be empty");
  // Also what a publish-only session adds to it must not go beyond the limit.
  if (exceeds(identityOf(token, wishes.publish), limits.maxParticipantIdentityLength)) {
    const limit = limits.maxParticipantIdentityLength;
    return refuse(400, `participant identity length exceeds limits: max length ${limit}`);
  }
  if (grant.room === "") return refuse(400, "no room name");
  if (exceeds(grant.room, limits.maxRoomNameLength)) {
    return refuse(400, `room name length exceeds limits: max length ${limits.maxRoomNameLength}`);
  }
  if (wishes.publish !== undefined && !grant.canPublish) return refuse(401, NO_ACCESS);
  const { socketAddress = "" } = request;
  const join = { ...toJoinParameters(wishes, token, grant), socketAddress };
  const admission = admit(join);
  if (!admission.ok) return admission;
  const { metadata, attributes } = wishes;
  if (metadata === "" && Object.keys(attributes).length === 0) return { ok: true, join };
  if (!grant.canUpdateOwnMetadata) return refuse(401, NO_ACCESS);
  // An empty value would delete what the token says, which a joining client may not do.
  const set = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== ""));
  return {
    ok: true,
    join: {
      ...join,
      metadata: metadata || join.metadata,
      attributes: { ...join.attributes, ...set },
    },
  };
}

/** What the client asks for: in its `join_request` if it sends one, else in the query. */
function readWishes(
  { query, userAgent, socketAddress = "", needsJoinRequest = false }: JoinHttpRequest,
  strict: boolean,
): { readonly ok: true; readonly wishes: ClientWishes } | Refusal {
  const encoded = query.get("join_request") ?? "";
  if (encoded === "" && needsJoinRequest) return refuse(400, "join_request is required");
  if (encoded === "") {
    const wishes = wishesOfQuery(query);
    const attributes = readAttributes(query);
    if (attributes === undefined && strict) return refuse(400, "cannot decode attributes");
    completeClientInfo(wishes.clientInfo, userAgent, socketAddress);
    return { ok: true, wishes: { ...wishes, attributes: attributes ?? {} } };
  }
  const decoded = decodeJoinRequest(encoded);
  if (!decoded.ok) return refuse(400, decoded.message);
  const wishes = wishesOfJoinRequest(decoded.request);
  completeClientInfo(wishes.clientInfo, userAgent, socketAddress);
  return { ok: true, wishes };
}

/** Puts together what the client asks for and what its token grants. */
export function toJoinParameters(
  wishes: ClientWishes,
  token: AccessToken,
  grant: VideoGrant,
): JoinParameters {
  const { publish, metadata: _metadata, attributes: _attributes, ...settings } = wishes;
  return {
    ...settings,
    roomName: grant.room,
    identity: identityOf(token, publish),
    ...(publish === undefined ? {} : { publish }),
    name: token.name,
    metadata: token.metadata,
    attributes: token.attributes,
    grant: publish === undefined ? grant : { ...grant, canSubscribe: false },
    kind: token.kind,
    kindDetails: token.kindDetails,
    ...(token.roomConfig ? { roomConfig: token.roomConfig } : {}),
    ...(token.roomPreset === "" ? {} : { roomPreset: token.roomPreset }),
    apiKey: token.apiKey,
    tokenExpiresAt: token.expiresAt,
    tokenNotBefore: token.notBefore,
    ...(token.tokenId === undefined ? {} : { tokenId: token.tokenId }),
    tokenIdentity: token.publishOf ?? token.identity,
  };
}

/** A publish-only session that comes back with its own refreshed token keeps its name. */
function identityOf(
  { identity, publishOf }: Pick<AccessToken, "identity" | "publishOf">,
  publish: string | undefined,
): string {
  if (publish === undefined || identity === `${publishOf}#${publish}`) return identity;
  return `${identity}#${publish}`;
}

/** Whether `text` is longer than `limit` UTF-8 bytes; 0 means no limit. */
export function exceeds(text: string, limit: number): boolean {
  return limit !== 0 && new TextEncoder().encode(text).length > limit;
}
