/**
 * Metrics of what sessions attempt: connections, subscriptions, data streams.
 *
 * @module
 */
import {
  ClientInfo_SDK,
  ParticipantInfo_Kind,
  type TrackInfo,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import type { DataStreamBegun } from "../../engine/messages/data_messages.ts";
import type { ConnectionRole } from "../../room/context/signal_message.ts";
import type {
  ConnectionState,
  DescriptionType,
  SessionTelemetry,
  StreamStep,
  SubscriptionOutcome,
} from "../../room/context/telemetry.ts";
import type { ClientFacts } from "../../room/context/participant_facts.ts";
import { COUNTRY, type Instruments } from "./metrics_instruments.ts";

/** The only values of the label, because senders write what they like. */
const MIME_FAMILIES: readonly string[] = ["text", "image", "application", "audio", "video"];

/** From here on subscriptions of one track are no longer told apart: each number is a series. */
const MAX_COUNT = 10;

/**
 * What sessions attempted, counted once each as it is told. Labels come from fixed lists, whatever
 * clients say.
 */
export class SessionMetrics implements SessionTelemetry {
  constructor(readonly instruments: Instruments) {}

  subscription(outcome: SubscriptionOutcome): void {
    // Failures are counted with what the client is told of them.
    if (outcome === "failure") return;
    this.instruments.subscribeAttempts.inc({ state: outcome, error: "" });
  }

  connection(role: ConnectionRole, state: ConnectionState): void {
    const { connections, operations } = this.instruments;
    connections.inc({ transport: role.toUpperCase(), state });
    if (state !== "started") return;
    operations.inc({ type: "peer_connection", status: "success", error_type: "" });
  }

  descriptionRefused(type: DescriptionType): void {
    const error_type = "remote_description";
    this.instruments.operations.inc({ type, status: "error", error_type });
  }

  streamTime(
    step: StreamStep,
    { source, type }: Pick<TrackInfo, "source" | "type">,
    { clientInfo, kind }: ClientFacts,
    ms: number,
    count: number,
  ): void {
    this.instruments.pubSubMs.observe({
      direction: step,
      source: TrackSource[source] ?? "UNKNOWN",
      type: TrackType[type] ?? "DATA",
      country: COUNTRY,
      sdk: ClientInfo_SDK[clientInfo.sdk] ?? "UNKNOWN",
      kind: ParticipantInfo_Kind[kind] ?? "STANDARD",
      count: Math.min(count, MAX_COUNT),
    }, ms);
  }

  publishCanceled(type: TrackType, count: number): void {
    const kind = TrackType[type] ?? "DATA";
    this.instruments.publishAttempts.inc({ kind, state: "cancel" }, count);
  }

  dataStream({ type, mimeType, totalLength, destinations }: DataStreamBegun): void {
    const family = mimeType.slice(0, mimeType.search(/\/|$/)).toLowerCase();
    const labels = {
      type,
      mime_type: MIME_FAMILIES.includes(family) ? family : "unknown",
    };
    this.instruments.streamDestinations.observe(labels, destinations);
    if (totalLength !== undefined) this.instruments.streamBytes.observe(labels, totalLength);
  }
}
