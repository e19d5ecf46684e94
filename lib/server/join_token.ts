/**
 * The token that `create-join-token` prints: for one participant of one room, with the rights that
 * were asked for.
 *
 * @module
 */
import { TrackSource } from "@livekit/protocol";
import { SfuError } from "../base/errors.ts";
import type { TokenClaims, VideoGrant } from "../signalling/access_token.ts";
import { parseGoDuration } from "./config/config_values.ts";
import { nearestName } from "./config/nearest_name.ts";
import { operatorClaims } from "./operator_claims.ts";

/** A month, as LiveKit's `create-join-token` gives (1.13.5, `cmd/server/commands.go`). */
const VALID_FOR_MS = 30 * 24 * 3_600_000;

/** What `create-join-token` was asked for; absent where nothing was said. */
export interface JoinTokenRequest {
  readonly room: string;
  readonly identity: string;
  /** A hidden participant who may not publish. */
  readonly recorder: boolean;
  /** Shown to the others. */
  readonly name?: string;
  /** Life, a Go duration. */
  readonly validFor?: string;
  /** Rights of the `video` grant, JSON. */
  readonly grant?: string;
}

/** The rights that a token can have, with the kind of value each has. */
const GRANTS: Readonly<Record<keyof VideoGrant, "flag" | "text" | "sources">> = {
  roomCreate: "flag",
  roomList: "flag",
  roomRecord: "flag",
  roomAdmin: "flag",
  roomJoin: "flag",
  room: "text",
  canPublish: "flag",
  canPublishSources: "sources",
  canSubscribe: "flag",
  canPublishData: "flag",
  canUpdateOwnMetadata: "flag",
  canSubscribeMetrics: "flag",
  canManageAgentSession: "flag",
  ingressAdmin: "flag",
  hidden: "flag",
  recorder: "flag",
  agent: "flag",
  destinationRoom: "text",
};
const EXPECTED = {
  flag: "true or false",
  text: "text",
  sources: 'a list of "camera", "microphone", "screen_share", "screen_share_audio"',
} as const;

/**
 * Claims and life of the token.
 *
 * @throws {SfuError} `invalid_config` for a life that is none or rights that there are not.
 */
export function joinTokenClaims(
  request: JoinTokenRequest,
): { readonly claims: TokenClaims; readonly validForMs: number } {
  const { room, identity, recorder, name, validFor, grant } = request;
  const restricted: Partial<VideoGrant> = recorder
    ? { hidden: true, recorder: true, canPublish: false, canPublishData: false }
    : {};
  const asked = grant === undefined ? {} : readGrant(grant);
  const video = { roomJoin: true, room, ...restricted, ...asked };
  const validForMs = lifeOf(validFor, VALID_FOR_MS);
  return { claims: { identity, ...(name === undefined ? {} : { name }), video }, validForMs };
}

/**
 * Claims and life of an operator's token.
 *
 * @param validFor A Go duration; a working day if absent.
 * @throws {SfuError} `invalid_config` for a life that is none.
 */
export function adminTokenClaims(
  validFor: string | undefined,
): { readonly claims: TokenClaims; readonly validForMs: number } {
  const { claims, validForMs } = operatorClaims();
  return { claims, validForMs: lifeOf(validFor, validForMs) };
}

function lifeOf(validFor: string | undefined, otherwiseMs: number): number {
  const validForMs = validFor === undefined ? otherwiseMs : parseGoDuration(validFor) ?? 0;
  if (validForMs > 0) return validForMs;
  throw new SfuError(
    "invalid_config",
    `--valid-for: expected a duration such as "30m" or "24h", got "${validFor}"`,
  );
}

function readGrant(text: string): Partial<VideoGrant> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Told below, as any other text that is no object.
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw problem(`expected a JSON object such as {"canPublish":false}`);
  }
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, right(name, value)]),
  );
}

function right(name: string, value: unknown): unknown {
  if (!Object.hasOwn(GRANTS, name)) {
    const near = nearestName(name, Object.keys(GRANTS));
    throw problem(`${name}: unknown right${near === undefined ? "" : `, did you mean "${near}"?`}`);
  }
  const kind = GRANTS[name as keyof VideoGrant];
  if (kind === "flag" && typeof value === "boolean") return value;
  if (kind === "text" && typeof value === "string") return value;
  const sources = kind === "sources" && Array.isArray(value) ? value.map(source) : [undefined];
  if (sources.every((known) => known !== undefined)) return sources;
  throw problem(`${name}: expected ${EXPECTED[kind]}`);
}

function source(name: unknown): TrackSource | undefined {
  const known = TrackSource[String(name).toUpperCase() as keyof typeof TrackSource];
  return typeof known === "number" && known !== TrackSource.UNKNOWN ? known : undefined;
}

function problem(text: string): SfuError {
  return new SfuError("invalid_config", `--grant: ${text}`);
}
