/**
 * Access tokens: HS256 JSON Web Tokens that say who may do what in which room.
 *
 * {@linkcode verifyAccessToken} turns text from outside into a frozen {@linkcode AccessToken} or
 * into the HTTP answer LiveKit gives for it; it never throws on bad input.
 * {@linkcode signAccessToken} makes tokens that every LiveKit server accepts. Time is an argument.
 *
 * Source: livekit/protocol 1.50, `auth/grants.go` and `auth/verifier.go` (claims beside the
 * registered ones of RFC 7519 §4.1).
 *
 * @module
 */
import {
  ParticipantInfo_Kind,
  ParticipantInfo_KindDetail,
  RoomConfiguration,
  TrackSource,
} from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import { readToken, signatureFault, signToken, type UnverifiedToken } from "./json_web_token.ts";
import {
  type OwnClaims,
  ownClaims,
  type RegisteredClaims,
  registeredClaims,
  type VideoClaim,
} from "./token_claims.ts";

/** API key → secret. The first entry signs; every entry verifies. */
export type ApiKeys = ReadonlyMap<string, string>;

/** Tolerance for clocks that disagree, seconds: what LiveKit servers allow. */
const LEEWAY_S = 60;

/** What the `video` claim grants, with every default filled in. */
export interface VideoGrant {
  readonly roomCreate: boolean;
  readonly roomList: boolean;
  readonly roomRecord: boolean;
  readonly roomAdmin: boolean;
  readonly roomJoin: boolean;
  /** Room to join or administer; empty if the token names none. */
  readonly room: string;
  /** Default `true`. */
  readonly canPublish: boolean;
  /** Sources that may be published; empty means all. Only effective with `canPublish`. */
  readonly canPublishSources: readonly TrackSource[];
  /** Default `true`. */
  readonly canSubscribe: boolean;
  /** Default: the value of `canPublish`. */
  readonly canPublishData: boolean;
  readonly canUpdateOwnMetadata: boolean;
  readonly canSubscribeMetrics: boolean;
  readonly canManageAgentSession: boolean;
  readonly ingressAdmin: boolean;
  readonly hidden: boolean;
  readonly recorder: boolean;
  readonly agent: boolean;
  readonly destinationRoom: string;
}

/** A verified token. */
export interface AccessToken {
  /** The key that signed it. */
  readonly apiKey: string;
  /** Tells it apart from every other token; opens nothing. */
  readonly tokenId?: string;
  /** `sub`, or `jti` where there is no `sub`; empty if the token names nobody. */
  readonly identity: string;
  /**
   * Whose second, publish-only session `identity` is, if it is one; set in refreshed tokens alone.
   */
  readonly publishOf?: string;
  readonly name: string;
  readonly kind: ParticipantInfo_Kind;
  readonly kindDetails: readonly ParticipantInfo_KindDetail[];
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly video?: VideoGrant;
  readonly sip: { readonly admin: boolean; readonly call: boolean };
  readonly roomConfig?: RoomConfiguration;
  readonly roomPreset: string;
  /** Base64 hash of a webhook body. */
  readonly sha256: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** `nbf`, else `iat`, Unix milliseconds; 0 if the token says neither. */
  readonly notBefore: number;
}

/** The HTTP answer to a request that is refused. */
export interface Refusal {
  readonly ok: false;
  readonly status: number;
  readonly body: string;
  /** It may be otherwise after so many seconds. */
  readonly retryAfterS?: number;
  /** Other nodes that may take it; absent: nobody. */
  readonly takers?: readonly NodeId[] | "any";
}

/** Refuses, and says no more than that. */
export function refuse(status: number, body: string): Refusal {
  return { ok: false, status, body };
}

/** What a token says when it is made; absent fields are not written. */
export interface TokenClaims {
  readonly identity: string;
  readonly publishOf?: string;
  readonly name?: string;
  readonly kind?: ParticipantInfo_Kind;
  readonly metadata?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly video?: Partial<VideoGrant>;
  readonly roomConfig?: RoomConfiguration;
  readonly roomPreset?: string;
}

