/**
 * How well one down-track fares: what its subscriber reports against what was really sent, and
 * which layers it misses.
 *
 * Pure. Losses that are not the subscriber's path's are told apart: holes the publisher's path
 * left, and packets that were sent late because they came late.
 *
 * @module
 */
import type { CodecParameters } from "../../base/media_vocabulary.ts";
import type { ReportBlock } from "../../wire/rtcp.ts";
import type { LayerLimit } from "./layer_limit.ts";
import type { LayerSource } from "../packet/forwarding_ports.ts";
import { type DownTrackIntervalFigures, streamCondition } from "../layer/interval_figures.ts";
import { LossInterval } from "../layer/loss_interval.ts";
import { ReportedHoles } from "../layer/reported_holes.ts";
import { ReportedLoss } from "../layer/reported_loss.ts";
import { TimeAverage } from "../layer/time_average.ts";

const MAX_LAYERS = 3;
const NO_LAYER = -1;

/**
 * One down-track's figures, interval after interval. Losses that are not of the subscriber's path
 * are taken out.
 */
export class DownTrackCondition {
  /** What the newest report says of the path. */
  readonly path: ReportedLoss = new ReportedLoss();
  readonly #losses = new LossInterval();
  readonly #holes = new ReportedHoles();
  readonly #missing = new TimeAverage(0);
  readonly #paused = new TimeAverage(0);
  #muted = false;
  #unmutedAt = -Infinity;
  #packets = 0;
  #packetsBefore = 0;
  /** First and highest outgoing number, and how many packets left in order. */
  #first = 0;
  #highest = -1;
  #inOrder = 0;
  /** The newest report: extended highest number, packets lost so far, jitter, round trip. */
  #reportedHighest = 0;
  #reportedLost = 0;
  #reportedHoles = 0;
  #jitter = 0;
  #rttMs = -1;
  #reportedAt = -Infinity;
  #isReported = false;

  /** A packet left under an extended outgoing number. */
  sent(sequence: number): void {
    this.#packets++;
    if (sequence <= this.#highest) {
      if (sequence >= this.#first) this.#holes.filled(sequence, this.#highest);
      return;
    }
    if (this.#highest < 0) {
      this.#first = sequence;
      this.#highest = sequence - 1;
    }
    this.#inOrder++;
    this.#holes.passed(sequence - this.#highest - 1);
    this.#highest = sequence;
  }

  /** Muted by the publisher or by the subscriber. */
  setMuted(muted: boolean, now: number): void {
    if (this.#muted === muted) return;
    this.#muted = muted;
    this.#unmutedAt = now;
  }

  /** The layers there are, the one chosen of them, or what bandwidth allows changed. */
  layersChanged(source: LayerSource, limit: LayerLimit, chosen: number, now: number): void {
    let published = -1;
    for (let i = 0; i < MAX_LAYERS; i++) if (source.layer(i) !== undefined) published = i;
    const inside = published === 0 ? source.layer(0)!.svc.topSpatial : 0;
    const top = Math.max(published, inside);
    const sent = inside > 0 && chosen === 0 ? Math.min(inside, limit.wanted.maxSpatial) : chosen;
    const missing = Math.min(top, limit.target.maxSpatial) - (limit.isPaused ? NO_LAYER : sent);
    this.#missing.set(Math.max(0, missing), now);
    this.#paused.set(limit.isPaused ? 1 : 0, now);
  }

  /**
   * The subscriber's reception report (RFC 3550 §6.4.1).
   *
   * @param rttMs Negative if unknown.
   * @param again Packets that were sent again unasked, so far.
   */
  receiveReport(block: ReportBlock, rttMs: number, now: number, again = 0): void {
    const behind = (this.#highest - block.highestSequence) & 0xffff;
    this.path.take(block, this.#packets, this.#holes.take(this.#highest - behind), again);
    this.#reportedHighest = block.highestSequence;
    this.#reportedLost = block.cumulativeLost;
    this.#reportedHoles = this.#highest - this.#inOrder;
    this.#jitter = block.jitter;
    this.#rttMs = rttMs;
    if (this.#reportedAt === -Infinity) {
      this.#losses.begin(this.#reportedHighest, this.#reportedLost, this.#reportedHoles);
    }
    this.#reportedAt = now;
    this.#isReported = true;
  }

  /** The figures since the last call. */
  interval(codec: CodecParameters, clockRate: number, now: number): DownTrackIntervalFigures {
    const packetsSent = this.#packets - this.#packetsBefore;
    this.#packetsBefore = this.#packets;
    const isReported = this.#isReported;
    this.#isReported = false;
    return {
      ...streamCondition(codec, this.#muted, this.#unmutedAt, now),
      packetsSent,
      missingLayers: this.#missing.take(now),
      pausedPart: this.#paused.take(now),
      ...(this.#reportedAt === -Infinity ? {} : { reportAgeMs: now - this.#reportedAt }),
      ...(isReported ? { reported: this.#takeReported(clockRate) } : {}),
    };
  }

  #takeReported(clockRate: number): NonNullable<DownTrackIntervalFigures["reported"]> {
    return {
      ...this.#losses.take(this.#reportedHighest, this.#reportedLost, this.#reportedHoles),
      jitterMs: (this.#jitter * 1000) / clockRate,
      ...(this.#rttMs < 0 ? {} : { rttMs: this.#rttMs }),
    };
  }
}
