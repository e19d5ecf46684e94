/**
 * Metrics of what sessions attempt: connections, subscriptions, data streams.
 *
 * @module
 */
import type { DataStream_Header } from "@livekit/protocol";
import type { ConnectionRole } from "../room/connection_host.ts";
import type { SessionFigures, SubscriptionOutcome } from "../room/session_figures.ts";
import type { Instruments } from "./metrics_instruments.ts";

/** The only values of the label, because senders write what they like. */
const MIME_FAMILIES: readonly string[] = ["text", "image", "application", "audio", "video"];

/** See the module text. */
export class SessionMetrics implements SessionFigures {
  constructor(readonly instruments: Instruments) {}

  subscription(outcome: SubscriptionOutcome): void {
    // Failures are counted with what the client is told of them.
    if (outcome === "failure") return;
    this.instruments.subscribeAttempts.inc({ state: outcome, error: "" });
  }

  connection(role: ConnectionRole, state: string): void {
    this.instruments.connections.inc({ transport: role.toUpperCase(), state });
  }

  dataStream({ contentHeader, mimeType, totalLength }: DataStream_Header, to: number): void {
    const family = mimeType.slice(0, mimeType.search(/\/|$/)).toLowerCase();
    const labels = {
      type: STREAM_TYPES[contentHeader.case ?? "none"],
      mime_type: MIME_FAMILIES.includes(family) ? family : "unknown",
    };
    this.instruments.streamDestinations.observe(labels, to);
    if (totalLength !== undefined) {
      this.instruments.streamBytes.observe(labels, Number(totalLength));
    }
  }
}

const STREAM_TYPES = { textHeader: "text", byteHeader: "bytes", none: "unknown" } as const;