/**
 * Verifies signature, times and shape.
 *
 * @param nowMs Unix milliseconds.
 * @returns The token, or 401 with the text LiveKit sends: `invalid authorization token` if it
 * cannot be read at all, `invalid API key` if the issuer is unknown, else
 * `invalid authorization token: <detail>`.
 */
export async function verifyAccessToken(
  jwt: string,
  keys: ApiKeys,
  nowMs: number,
): Promise<{ readonly ok: true; readonly token: AccessToken } | Refusal> {
  const read = readToken(jwt);
  const claims = registeredClaims(read?.payload);
  if (read === undefined || claims === undefined) return refused("invalid authorization token");
  const apiKey = claims.iss ?? "";
  const secret = keys.get(apiKey);
  if (secret === undefined || secret === "") return refused("invalid API key");
  const fault = signatureDetail(jwt, read, secret) ?? claimsDetail(claims, nowMs);
  if (fault !== undefined) return refused(`invalid authorization token: ${fault}`);
  const own = ownClaims(read.payload);
  const roomConfig = readRoomConfig(own?.roomConfig);
  if (own === undefined || roomConfig === "malformed") {
    return refused("invalid authorization token: token is malformed: claims have the wrong type");
  }
  const identity = claims.sub || claims.jti || "";
  const expiresAt = (claims.exp ?? 0) * 1000;
  const notBefore = (claims.nbf ?? claims.iat ?? 0) * 1000;
  const tokenId = jwt.slice(jwt.lastIndexOf(".") + 1);
  const known = { apiKey, tokenId, identity, expiresAt, notBefore, roomConfig };
  return { ok: true, token: toToken(own, known) };
}

function toToken(
  own: OwnClaims,
  known: {
    apiKey: string;
    tokenId: string;
    identity: string;
    expiresAt: number;
    notBefore: number;
    roomConfig: RoomConfiguration | undefined;
  },
): AccessToken {
  return Object.freeze({
    apiKey: known.apiKey,
    tokenId: known.tokenId,
    identity: known.identity,
    expiresAt: known.expiresAt,
    notBefore: known.notBefore,
    ...(own.publishOf && known.identity.startsWith(`${own.publishOf}#`)
      ? { publishOf: own.publishOf }
      : {}),
    name: own.name ?? "",
    kind: enumByName(ParticipantInfo_Kind, own.kind ?? "") ?? ParticipantInfo_Kind.STANDARD,
    kindDetails: (own.kindDetails ?? []).flatMap((name) =>
      enumByName(ParticipantInfo_KindDetail, name) ?? []
    ),
    metadata: own.metadata ?? "",
    attributes: Object.freeze({ ...own.attributes }),
    ...(own.video ? { video: toVideoGrant(own.video) } : {}),
    sip: { admin: own.sip?.admin ?? false, call: own.sip?.call ?? false },
    ...(known.roomConfig ? { roomConfig: known.roomConfig } : {}),
    roomPreset: own.roomPreset ?? "",
    sha256: own.sha256 ?? "",
  });
}

/** Fills the defaults of a grant that may be incomplete (the claim, or {@linkcode TokenClaims}). */
function toVideoGrant(claim: VideoClaim): VideoGrant {
  const canPublish = claim.canPublish ?? true;
  return Object.freeze({
    roomCreate: claim.roomCreate ?? false,
    roomList: claim.roomList ?? false,
    roomRecord: claim.roomRecord ?? false,
    roomAdmin: claim.roomAdmin ?? false,
    roomJoin: claim.roomJoin ?? false,
    room: claim.room ?? "",
    canPublish,
    canPublishSources: (claim.canPublishSources ?? []).map((name) =>
      enumByName(TrackSource, name) ?? TrackSource.UNKNOWN
    ),
    canSubscribe: claim.canSubscribe ?? true,
    canPublishData: claim.canPublishData ?? canPublish,
    canUpdateOwnMetadata: claim.canUpdateOwnMetadata ?? false,
    canSubscribeMetrics: claim.canSubscribeMetrics ?? false,
    canManageAgentSession: claim.canManageAgentSession ?? false,
    ingressAdmin: claim.ingressAdmin ?? false,
    hidden: claim.hidden ?? false,
    recorder: claim.recorder ?? false,
    agent: claim.agent ?? false,
    destinationRoom: claim.destinationRoom ?? "",
  });
}

