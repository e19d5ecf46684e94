/**
 * The `join_request` parameter, with which a client joins on a single peer connection: URL-safe
 * base64 of a `WrappedJoinRequest` whose content may be compressed.
 *
 * Contract: total, and never more than a mebibyte is made of what a client sends: inflating stops
 * there, whatever the compressed bytes would become.
 *
 * @module
 */
import { gunzipSync } from "node:zlib";
import {
  ClientInfo,
  JoinRequest,
  ReconnectReason,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression as Compression,
} from "@livekit/protocol";
import type { ClientWishes } from "./client_wishes.ts";
import { decodeMessage } from "./signal_codec.ts";
import { decodeUrlBase64 } from "./url_base64.ts";

/**
 * Largest join request, compressed or not, bytes: what an HTTP header may have at most in LiveKit
 * (1.13.5, `pkg/service/rtcservice.go`).
 */
export const MAX_JOIN_REQUEST_BYTES = 1024 * 1024;

/** The request, or LiveKit's words for what is wrong with it. */
export type DecodedJoinRequest =
  | { readonly ok: true; readonly request: JoinRequest }
  | { readonly ok: false; readonly message: string };

/** Reads the parameter. Never throws. */
export function decodeJoinRequest(encoded: string): DecodedJoinRequest {
  const wrappedBytes = decodeUrlBase64(encoded);
  if (wrappedBytes === undefined) return wrong("cannot base64 decode wrapped join request");
  const wrapped = decodeMessage(WrappedJoinRequest, wrappedBytes);
  if (wrapped === undefined) return wrong("cannot unmarshal wrapped join request");
  const content = unwrap(wrapped);
  if (typeof content === "string") return wrong(content);
  const request = decodeMessage(JoinRequest, content);
  return request === undefined ? wrong("cannot unmarshal join request") : { ok: true, request };
}

/** Settings are taken as they stand: what is not set is off. */
export function wishesOfJoinRequest(request: JoinRequest): ClientWishes {
  const settings = request.connectionSettings;
  const { reconnect, reconnectReason, publisherOffer } = request;
  return {
    clientInfo: request.clientInfo ?? new ClientInfo(),
    autoSubscribe: settings?.autoSubscribe ?? false,
    autoSubscribeDataTrack: settings?.autoSubscribeDataTrack ?? false,
    adaptiveStream: settings?.adaptiveStream ?? false,
    // Unlike the others: whoever runs the server decides for clients that do not say.
    ...(settings?.subscriberAllowPause === undefined
      ? {}
      : { subscriberAllowPause: settings.subscriberAllowPause }),
    reconnect,
    ...(reconnect ? { participantSid: request.participantSid } : {}),
    reconnectReason: reconnectReason in ReconnectReason
      ? reconnectReason
      : ReconnectReason.RR_UNKNOWN,
    disableIceLite: settings?.disableIceLite ?? false,
    metadata: request.metadata,
    attributes: request.participantAttributes,
    singlePeerConnection: true,
    addTrackRequests: request.addTrackRequests,
    ...(publisherOffer === undefined ? {} : { publisherOffer }),
  };
}

/** The bytes of the inner request; a compression that is not known yet hides an empty one. */
function unwrap({ compression, joinRequest }: WrappedJoinRequest): Uint8Array | string {
  if (joinRequest.length > MAX_JOIN_REQUEST_BYTES) return "join request too large";
  switch (compression) {
    case Compression.NONE:
      return joinRequest;
    case Compression.GZIP:
      return gunzip(joinRequest);
    default:
      return new Uint8Array();
  }
}

function gunzip(bytes: Uint8Array): Uint8Array | string {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_JOIN_REQUEST_BYTES });
  } catch (error) {
    return error instanceof RangeError
      ? "join request too large"
      : "cannot read decompressed join request";
  }
}

function wrong(message: string): DecodedJoinRequest {
  return { ok: false, message };
}
