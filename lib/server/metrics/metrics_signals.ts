/**
 * Metrics of signalling. Messages are counted in plain numbers, because there are many, and put
 * into the metrics when somebody looks.
 *
 * @module
 */
import {
  ConnectionQuality,
  type SignalRequest,
  SubscriptionError,
  TrackType,
} from "@livekit/protocol";
import type { SignalMessage } from "../../room/context/signal_message.ts";
import type { SignalTelemetry } from "../../room/context/telemetry.ts";
import { type Instruments, protocolLabel } from "./metrics_instruments.ts";

/**
 * What signalling did, counted once each. Messages become metrics when somebody looks, and labels
 * are never a client's words.
 */
export class SignalMetrics implements SignalTelemetry {
  #requests = 0;
  #badRequests = 0;
  #responses = 0;
  #lostResponses = 0;

  constructor(readonly instruments: Instruments) {}

  signalConnected(): void {
    this.instruments.joins.inc({ state: "signal_connected", warp: "" });
  }

  joinAnswered(protocol: number, ms: number): void {
    this.instruments.joinLatencyMs.observe({ protocol_version: protocolLabel(protocol) }, ms);
  }

  joinRefused(status: number): void {
    const state = status < 500 ? "signal_validation_failed" : "signal_failed";
    this.instruments.joins.inc({ state, warp: "" });
  }

  signalRequest(message: SignalRequest["message"]): void {
    this.#requests++;
    if (message.case !== "addTrack") return;
    // The number is the client's: only the two kinds there are become labels.
    const kind = message.value.type === TrackType.VIDEO ? "VIDEO" : "AUDIO";
    this.instruments.publishAttempts.inc({ kind, state: "attempt" });
  }

  signalRequestFailed(): void {
    this.#badRequests++;
  }

  signalResponse(message: SignalMessage, recipient: string | undefined): void {
    this.#responses++;
    if (message.case === "subscriptionResponse") {
      const error = SubscriptionError[message.value.err] ?? "";
      this.instruments.subscribeAttempts.inc({ state: "failure", error });
    } else if (message.case === "offer" || message.case === "answer") {
      this.instruments.operations.inc({ type: message.case, status: "success", error_type: "" });
    } else if (message.case === "connectionQuality") {
      for (const { participantSid, quality, score } of message.value.updates) {
        // Everybody is told of everybody: counting only one's own counts each once.
        if (participantSid === recipient) this.#quality(quality, score);
      }
    }
  }

  signalResponseFailed(): void {
    this.#lostResponses++;
  }

  collect(): void {
    const { messages } = this.instruments;
    const add = (status: string, direction: string, by: number) =>
      messages.inc({ type: "signal", status, direction }, by);
    add("success", "request", this.#requests);
    add("failure", "request", this.#badRequests);
    add("success", "response", this.#responses);
    add("failure", "response", this.#lostResponses);
    this.#requests =
      this.#badRequests =
      this.#responses =
      this.#lostResponses =
        0;
  }

  #quality(quality: ConnectionQuality, score: number): void {
    this.instruments.qualityRating.observe(quality);
    this.instruments.qualityScore.observe(score);
  }
}
