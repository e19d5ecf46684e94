/**
 * What is said to a client, where it goes, and on which of its connections something happened.
 *
 * @module
 */
import type { SignalResponse } from "@livekit/protocol";

/** One message to a client. Not changed any more once it was sent: others may be sent the same. */
export type SignalMessage = SignalResponse["message"];

/** Where a participant's messages go; replaced when its client resumes on another socket. */
export interface SignalSink {
  send(message: SignalMessage): void;
  /** Ends the socket normally, after everything sent before. */
  close(): void;
}

/** Seen from the client: it offers on `publisher`, we offer on `subscriber`. */
export type ConnectionRole = "publisher" | "subscriber";
