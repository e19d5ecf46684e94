/**
 * Metrics of HTTP besides joins: calls of the server API, and webhooks.
 *
 * @module
 */
import type { ApiTelemetry, WebhookDrop, WebhookTelemetry } from "../../room/context/telemetry.ts";
import type { Instruments } from "./metrics_instruments.ts";

/** Labels come from our own tables and codes, never from what a caller or a receiver wrote. */
export class HttpMetrics implements ApiTelemetry, WebhookTelemetry {
  constructor(readonly instruments: Instruments) {}

  apiCall(service: string, method: string, status: number, code: string, ms: number): void {
    const family = status >= 500 ? "5xx" : status >= 400 ? "4xx" : String(status);
    const labels = { service: service.replace(/^livekit\./, ""), method, status: family };
    this.instruments.twirpStatus.inc({ ...labels, code });
    this.instruments.twirpLatency.observe(labels, ms);
  }

  webhook(outcome: "delivered" | "failed" | WebhookDrop): void {
    this.instruments.webhooks.inc(WEBHOOK_LABELS[outcome]);
  }

  webhookQueue(length: number): void {
    this.instruments.webhookQueueLength.observe(length);
  }
}

const WEBHOOK_LABELS = {
  delivered: { status: "success", reason: "" },
  failed: { status: "failure", reason: "" },
  "queue is full": { status: "drop", reason: "queue is full" },
  age: { status: "drop", reason: "age" },
  shutdown: { status: "drop", reason: "shutdown" },
};
