/**
 * Metrics of the media plane: totals out of its figures, which are per track and end with the
 * track, and distributions out of its quality reports.
 *
 * What happens on a track between the last look and the track's end is not counted.
 *
 * @module
 */
import { TrackSource } from "@livekit/protocol";
import type { DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { EngineStats, SendPathStats } from "../../engine/messages/media_messages.ts";
import type { IntervalLosses } from "../../media/layer/interval_figures.ts";
import type { MediaTelemetry, QualityReport } from "../../room/context/telemetry.ts";
import type { TransportDrop } from "../../transport/drop_reasons.ts";
import { COUNTRY, type Instruments } from "./metrics_instruments.ts";
import type { TrackSources } from "./metrics_rooms.ts";

/** Drops of datagrams that were to be sent and could not be. */
const UNSENT: readonly TransportDrop[] = [
  "udp_send_queue_full",
  "udp_send_dropped_video",
  "udp_send_failed",
];

const LIMITS: readonly SendPathStats["limitedBy"][] = [
  "start",
  "delay",
  "loss",
  "remb",
  "tcp",
  "demand",
  "none",
];

type StreamLabels = Readonly<Record<"direction" | "source" | "type" | "country", string>>;
type Figures = Readonly<Record<string, number>>;

/** The media plane's metrics. Totals never go back when a track ends. */
export class MediaMetrics implements MediaTelemetry {
  /** What was known of each stream at the last look, by stream. */
  #before = new Map<string, Figures>();
  #dropsBefore: Figures = {};
  #sources: TrackSources = new Map();
  readonly #upTrackOf = new Map<DownTrackId, UpTrackId>();

  constructor(readonly instruments: Instruments) {}

  /** Adds what has happened since the last call. */
  update(stats: EngineStats, sources: TrackSources): void {
    this.#sources = sources;
    const after = new Map<string, Figures>();
    this.#addIncoming(stats, after);
    this.#addOutgoing(stats, after);
    this.#addTransport(stats);
    this.#addPaths(stats);
    this.#before = after;
    for (const [reason, count] of Object.entries(stats.drops)) {
      // A track takes its own drops with it, so that a sum may go down.
      const by = count - (this.#dropsBefore[reason] ?? 0);
      if (by > 0) this.instruments.drops.inc({ reason }, by);
    }
    this.#dropsBefore = stats.drops;
  }

  /** Sockets, what went through them, and how long that took. */
  #addTransport({ sockets, datagramsSent, drops, forwardLatencyUs }: EngineStats): void {
    const { instruments } = this;
    instruments.sockets.set({ kind: "incoming" }, sockets);
    instruments.nodePackets.set({ type: "out" }, datagramsSent);
    const dropped = UNSENT.reduce((sum, reason) => sum + (drops[reason] ?? 0), 0);
    instruments.nodePackets.set({ type: "dropped" }, dropped);
    if (forwardLatencyUs.length === 0) return;
    const samples = forwardLatencyUs.map((us) => us * 1000);
    for (const sample of samples) instruments.forwardLatencyNs.observe(sample);
    const { mean, deviation } = spread(samples);
    instruments.forwardLatency.set(Math.round(mean));
    instruments.forwardJitter.set(Math.round(deviation));
  }

  /** How many there are by cause, also by those that limit nobody now, and how good they are. */
  #addPaths({ sendPaths }: EngineStats): void {
    const { sendPaths: gauge, sendEstimate, sendQueueMs } = this.instruments;
    const counts = new Map<string, number>(LIMITS.map((limit) => [limit, 0]));
    for (const { limitedBy, bps, queueMs } of sendPaths) {
      counts.set(limitedBy, counts.get(limitedBy)! + 1);
      sendEstimate.observe(bps);
      sendQueueMs.observe(queueMs);
    }
    for (const [limited_by, count] of counts) gauge.set({ limited_by }, count);
  }

  /** Observes losses, jitter and round trips. */
  qualityReport({ upTracks, downTracks }: QualityReport): void {
    for (const { upTrack, mime, layers, rttMs } of upTracks) {
      let labels: StreamLabels | undefined;
      for (const layer of layers) labels = this.#observe("incoming", upTrack, mime, layer);
      if (rttMs !== undefined && labels) this.instruments.rttMs.observe(labels, rttMs);
    }
    for (const { downTrack, mime, reported } of downTracks) {
      if (reported === undefined) continue;
      const labels = this.#observe("outgoing", this.#upTrackOf.get(downTrack), mime, reported);
      if (reported.rttMs !== undefined) this.instruments.rttMs.observe(labels, reported.rttMs);
    }
  }

  #addIncoming(stats: EngineStats, after: Map<string, Figures>): void {
    const { packets, bytes, repaired, nacks, plis, firs } = this.instruments;
    const sum = new Sums();
    for (const { upTrack, layers } of stats.upTracks) {
      for (const { ssrc, packets, bytes, repaired, nacksSent, plisSent } of layers) {
        const key = `${upTrack} ${ssrc}`;
        sum.add(this.#since(key, { packets, bytes, repaired, nacksSent, plisSent }, after));
      }
    }
    const incoming = { direction: "incoming", country: COUNTRY };
    packets.inc({ ...incoming, transmission: "initial" }, sum.of("packets"));
    bytes.inc({ ...incoming, transmission: "initial" }, sum.of("bytes"));
    repaired.inc(sum.of("repaired"));
    nacks.inc(incoming, sum.of("nacksSent"));
    plis.inc(incoming, sum.of("plisSent"));
    // We ask publishers by PLI alone.
    firs.inc(incoming, 0);
  }

  #addOutgoing(stats: EngineStats, after: Map<string, Figures>): void {
    const { packets, bytes, nacks, plis, firs } = this.instruments;
    const sum = new Sums();
    this.#upTrackOf.clear();
    for (const track of stats.downTracks) {
      const { downTrack, upTrack, packets, bytes, retransmitted } = track;
      const { nacksReceived, plisReceived, firsReceived } = track;
      this.#upTrackOf.set(downTrack, upTrack);
      const figures = {
        packets,
        bytes,
        retransmitted,
        nacksReceived,
        plisReceived,
        firsReceived,
      };
      sum.add(this.#since(downTrack, figures, after));
    }
    const outgoing = { direction: "outgoing", country: COUNTRY };
    packets.inc({ ...outgoing, transmission: "initial" }, sum.of("packets"));
    packets.inc({ ...outgoing, transmission: "retransmit" }, sum.of("retransmitted"));
    bytes.inc({ ...outgoing, transmission: "initial" }, sum.of("bytes"));
    nacks.inc(outgoing, sum.of("nacksReceived"));
    plis.inc(outgoing, sum.of("plisReceived"));
    firs.inc(outgoing, sum.of("firsReceived"));
  }

  /** What `now` has more than at the last look; never negative. */
  #since(key: string, now: Figures, after: Map<string, Figures>): Figures {
    const before = this.#before.get(key);
    after.set(key, now);
    if (before === undefined) return now;
    return Object.fromEntries(
      Object.entries(now).map(([name, value]) => [name, Math.max(0, value - before[name]!)]),
    );
  }

  #observe(
    direction: string,
    upTrack: UpTrackId | undefined,
    mime: string,
    { expected, lost, outOfOrder, jitterMs }: IntervalLosses,
  ): StreamLabels {
    const source = upTrack === undefined ? undefined : this.#sources.get(upTrack);
    const labels = {
      direction,
      source: TrackSource[source ?? TrackSource.UNKNOWN]!,
      type: mime.startsWith("audio/") ? "AUDIO" : "VIDEO",
      country: COUNTRY,
    };
    const { instruments } = this;
    if (expected > 0) {
      instruments.lossPercent.observe(labels, (lost / expected) * 100);
      instruments.outOfOrderPercent.observe(labels, (outOfOrder / expected) * 100);
    }
    if (lost > 0) instruments.lost.inc(labels, lost);
    if (outOfOrder > 0) instruments.outOfOrder.inc(labels, outOfOrder);
    if (jitterMs > 0) instruments.jitterUs.observe(labels, jitterMs * 1000);
    return labels;
  }
}

/** Mean and sample standard deviation. */
function spread(samples: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  const squares = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0);
  return { mean, deviation: samples.length < 2 ? 0 : Math.sqrt(squares / (samples.length - 1)) };
}

class Sums {
  readonly #sums = new Map<string, number>();

  add(figures: Figures): void {
    for (const [name, value] of Object.entries(figures)) {
      this.#sums.set(name, this.of(name) + value);
    }
  }

  of(name: string): number {
    return this.#sums.get(name) ?? 0;
  }
}
