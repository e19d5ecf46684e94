/**
 * What is counted of sessions (metrics). Methods must be quick and must not throw.
 *
 * @module
 */
import type { DataStream_Header, TrackInfo, TrackType } from "@livekit/protocol";
import type { ConnectionRole } from "./connection_host.ts";
import type { ClientFacts } from "./participant_facts.ts";

/**
 * A subscription is attempted when its track is put into a description, succeeds with the client's
 * answer, and is canceled if it ends before that and not by a failure.
 */
export type SubscriptionOutcome = "attempt" | "success" | "failure" | "cancel";

/**
 * The media plane was told of a connection; it had a path; DTLS was up; and its data channels, if
 * it has any, were open as well.
 */
export type ConnectionState = "started" | "ice_connected" | "connected" | "fully_established";

/**
 * From a track's announcement to its media; from the wish for a track to the client's answer; from
 * that to the first packet.
 */
export type StreamStep = "publish" | "subscribe" | "subscribe-stream-start";

/**
 * What is counted of sessions. Methods are quick and never throw, and each outcome is told once.
 */
export interface SessionFigures {
  subscription(outcome: SubscriptionOutcome): void;
  /** How far a connection came, each state once. */
  connection(role: ConnectionRole, state: ConnectionState): void;
  /**
   * A step towards media took so long.
   *
   * @param count How often this step has been made for this subscription; 1 where it happens once.
   */
  streamTime(
    step: StreamStep,
    track: Pick<TrackInfo, "source" | "type">,
    participant: ClientFacts,
    ms: number,
    count: number,
  ): void;
  /** Announced tracks of a client that left before it sent them. */
  publishCanceled(type: TrackType, count: number): void;
  /** A participant began a data stream to so many named destinations; 0 is everybody. */
  dataStream(header: DataStream_Header, destinations: number): void;
}