/**
 * Signs a token.
 *
 * @param nowMs Unix milliseconds; becomes `nbf` and `iat`.
 * @param validForMs Life from `nowMs`, milliseconds.
 */
export async function signAccessToken(
  key: { readonly apiKey: string; readonly secret: string },
  claims: TokenClaims,
  nowMs: number,
  validForMs: number,
): Promise<string> {
  const issuedAt = Math.trunc(nowMs / 1000);
  const payload: Record<string, unknown> = {};
  if (claims.publishOf) payload.publishOf = claims.publishOf;
  if (claims.name) payload.name = claims.name;
  if (claims.kind) payload.kind = ParticipantInfo_Kind[claims.kind].toLowerCase();
  if (claims.metadata) payload.metadata = claims.metadata;
  if (claims.attributes && Object.keys(claims.attributes).length > 0) {
    payload.attributes = claims.attributes;
  }
  if (claims.video) payload.video = toVideoClaim(claims.video);
  if (claims.roomConfig) payload.roomConfig = claims.roomConfig.toJson();
  if (claims.roomPreset) payload.roomPreset = claims.roomPreset;
  payload.iss = key.apiKey;
  payload.sub = claims.identity;
  payload.iat = payload.nbf = issuedAt;
  payload.exp = Math.trunc((nowMs + validForMs) / 1000);
  return signToken(payload, key.secret);
}

/**
 * Booleans that are `true` when a token does not mention them, so `false` has to be written out.
 */
const TRUE_WHEN_ABSENT: ReadonlySet<string> = new Set([
  "canPublish",
  "canSubscribe",
  "canPublishData",
]);

function toVideoClaim(grant: Partial<VideoGrant>): Record<string, unknown> {
  const claim: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(grant)) {
    if (name === "canPublishSources") {
      const sources = (value as readonly TrackSource[]).map((s) => TrackSource[s].toLowerCase());
      if (sources.length > 0) claim[name] = sources;
    } else if (value || (value === false && TRUE_WHEN_ABSENT.has(name))) {
      claim[name] = value;
    }
  }
  return claim;
}

function readRoomConfig(
  json: Readonly<Record<string, unknown>> | null | undefined,
): RoomConfiguration | undefined | "malformed" {
  if (json === null || json === undefined) return undefined;
  try {
    return RoomConfiguration.fromJson(json as Parameters<typeof RoomConfiguration.fromJson>[0], {
      ignoreUnknownFields: true,
    });
  } catch {
    return "malformed";
  }
}

/** In the words that LiveKit servers use (1.13.5, `pkg/service/auth.go`), as those below. */
function signatureDetail(jwt: string, read: UnverifiedToken, secret: string): string | undefined {
  switch (signatureFault(jwt, read, secret)) {
    case "method":
      return "token signature is invalid: signing method is not allowed";
    case "signature":
      return "token signature is invalid: signature is invalid";
    default:
      return undefined;
  }
}

/** What is wrong with a token's times (RFC 7519 §4.1.4, §4.1.5); a `null` is no time. */
function claimsDetail(
  { exp, nbf, iat }: RegisteredClaims,
  nowMs: number,
): string | undefined {
  const nowS = Math.floor(nowMs / 1000);
  if (exp === undefined || exp === null) {
    return "token has invalid claims: token is missing required claim: exp claim is required";
  }
  if (iat === null) return "token has invalid claims: iat";
  if (nbf === null || (nbf ?? 0) > nowS + LEEWAY_S) {
    return "token has invalid claims: token is not valid yet";
  }
  return exp <= nowS - LEEWAY_S ? "token has invalid claims: token is expired" : undefined;
}

function refused(body: string): Refusal {
  return refuse(401, body);
}

/** Looks up a protobuf enum's number by its lower-case name. */
function enumByName<E extends Record<string, string | number>>(
  values: E,
  name: string,
): E[keyof E] | undefined {
  const value = Object.hasOwn(values, name.toUpperCase()) ? values[name.toUpperCase()] : undefined;
  return typeof value === "number" ? value as E[keyof E] : undefined;
}
