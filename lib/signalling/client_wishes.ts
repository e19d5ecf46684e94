/**
 * What a client asks for when it joins, apart from what its token grants; the same whether it says
 * so in a query string (version 0) or in a join request (single peer connection).
 *
 * @module
 */
import {
  type AddTrackRequest,
  type ClientInfo,
  ClientInfo_SDK,
  type ReconnectReason,
  type SessionDescription,
} from "@livekit/protocol";
import { parseUserAgent } from "./user_agent.ts";

/** A client's wishes, checked and bounded; what it did not say has the value older clients mean. */
export interface ClientWishes {
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
  /** Name of a publish-only second session; never empty. */
  readonly publish?: string;
  readonly disableIceLite: boolean;
  /** Empty: the token's stays. */
  readonly metadata: string;
  /** Put over the token's. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The client has one connection for both directions, on which it offers. */
  readonly singlePeerConnection: boolean;
  /** Carried out right after the join response, in this order, before the offer. */
  readonly addTrackRequests: readonly AddTrackRequest[];
  readonly publisherOffer?: SessionDescription;
}

/** SDKs that run inside a browser or may do so, whose `User-Agent` fills what they do not say. */
const MAY_BE_BROWSER: ReadonlySet<ClientInfo_SDK> = new Set([
  ClientInfo_SDK.UNKNOWN,
  ClientInfo_SDK.JS,
  ClientInfo_SDK.REACT_NATIVE,
  ClientInfo_SDK.FLUTTER,
  ClientInfo_SDK.UNITY,
]);

/** Fills in what the request itself tells of a client: its address, and its browser and system. */
export function completeClientInfo(info: ClientInfo, userAgent: string, address: string): void {
  info.address = address;
  if (!MAY_BE_BROWSER.has(info.sdk)) return;
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
