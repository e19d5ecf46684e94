/**
 * How well one up-track fares: what came of each layer, and which layers came at all.
 *
 * @module
 */
import type { SpatialLayer } from "../../base/media_vocabulary.ts";
import { streamCondition, type UpTrackIntervalFigures } from "../layer/interval_figures.ts";
import { TimeAverage } from "../layer/time_average.ts";
import type { UpTrackLayer } from "../layer/up_track_layer.ts";

/** One up-track's figures, interval after interval, layers that never came included. */
export class UpTrackCondition {
  readonly #topLayer = new TimeAverage(-1);
  #unmutedAt = -Infinity;

  muteChanged(now: number): void {
    this.#unmutedAt = now;
  }

  /** @param liveLayers Bit `1 << spatial` for each layer that is being received. */
  layersChanged(liveLayers: number, now: number): void {
    this.#topLayer.set(31 - Math.clz32(liveLayers), now);
  }

  /** The figures since the last call; `undefined` while no layer is bound. */
  interval(
    bound: readonly (UpTrackLayer | undefined)[],
    muted: boolean,
    now: number,
  ): UpTrackIntervalFigures | undefined {
    const topLayer = this.#topLayer.take(now);
    const first = bound.find((layer) => layer !== undefined);
    if (first === undefined) return undefined;
    let reportedAt = -Infinity;
    const layers: UpTrackIntervalFigures["layers"][number][] = [];
    for (const layer of bound) {
      if (layer === undefined) continue;
      const { statistics, clock, codec, late } = layer;
      if (clock.heard) reportedAt = Math.max(reportedAt, clock.arrivedAt);
      layers.push({
        spatial: layer.spatial as SpatialLayer,
        jitterMs: (statistics.jitter * 1000) / codec.clockRate,
        ...layer.losses.take(statistics.packets + statistics.lost, statistics.lost, late),
      });
    }
    return {
      ...streamCondition(first.codec, muted, this.#unmutedAt, now),
      layers,
      topLayer,
      ...(reportedAt === -Infinity ? {} : { senderReportAgeMs: now - reportedAt }),
    };
  }
}
