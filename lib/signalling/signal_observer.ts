/**
 * What an observer of signalling (metrics) hears. Methods must be quick and must not throw.
 *
 * @module
 */
import type { SignalRequest } from "@livekit/protocol";
import type { SignalMessage } from "../room/connection_host.ts";

export interface SignalObserver {
  /** A client has a socket; its join is answered now. */
  connected(): void;
  /** It was answered. @param ms From the request for the socket. */
  answered(protocol: number, ms: number): void;
  request(message: SignalRequest["message"]): void;
  /** A frame that cannot be read or is too large. */
  requestFailed(): void;
  /** `recipient` is the sid of the participant it goes to, if there is one yet. */
  response(message: SignalMessage, recipient: string | undefined): void;
  /** Not sent, because the client reads too slowly. */
  responseFailed(): void;
}
