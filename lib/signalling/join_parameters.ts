/**
 * Reads a signalling request (`/rtc`, `/rtc/validate`): query string and verified token in, join
 * parameters or LiveKit's exact HTTP refusal out. The order of the checks is part of the contract,
 * because clients tell failures apart by status and body.
 *
 * Pure but for the `admit` callback, which asks the room layer between two of the checks.
 *
 * @module
 */
import {
  ClientInfo,
  ClientInfo_Capability,
  ClientInfo_SDK,
  ReconnectReason,
} from "@livekit/protocol";
import type {
  ParticipantInfo_Kind,
  ParticipantInfo_KindDetail,
  RoomConfiguration,
} from "@livekit/protocol";
import type { AccessToken, Refusal, VideoGrant } from "./access_token.ts";
import { parseUserAgent } from "./user_agent.ts";

/** Everything a session is started with. */
export interface JoinParameters {
  readonly roomName: string;
  /** Includes `#<publish>` for a publish-only second session. */
  readonly identity: string;
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly grant: VideoGrant;
  readonly kind: ParticipantInfo_Kind;
  readonly kindDetails: readonly ParticipantInfo_KindDetail[];
  readonly clientInfo: ClientInfo;
  readonly autoSubscribe: boolean;
  /** Absent: not subscribed to data tracks by itself. */
  readonly autoSubscribeDataTrack?: boolean;
  readonly adaptiveStream: boolean;
  /** Absent: `rtc.congestion_control.allow_pause` decides. */
  readonly subscriberAllowPause?: boolean;
  /** The client wants to take up an existing session again. */
  readonly reconnect: boolean;
  /** Only with `reconnect`. */
  readonly participantSid?: string;
  readonly reconnectReason: ReconnectReason;
  /** Name of a publish-only second session. */
  readonly publish?: string;
  readonly disableIceLite: boolean;
  readonly roomConfig?: RoomConfiguration;
  readonly roomPreset?: string;
  /** The key that signed the token. */
  readonly apiKey: string;
  /** Unix milliseconds. */
  readonly tokenExpiresAt: number;
  /** Unix milliseconds; absent if the token does not say when it was issued. */
  readonly tokenNotBefore?: number;
  /** The identity of the token itself, without `#<publish>`. */
  readonly tokenIdentity?: string;
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
  /** Where the client seems to come from, see {@linkcode clientAddress}. */
  readonly address: string;
}

/** What the room layer says to parameters that are otherwise in order. */
export type Admission = { readonly ok: true } | Refusal;

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
  const { query, token } = request;
  if (token?.video === undefined) return refuse(401, NO_ACCESS);
  const extra = decodeAttributes(query.get("attributes") ?? "");
  if (extra === undefined && strict) return refuse(400, "cannot decode attributes");
  const grant = token.video;
  if (!grant.roomJoin) return refuse(401, "permissions denied");
  if (token.identity === "") return refuse(400, "identity cannot be empty");
  if (exceeds(token.identity, limits.maxParticipantIdentityLength)) {
    const limit = limits.maxParticipantIdentityLength;
    return refuse(400, `participant identity length exceeds limits: max length ${limit}`);
  }
  if (grant.room === "") return refuse(400, "no room name");
  if (exceeds(grant.room, limits.maxRoomNameLength)) {
    return refuse(400, `room name length exceeds limits: max length ${limits.maxRoomNameLength}`);
  }
  const publish = query.get("publish") ?? "";
  if (publish !== "" && !grant.canPublish) return refuse(401, NO_ACCESS);
  const join = toJoinParameters(request, token, grant, publish);
  const admission = admit(join);
  if (!admission.ok) return admission;
  if (extra === undefined || Object.keys(extra).length === 0) return { ok: true, join };
  if (!grant.canUpdateOwnMetadata) return refuse(401, NO_ACCESS);
  // An empty value would delete what the token says, which a joining client may not do.
  const set = Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== ""));
  return { ok: true, join: { ...join, attributes: { ...join.attributes, ...set } } };
}

function toJoinParameters(
  { query, userAgent, address }: JoinHttpRequest,
  token: AccessToken,
  grant: VideoGrant,
  publish: string,
): JoinParameters {
  const reconnect = isTrue(query.get("reconnect"));
  const autoSubscribeDataTrack = optionalBoolean(query, "auto_subscribe_data_track");
  const subscriberAllowPause = optionalBoolean(query, "subscriber_allow_pause");
  return {
    roomName: grant.room,
    identity: publish === "" ? token.identity : `${token.identity}#${publish}`,
    name: token.name,
    metadata: token.metadata,
    attributes: token.attributes,
    grant: publish === "" ? grant : { ...grant, canSubscribe: false },
    kind: token.kind,
    kindDetails: token.kindDetails,
    clientInfo: readClientInfo(query, userAgent, address),
    autoSubscribe: optionalBoolean(query, "auto_subscribe") ?? true,
    ...(autoSubscribeDataTrack === undefined ? {} : { autoSubscribeDataTrack }),
    adaptiveStream: isTrue(query.get("adaptive_stream")),
    ...(subscriberAllowPause === undefined ? {} : { subscriberAllowPause }),
    reconnect,
    ...(reconnect ? { participantSid: query.get("sid") ?? "" } : {}),
    reconnectReason: readReconnectReason(query.get("reconnect_reason")),
    ...(publish === "" ? {} : { publish }),
    disableIceLite: isTrue(query.get("disable_ice_lite")),
    ...(token.roomConfig ? { roomConfig: token.roomConfig } : {}),
    ...(token.roomPreset === "" ? {} : { roomPreset: token.roomPreset }),
    apiKey: token.apiKey,
    tokenExpiresAt: token.expiresAt,
    tokenNotBefore: token.notBefore,
    tokenIdentity: token.identity,
  };
}

