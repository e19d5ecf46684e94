/**
 * What is counted of sessions (metrics). Methods must be quick and must not throw.
 *
 * @module
 */
import type { DataStream_Header } from "@livekit/protocol";
import type { ConnectionRole } from "./connection_host.ts";

/**
 * A subscription is attempted when its track is put into a description, succeeds with the client's
 * answer, and is canceled if it ends before that and not by a failure.
 */
export type SubscriptionOutcome = "attempt" | "success" | "failure" | "cancel";

/** See the module text. */
export interface SessionFigures {
  subscription(outcome: SubscriptionOutcome): void;
  /** The media plane was told of a connection; ICE and DTLS were up for the first time. */
  connection(role: ConnectionRole, state: "started" | "connected"): void;
  /** A participant began a data stream to so many named destinations; 0 is everybody. */
  dataStream(header: DataStream_Header, destinations: number): void;
}
