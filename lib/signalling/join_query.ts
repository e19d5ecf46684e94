/**
 * The query string of a version 0 join: names and meanings as every older SDK sends them.
 *
 * Pure and total: what cannot be read counts as not said.
 *
 * @module
 */
import {
  ClientInfo,
  ClientInfo_Capability,
  ClientInfo_SDK,
  ReconnectReason,
} from "@livekit/protocol";
import type { ClientWishes } from "./client_wishes.ts";
import { decodeUrlBase64 } from "./url_base64.ts";

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

/** Reads everything but the attributes, which can be wrong: see {@linkcode readAttributes}. */
export function wishesOfQuery(query: URLSearchParams): ClientWishes {
  const reconnect = isTrue(query.get("reconnect"));
  const autoSubscribeDataTrack = optionalBoolean(query, "auto_subscribe_data_track");
  const subscriberAllowPause = optionalBoolean(query, "subscriber_allow_pause");
  const publish = query.get("publish") ?? "";
  return {
    clientInfo: readClientInfo(query),
    autoSubscribe: optionalBoolean(query, "auto_subscribe") ?? true,
    ...(autoSubscribeDataTrack === undefined ? {} : { autoSubscribeDataTrack }),
    adaptiveStream: isTrue(query.get("adaptive_stream")),
    ...(subscriberAllowPause === undefined ? {} : { subscriberAllowPause }),
    reconnect,
    ...(reconnect ? { participantSid: query.get("sid") ?? "" } : {}),
    reconnectReason: readReconnectReason(query.get("reconnect_reason")),
    ...(publish === "" ? {} : { publish }),
    disableIceLite: isTrue(query.get("disable_ice_lite")),
    metadata: "",
    attributes: {},
    singlePeerConnection: false,
    addTrackRequests: [],
  };
}

/**
 * `attributes`: URL-safe, padded base64 of a JSON map of strings; `undefined` if it is not that.
 */
export function readAttributes(query: URLSearchParams): Record<string, string> | undefined {
  const encoded = query.get("attributes") ?? "";
  if (encoded === "") return {};
  const bytes = decodeUrlBase64(encoded);
  if (bytes === undefined) return undefined;
  try {
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

function readClientInfo(query: URLSearchParams): ClientInfo {
  return new ClientInfo({
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
    capabilities: readCapabilities(query.get("capabilities") ?? ""),
  });
}

function readCapabilities(list: string): ClientInfo_Capability[] {
  const found: ClientInfo_Capability[] = [];
  for (const [name, value] of Object.entries(ClientInfo_Capability)) {
    if (typeof value !== "number") continue;
    if (list.split(",").some((item) => item.trim() === name)) found.push(value);
  }
  return found;
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