const SDK_BY_NAME: ReadonlyMap<string, ClientInfo_SDK> = new Map([
  ["js", ClientInfo_SDK.JS],
  ["ios", ClientInfo_SDK.SWIFT],
  ["swift", ClientInfo_SDK.SWIFT],
  ["android", ClientInfo_SDK.ANDROID],
  ["flutter", ClientInfo_SDK.FLUTTER],
  ["go", ClientInfo_SDK.GO],
  ["unity", ClientInfo_SDK.UNITY],
  ["reactnative", ClientInfo_SDK.REACT_NATIVE],
  ["rust", ClientInfo_SDK.RUST],
  ["python", ClientInfo_SDK.PYTHON],
  ["cpp", ClientInfo_SDK.CPP],
  ["unityweb", ClientInfo_SDK.UNITY_WEB],
  ["node", ClientInfo_SDK.NODE],
  ["esp32", ClientInfo_SDK.ESP32],
]);

/** SDKs that run inside a browser or may do so, whose `User-Agent` fills what they do not say. */
const MAY_BE_BROWSER: ReadonlySet<ClientInfo_SDK> = new Set([
  ClientInfo_SDK.UNKNOWN,
  ClientInfo_SDK.JS,
  ClientInfo_SDK.REACT_NATIVE,
  ClientInfo_SDK.FLUTTER,
  ClientInfo_SDK.UNITY,
]);

function readClientInfo(query: URLSearchParams, userAgent: string, address: string): ClientInfo {
  const info = new ClientInfo({
    sdk: SDK_BY_NAME.get(query.get("sdk") ?? "") ?? ClientInfo_SDK.UNKNOWN,
    version: query.get("version") ?? "",
    protocol: readInt32(query.get("protocol")) ?? 0,
    clientProtocol: readInt32(query.get("client_protocol")) ?? 0,
    os: query.get("os") ?? "",
    osVersion: query.get("os_version") ?? "",
    browser: query.get("browser") ?? "",
    browserVersion: query.get("browser_version") ?? "",
    deviceModel: query.get("device_model") ?? "",
    network: query.get("network") ?? "",
    address,
    capabilities: readCapabilities(query.get("capabilities") ?? ""),
  });
  if (MAY_BE_BROWSER.has(info.sdk)) {
    const parsed = parseUserAgent(userAgent);
    if (info.browser === "") {
      info.browser = parsed.browser;
      info.browserVersion = parsed.browserVersion;
    }
    if (info.os === "") {
      info.os = parsed.os;
      info.osVersion = parsed.osVersion;
    }
  }
  return info;
}

function readCapabilities(list: string): ClientInfo_Capability[] {
  const found: ClientInfo_Capability[] = [];
  for (const [name, value] of Object.entries(ClientInfo_Capability)) {
    if (typeof value !== "number") continue;
    if (list.split(",").some((item) => item.trim() === name)) found.push(value);
  }
  return found;
}

/**
 * The address a client seems to have: what a proxy says, else the socket's. It is shown to clients
 * nowhere and used for no decision, since any client can write these headers.
 */
export function clientAddress(headers: Headers, socketAddress: string): string {
  return headers.get("CF-Connecting-IP") || headers.get("X-Forwarded-For") ||
    headers.get("X-Real-IP") || socketAddress;
}

/** URL-safe, padded base64 of a JSON map of strings; `undefined` if it is not that. */
function decodeAttributes(encoded: string): Record<string, string> | undefined {
  if (encoded === "") return {};
  if (encoded.length % 4 !== 0 || !/^[\w-]*={0,2}$/.test(encoded)) return undefined;
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (json === null) return {};
    if (typeof json !== "object" || Array.isArray(json)) return undefined;
    const entries = Object.entries(json);
    if (entries.some(([, value]) => typeof value !== "string")) return undefined;
    return Object.fromEntries(entries) as Record<string, string>;
  } catch {
    return undefined;
  }
}

function readReconnectReason(text: string | null): ReconnectReason {
  const value = readInt32(text) ?? 0;
  return value in ReconnectReason ? value as ReconnectReason : ReconnectReason.RR_UNKNOWN;
}

function readInt32(text: string | null): number | undefined {
  if (text === null || !/^[+-]?\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value === (value | 0) ? value : undefined;
}

function optionalBoolean(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  return text === null || text === "" ? undefined : isTrue(text);
}

function isTrue(text: string | null): boolean {
  return text === "1" || text === "true";
}

function exceeds(text: string, limit: number): boolean {
  return limit !== 0 && new TextEncoder().encode(text).length > limit;
}

function refuse(status: number, body: string): Refusal {
  return { ok: false, status, body };
}
