/**
 * Rates out of the media plane's totals: what came and went between two looks.
 *
 * Pure; after the first look there are no rates, because totals alone say nothing of now.
 *
 * @module
 */
import type { ConnectionId, DownTrackId, UpTrackId } from "../base/ids.ts";
import type { EngineStats, SendPathStats } from "../engine/messages/media_messages.ts";
import type { QualityReport } from "../room/context/engine_router.ts";

/** Totals are not compared over a shorter time: the figures would jump, ms. */
const LEAST_SPAN_MS = 200;

/** Reports come every five seconds; older ones are of connections that are gone, ms. */
const REPORT_LIFE_MS = 15_000;

/** One layer of a track as it comes. */
export interface LayerRate {
  readonly bps: number;
  /** Packets that should have come, per second, and how many of those did not. */
  readonly expected: number;
  readonly lost: number;
}

/** A track as it goes to one subscriber. */
export interface DownRate {
  readonly upTrack: UpTrackId;
  readonly spatial: number | undefined;
  /** Absent at the first look. */
  readonly bps: number | undefined;
  readonly repairedPerS: number | undefined;
}

/** What reports of one connection's client said last. */
export interface PathReport {
  readonly rttMs: number | undefined;
  readonly jitterMs: number;
  readonly outLoss: number | undefined;
  readonly atMs: number;
}

interface LayerTotal {
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
}

interface DownTotal {
  readonly bytes: number;
  readonly retransmitted: number;
}

/** The media plane's figures at the last look. Holds what was known then, and nothing older. */
export class MediaRates {
  #layers = new Map<UpTrackId, ReadonlyMap<number, LayerRate | undefined>>();
  #downs = new Map<DownTrackId, DownRate>();
  #paths = new Map<ConnectionId, SendPathStats>();
  readonly #reports = new Map<ConnectionId, PathReport>();
  #layerTotals = new Map<string, LayerTotal>();
  #downTotals = new Map<DownTrackId, DownTotal>();
  #atMs: number | undefined;

  /** @param now Monotonic ms. */
  update({ upTracks, downTracks, sendPaths }: EngineStats, now: number): void {
    const spanMs = this.#atMs === undefined ? 0 : now - this.#atMs;
    if (this.#atMs !== undefined && spanMs < LEAST_SPAN_MS) return;
    this.#atMs = now;
    this.#updateLayers(upTracks, spanMs / 1000);
    this.#updateDowns(downTracks, spanMs / 1000);
    this.#paths = new Map(sendPaths.map((path) => [path.connection, path]));
    for (const [connection, { atMs }] of this.#reports) {
      if (now - atMs > REPORT_LIFE_MS) this.#reports.delete(connection);
    }
  }

  /** Takes in how the tracks of one connection fared. */
  report({ connection, downTracks }: QualityReport, now: number): void {
    let expected = 0;
    let lost = 0;
    let rttMs: number | undefined;
    let jitterMs = 0;
    for (const { reported } of downTracks) {
      if (reported === undefined) continue;
      expected += reported.expected;
      lost += reported.lost;
      jitterMs = Math.max(jitterMs, reported.jitterMs);
      rttMs = reported.rttMs ?? rttMs;
    }
    if (expected === 0 && rttMs === undefined) this.#reports.delete(connection);
    else {
      const outLoss = expected === 0 ? undefined : lost / expected;
      this.#reports.set(connection, { rttMs, jitterMs, outLoss, atMs: now });
    }
  }

  /** By layer; without a rate where it was not there at the look before. */
  layersOf(upTrack: UpTrackId): ReadonlyMap<number, LayerRate | undefined> | undefined {
    return this.#layers.get(upTrack);
  }

  downTrack(id: DownTrackId): DownRate | undefined {
    return this.#downs.get(id);
  }

  path(connection: ConnectionId): SendPathStats | undefined {
    return this.#paths.get(connection);
  }

  reportOf(connection: ConnectionId): PathReport | undefined {
    return this.#reports.get(connection);
  }

  #updateLayers(upTracks: EngineStats["upTracks"], seconds: number): void {
    const totals = new Map<string, LayerTotal>();
    const rates = new Map<UpTrackId, Map<number, LayerRate | undefined>>();
    for (const { upTrack, layers } of upTracks) {
      const own = new Map<number, LayerRate | undefined>();
      for (const { spatial, ssrc, bytes, packets, lost } of layers) {
        const key = `${upTrack} ${spatial} ${ssrc}`;
        totals.set(key, { bytes, packets, lost });
        own.set(spatial, layerRate(this.#layerTotals.get(key), { bytes, packets, lost }, seconds));
      }
      rates.set(upTrack, own);
    }
    this.#layerTotals = totals;
    this.#layers = rates;
  }

  #updateDowns(downTracks: EngineStats["downTracks"], seconds: number): void {
    const totals = new Map<DownTrackId, DownTotal>();
    const rates = new Map<DownTrackId, DownRate>();
    for (const { downTrack, upTrack, spatial, bytes, retransmitted } of downTracks) {
      const before = this.#downTotals.get(downTrack);
      totals.set(downTrack, { bytes, retransmitted });
      const isKnown = before !== undefined && seconds > 0;
      rates.set(downTrack, {
        upTrack,
        spatial,
        bps: isKnown ? more(bytes, before.bytes) * 8 / seconds : undefined,
        repairedPerS: isKnown ? more(retransmitted, before.retransmitted) / seconds : undefined,
      });
    }
    this.#downTotals = totals;
    this.#downs = rates;
  }
}

function layerRate(
  before: LayerTotal | undefined,
  now: LayerTotal,
  seconds: number,
): LayerRate | undefined {
  if (before === undefined || seconds <= 0) return undefined;
  const lost = more(now.lost, before.lost) / seconds;
  return {
    bps: more(now.bytes, before.bytes) * 8 / seconds,
    expected: more(now.packets, before.packets) / seconds + lost,
    lost,
  };
}

/** Totals that became less are of something new. */
function more(now: number, before: number): number {
  return Math.max(0, now - before);
}
