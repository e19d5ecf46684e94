/**
 * What a track went through in one interval, shaped for the engine's quality reports.
 *
 * @module
 */
import type { CodecParameters, SpatialLayer } from "../../base/media_vocabulary.ts";
import type { LossFigures } from "./loss_interval.ts";

/** Packets of one stream in one interval. */
export interface IntervalLosses extends LossFigures {
  readonly jitterMs: number;
}

/** What losses mean for this stream. */
export interface StreamCondition {
  readonly mime: string;
  /** Opus repairs single losses from within (RFC 6716 §2.1.7). */
  readonly inbandFec: boolean;
  /** Nothing is meant to flow now. */
  readonly muted: boolean;
  /** Since it was last meant to flow again, ms; absent if it always was. */
  readonly unmutedForMs?: number;
}

/** One interval of a track as it came from its publisher. */
export interface UpTrackIntervalFigures extends StreamCondition {
  readonly layers: readonly (IntervalLosses & { readonly spatial: SpatialLayer })[];
  /** Index of the highest layer received, -1 for none, averaged over the interval. */
  readonly topLayer: number;
  /** Absent if the publisher never sent a sender report. */
  readonly senderReportAgeMs?: number;
}

/** One interval of a track as it went to one subscriber. */
export interface DownTrackIntervalFigures extends StreamCondition {
  readonly packetsSent: number;
  /** What the subscriber reported; absent if it did not in this interval. */
  readonly reported?: IntervalLosses & {
    /** Absent if it could not be measured. */
    readonly rttMs?: number;
  };
  /** Absent if the subscriber never reported. */
  readonly reportAgeMs?: number;
  /** How many layers less than wanted and published were sent, averaged over the interval. */
  readonly missingLayers: number;
  /** For what part of the interval nothing was sent for want of bandwidth, 0–1. */
  readonly pausedPart: number;
}

/** The common part; `unmutedAt` is `-Infinity` if it always was. */
export function streamCondition(
  codec: CodecParameters,
  muted: boolean,
  unmutedAt: number,
  now: number,
): StreamCondition {
  return {
    mime: codec.mime,
    inbandFec: codec.fmtp.includes("useinbandfec=1"),
    muted,
    ...(unmutedAt === -Infinity ? {} : { unmutedForMs: now - unmutedAt }),
  };
}
