/**
 * How good one participant's connection is: that of its worst track, published or received.
 *
 * Pure; fed with the media plane's reports on its connections.
 *
 * @module
 */
import { ConnectionQuality } from "@livekit/protocol";
import type { DownTrackInterval, UpTrackInterval } from "../../engine/messages/media_messages.ts";
import type { StreamCondition } from "../../media/layer/interval_figures.ts";
import type { QualityReport } from "../context/engine_router.ts";
import { effectiveDelay, lossWeight, opinionOf, QualityScore } from "./quality_score.ts";

/** A subscriber that receives packets and reports nothing for so long has a bad path back, ms. */
const REPORT_TIMEOUT_MS = 30_000;

/**
 * The highest layer that an up-track's publisher is to send, or `"nothing"` if nobody wants the
 * track now.
 */
export type LayerExpectation = (upTrack: string) => number | "nothing";

interface Entry {
  readonly connection: string;
  readonly score: QualityScore;
  /** Since the subscriber is sent packets without a pause; only for down-tracks. */
  streamingSince: number | undefined;
}

/** The worst of several tracks. */
export interface Worst {
  readonly quality: ConnectionQuality;
  /** Mean opinion score, 1.0–4.5. */
  readonly opinion: number;
}

/**
 * One participant's quality, that of its worst track. Tracks that a report on their connection no
 * longer names do not count.
 */
export class ParticipantQuality {
  /** By up-track or down-track. */
  readonly #entries = new Map<string, Entry>();

  /** Takes in one report; tracks of that connection that it does not name are over. */
  report(report: QualityReport, now: number, expectedTop: LayerExpectation): void {
    const { connection, intervalMs, upTracks, downTracks } = report;
    const named = new Set<string>();
    for (const interval of upTracks) {
      named.add(interval.upTrack);
      const expected = expectedTop(interval.upTrack);
      const entry = this.#entry(interval.upTrack, connection, interval, now - intervalMs);
      this.#noteMute(entry.score, interval, expected === "nothing", intervalMs, now);
      const top = expected === "nothing" ? 0 : expected;
      entry.score.update(upTrackInterval(interval, top, intervalMs), now);
    }
    for (const interval of downTracks) {
      named.add(interval.downTrack);
      const entry = this.#entry(interval.downTrack, connection, interval, now - intervalMs);
      this.#noteMute(entry.score, interval, false, intervalMs, now);
      judgeDownTrack(entry, interval, intervalMs, now);
    }
    for (const [id, entry] of this.#entries) {
      if (entry.connection === connection && !named.has(id)) this.#entries.delete(id);
    }
  }

  /** EXCELLENT without tracks. */
  worst(): Worst {
    let worst: QualityScore | undefined;
    for (const { score } of this.#entries.values()) {
      if (worst === undefined || score.score < worst.score) worst = score;
    }
    if (worst === undefined) return { quality: ConnectionQuality.EXCELLENT, opinion: 4.5 };
    return { quality: worst.quality, opinion: opinionOf(worst.score) };
  }

  #entry(id: string, connection: string, condition: StreamCondition, since: number): Entry {
    const weight = lossWeight(condition.mime, condition.inbandFec);
    const known = this.#entries.get(id);
    if (known !== undefined) {
      known.score.setWeight(weight);
      return known;
    }
    const score = new QualityScore(weight, since);
    const entry: Entry = { connection, score, streamingSince: undefined };
    this.#entries.set(id, entry);
    return entry;
  }

  #noteMute(
    score: QualityScore,
    { muted, unmutedForMs }: StreamCondition,
    unwanted: boolean,
    intervalMs: number,
    now: number,
  ): void {
    if (muted || unwanted) return score.setMuted(true, now);
    // Muted and unmuted again in between counts, too.
    if (unmutedForMs !== undefined && unmutedForMs < intervalMs) score.setMuted(true, now);
    score.setMuted(false, now - (unmutedForMs ?? 0));
  }
}

function upTrackInterval(interval: UpTrackInterval, expectedTop: number, durationMs: number) {
  const sum = { expected: 0, lost: 0, outOfOrder: 0, delayMs: 0 };
  for (const { expected, lost, outOfOrder, jitterMs } of interval.layers) {
    sum.delayMs = Math.max(sum.delayMs, effectiveDelay(0, jitterMs));
    sum.expected += expected;
    sum.lost += lost;
    sum.outOfOrder += outOfOrder;
  }
  const { senderReportAgeMs } = interval;
  return {
    ...sum,
    durationMs,
    missingLayers: Math.max(0, expectedTop - Math.max(0, interval.topLayer)),
    ...(senderReportAgeMs === undefined ? {} : { reportAgeMs: senderReportAgeMs }),
  };
}

/** A track that is held back for so large a part of an interval counts as paused. */
const MOSTLY = 0.5;

function judgeDownTrack(
  entry: Entry,
  interval: DownTrackInterval,
  durationMs: number,
  now: number,
): void {
  const { packetsSent, reported, reportAgeMs, missingLayers, pausedPart } = interval;
  entry.score.setPaused(pausedPart > MOSTLY);
  if (packetsSent === 0) {
    entry.streamingSince = undefined;
    return;
  }
  entry.streamingSince ??= now - durationMs;
  const streamingMs = now - entry.streamingSince;
  if (reported === undefined) {
    // Silence for a while says nothing; for long it is a path that does not carry its reports.
    if (Math.min(reportAgeMs ?? Infinity, streamingMs) <= REPORT_TIMEOUT_MS) return;
    return entry.score.update(
      { expected: 0, lost: 0, outOfOrder: 0, missingLayers, durationMs },
      now,
    );
  }
  // The first report after a pause may know only of what was before it.
  if (reported.expected === 0 && streamingMs <= durationMs) return;
  const { expected, lost, outOfOrder, rttMs = 0, jitterMs } = reported;
  const delayMs = effectiveDelay(rttMs, jitterMs);
  entry.score.update({ expected, lost, outOfOrder, missingLayers, delayMs, durationMs }, now);
}
