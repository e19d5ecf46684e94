/**
 * Signalling messages as WebSocket frames: binary frames are protobuf, text frames are protojson.
 *
 * Decoding is total: a frame that is no `SignalRequest` gives `undefined`. Unknown fields are ignored
 * in both forms, because newer clients send what this version does not know.
 *
 * @module
 */
import { SignalRequest, SignalResponse } from "@livekit/protocol";

export type FrameEncoding = "binary" | "json";

/** The encoding a client's frame is in. */
export function encodingOf(frame: Uint8Array | string): FrameEncoding {
  return typeof frame === "string" ? "json" : "binary";
}

/** Reads one frame; a request without a known `message` is a request, with `case` undefined. */
export function decodeRequest(frame: Uint8Array | string): SignalRequest | undefined {
  try {
    return typeof frame === "string"
      ? SignalRequest.fromJsonString(frame, { ignoreUnknownFields: true })
      : SignalRequest.fromBinary(frame);
  } catch {
    return undefined;
  }
}

/** Writes one response in `encoding`. */
export function encodeResponse(
  message: SignalResponse["message"],
  encoding: FrameEncoding,
): Uint8Array | string {
  const response = new SignalResponse({ message });
  return encoding === "json" ? response.toJsonString() : response.toBinary();
}

/** Whether a frame is larger than `limit` bytes on the wire; 0 is no limit. */
export function exceedsLimit(frame: Uint8Array | string, limit: number): boolean {
  if (limit === 0) return false;
  if (frame.length > limit) return true;
  // UTF-8 takes at most three bytes for a UTF-16 unit, so short texts need no counting.
  if (typeof frame !== "string" || frame.length * 3 <= limit) return false;
  return new TextEncoder().encode(frame).length > limit;
}
