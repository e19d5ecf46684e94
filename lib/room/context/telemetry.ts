/**
 * What is counted and timed, by whoever does it, for whoever wants to know (metrics): one port.
 *
 * A figure is no event: what outsiders are *told* of, and may act on, is `RoomObserver`'s. What is
 * not used is counted by reason (`DropSink`), and what the media plane counts by itself it is asked
 * for (`EngineStats`).
 *
 * Contract: each figure is told when it is known, in no order with others. What is handed over is
 * lent for the call and not to be changed. Nothing is thrown at who tells: {@linkcode telemetryOf}
 * holds back what a listener throws. Where nobody listens, {@linkcode NO_TELEMETRY} is, and who
 * tells need not ask.
 *
 * @module
 */
import type { SignalRequest, TrackInfo, TrackType } from "@livekit/protocol";
import type { DataStreamBegun } from "../../engine/messages/data_messages.ts";
import type { MediaEvent } from "../../engine/messages/media_messages.ts";
import type { ConnectionRole, SignalMessage } from "./signal_message.ts";
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

/** Which of a client's descriptions it is. */
export type DescriptionType = "offer" | "answer";

/** What the media plane measured of one connection in one interval. */
export type QualityReport = Extract<MediaEvent, { readonly type: "quality_report" }>;

/** Why an event for a URL was dropped. */
export type WebhookDrop = "queue is full" | "age" | "shutdown";

/** What a session comes to. */
export interface SessionTelemetry {
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
  /** A client's description cannot be used. */
  descriptionRefused(type: DescriptionType): void;
  /** Announced tracks of a client that left before it sent them. */
  publishCanceled(type: TrackType, count: number): void;
  /** A participant began a data stream. */
  dataStream(stream: DataStreamBegun): void;
}

/** What goes through signalling. */
export interface SignalTelemetry {
  /** A client has a socket; its join is answered now. */
  signalConnected(): void;
  /** A join was answered. @param ms From the request for the socket. */
  joinAnswered(protocol: number, ms: number): void;
  /** A join was answered with an HTTP error. */
  joinRefused(status: number): void;
  signalRequest(message: SignalRequest["message"]): void;
  /** A frame that cannot be read or is too large. */
  signalRequestFailed(): void;
  /** `recipient` is the sid of the participant it goes to, if there is one yet. */
  signalResponse(message: SignalMessage, recipient: string | undefined): void;
  /** Not sent, because the client reads too slowly. */
  signalResponseFailed(): void;
}

/** What the server API does. */
export interface ApiTelemetry {
  /**
   * A call of the server API was answered.
   *
   * @param method Empty if there is no such.
   * @param code Twirp's; empty if it went well.
   */
  apiCall(service: string, method: string, status: number, code: string, ms: number): void;
}

/** What becomes of webhooks, for each URL. */
export interface WebhookTelemetry {
  /** `failed`: the receiver refused the event, or every attempt failed. */
  webhook(outcome: "delivered" | "failed" | WebhookDrop): void;
  /** How many wait behind an event that is about to be sent. */
  webhookQueue(length: number): void;
}

/** What the media plane measures. */
export interface MediaTelemetry {
  qualityReport(report: QualityReport): void;
}

/** Everything that is counted or timed; telling it never throws and never waits. */
export interface Telemetry
  extends SessionTelemetry, SignalTelemetry, ApiTelemetry, WebhookTelemetry, MediaTelemetry {}

/** Nobody listens. It is also the list of all figures. */
export const NO_TELEMETRY: Readonly<Telemetry> = {
  subscription() {},
  connection() {},
  streamTime() {},
  descriptionRefused() {},
  publishCanceled() {},
  dataStream() {},
  signalConnected() {},
  joinAnswered() {},
  joinRefused() {},
  signalRequest() {},
  signalRequestFailed() {},
  signalResponse() {},
  signalResponseFailed() {},
  apiCall() {},
  webhook() {},
  webhookQueue() {},
  qualityReport() {},
};

/**
 * One port for several listeners, each of which hears of the figures it has a method for.
 *
 * @param onThrow Told what a listener threw; whoever told the figure does not notice.
 */
export function telemetryOf(
  listeners: readonly Partial<Telemetry>[],
  onThrow: (figure: string, error: unknown) => void,
): Telemetry {
  type Tell = (...values: readonly unknown[]) => void;
  const telemetry: Record<string, Tell> = { ...NO_TELEMETRY as unknown as Record<string, Tell> };
  for (const figure of Object.keys(NO_TELEMETRY) as (keyof Telemetry)[]) {
    const hearing = listeners.filter((listener) => listener[figure] !== undefined);
    if (hearing.length === 0) continue;
    telemetry[figure] = (...values) => {
      for (const listener of hearing) {
        try {
          (listener[figure] as Tell)(...values);
        } catch (error) {
          onThrow(figure, error);
        }
      }
    };
  }
  // Made of the twin's own names, each with a function of its listeners.
  return telemetry as unknown as Telemetry;
}
