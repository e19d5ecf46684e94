/**
 * How long a subscriber waits for tracks, for metrics: for its client's answer that takes the
 * track, and from there for the first packet. A track that is muted when it is taken has no first
 * packet to wait for.
 *
 * @module
 */
import type { TrackInfo } from "@livekit/protocol";
import type { DownTrackId } from "../../base/ids.ts";
import type { EngineRouter } from "../context/engine_router.ts";
import type { RoomContext } from "../context/room_context.ts";
import {
  NO_TELEMETRY,
  type SessionTelemetry,
  type SubscriptionOutcome,
} from "../context/telemetry.ts";
import type { ClientFacts } from "../context/participant_facts.ts";

/** Tracks whose earlier subscriptions are remembered; the oldest are forgotten first. */
const MAX_COUNTS = 256;

/** A down-track on its way. */
interface Waiting {
  readonly trackSid: string;
  since: number;
  accepted: boolean;
}

/** What is needed of the world. */
export interface SubscriptionTimesContext {
  readonly platform: Pick<RoomContext["platform"], "clock">;
  readonly router: Pick<EngineRouter, "watchDownTrack" | "unwatchDownTrack">;
  readonly telemetry: Pick<SessionTelemetry, "subscription" | "streamTime">;
}

/**
 * One subscriber's waits. Each is told once, when what was waited for has come; one whose
 * down-track ends before is not told.
 */
export class SubscriptionTimes {
  readonly #waiting = new Map<DownTrackId, Waiting>();
  /** How often each track was taken. */
  readonly #counts = new Map<string, number>();

  constructor(
    readonly context: SubscriptionTimesContext,
    readonly subscriber: ClientFacts,
    readonly infoOf: (trackSid: string) => TrackInfo | undefined,
  ) {}

  /** A subscription goes on. */
  outcome(outcome: SubscriptionOutcome, downTrack: DownTrackId, trackSid: string): void {
    const { telemetry, platform: { clock } } = this.context;
    // Nothing is remembered for the sake of times that nobody hears of.
    if (telemetry === NO_TELEMETRY) return;
    telemetry.subscription(outcome);
    if (outcome === "attempt") {
      this.#waiting.set(downTrack, { trackSid, since: clock.now(), accepted: false });
    } else if (outcome === "success") this.#accepted(downTrack);
    else this.ended(downTrack);
  }

  /** The down-track is gone. */
  ended(downTrack: DownTrackId): void {
    if (this.#waiting.delete(downTrack)) this.context.router.unwatchDownTrack(downTrack);
  }

  #accepted(downTrack: DownTrackId): void {
    const waiting = this.#waiting.get(downTrack);
    if (waiting === undefined || waiting.accepted) return;
    this.#observe("subscribe", waiting, this.#count(waiting.trackSid));
    const info = this.infoOf(waiting.trackSid);
    if (info === undefined || info.muted) return this.ended(downTrack);
    waiting.accepted = true;
    waiting.since = this.context.platform.clock.now();
    this.context.router.watchDownTrack(downTrack, () => {
      this.#observe("subscribe-stream-start", waiting, 1);
      this.ended(downTrack);
    });
  }

  #observe(
    step: "subscribe" | "subscribe-stream-start",
    { trackSid, since }: Waiting,
    count: number,
  ): void {
    const info = this.infoOf(trackSid);
    if (info === undefined) return;
    const ms = this.context.platform.clock.now() - since;
    this.context.telemetry.streamTime(step, info, this.subscriber, ms, count);
  }

  #count(trackSid: string): number {
    const count = (this.#counts.get(trackSid) ?? 0) + 1;
    this.#counts.delete(trackSid);
    this.#counts.set(trackSid, count);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= MAX_COUNTS) break;
      this.#counts.delete(oldest);
    }
    return count;
  }
}
