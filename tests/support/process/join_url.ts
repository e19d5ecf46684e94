/**
 * The address a client opens to join, in each signalling flavour.
 *
 * @module
 */
import {
  ClientInfo,
  ClientInfo_SDK,
  ConnectionSettings,
  JoinRequest,
  WrappedJoinRequest,
} from "@livekit/protocol";

/** `v0`: `/rtc`; `join_request`: `/rtc` with that parameter; `v1`: `/rtc/v1` with it. */
export type Flavour = "v0" | "join_request" | "v1";

/** How to join. Defaults are those of a current JavaScript client. */
export interface JoinOptions {
  readonly flavour?: Flavour;
  readonly autoSubscribe?: boolean;
  readonly adaptiveStream?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
  /** Merged over SDK JS 2.23.0, protocol 16. */
  readonly clientInfo?: ConstructorParameters<typeof ClientInfo>[0];
  /** More query parameters, v0 only. */
  readonly query?: Readonly<Record<string, string>>;
  /** Merged over the join request of the other flavours. */
  readonly joinRequest?: ConstructorParameters<typeof JoinRequest>[0];
}

const SDK_NAMES: Readonly<Partial<Record<ClientInfo_SDK, string>>> = {
  [ClientInfo_SDK.JS]: "js",
  [ClientInfo_SDK.ANDROID]: "android",
  [ClientInfo_SDK.SWIFT]: "swift",
  [ClientInfo_SDK.GO]: "go",
  [ClientInfo_SDK.RUST]: "rust",
};

/** @param server `ws://…` without a trailing slash. */
export function joinUrl(server: string, token: string, options: JoinOptions = {}): string {
  const { flavour = "v0" } = options;
  const query = flavour === "v0"
    ? queryOf(options)
    : new URLSearchParams({ join_request: joinRequest(options) });
  query.set("access_token", token);
  return `${server}${flavour === "v1" ? "/rtc/v1" : "/rtc"}?${query}`;
}

function clientInfo({ clientInfo = {} }: JoinOptions): ClientInfo {
  const sdk = ClientInfo_SDK.JS;
  return new ClientInfo({ sdk, version: "2.23.0", protocol: 16, ...clientInfo });
}

function queryOf(options: JoinOptions): URLSearchParams {
  const { autoSubscribe = true, adaptiveStream = false, attributes, query = {} } = options;
  const info = clientInfo(options);
  const known = {
    sdk: SDK_NAMES[info.sdk] ?? "",
    version: info.version,
    protocol: String(info.protocol),
    os: info.os,
    os_version: info.osVersion,
    browser: info.browser,
    browser_version: info.browserVersion,
    device_model: info.deviceModel,
  };
  return new URLSearchParams({
    auto_subscribe: autoSubscribe ? "1" : "0",
    adaptive_stream: adaptiveStream ? "1" : "0",
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== "")),
    ...(attributes === undefined ? {} : {
      attributes: urlBase64(new TextEncoder().encode(JSON.stringify(attributes))),
    }),
    ...query,
  });
}

function joinRequest(options: JoinOptions): string {
  const { autoSubscribe = true, adaptiveStream = false, attributes = {} } = options;
  const request = new JoinRequest({
    clientInfo: clientInfo(options),
    connectionSettings: new ConnectionSettings({ autoSubscribe, adaptiveStream }),
    participantAttributes: { ...attributes },
    ...options.joinRequest,
  });
  return urlBase64(new WrappedJoinRequest({ joinRequest: request.toBinary() }).toBinary());
}

/** URL-safe with padding, as the server wants it. */
function urlBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_");
}
