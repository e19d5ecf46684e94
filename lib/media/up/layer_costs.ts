/**
 * What each layer of a track costs a subscriber, with all that it is built on, and what frame rate
 * it has: the one table for simulcast, where each spatial layer is a stream, and for layers inside
 * one stream.
 *
 * Pure; nothing allocates.
 *
 * @module
 */
import type { UpTrackLayer } from "../layer/up_track_layer.ts";

const TEMPORAL = 4;
const SPATIAL = 3;
/**
 * What a stream is taken for until it was measured, by spatial layer, bits per second: encoders
 * begin low, and half a second later it is known.
 */
const UNMEASURED_BPS: readonly number[] = [100_000, 200_000, 400_000];

/**
 * Fills `out` with bits per second by `spatial * 4 + temporal`, 0 for what is not sent.
 *
 * @param layers A track's streams by spatial layer.
 */
export function layerCosts(
  layers: readonly (UpTrackLayer | undefined)[],
  out: Float64Array,
): void {
  out.fill(0);
  const isSimulcast = layers[1] !== undefined || layers[2] !== undefined;
  for (let i = 0; i < SPATIAL; i++) {
    const layer = layers[i];
    if (layer === undefined || !layer.live) continue;
    const { rates } = layer;
    if (!rates.isKnown) fillRow(out, i, isSimulcast ? UNMEASURED_BPS[i]! : UNMEASURED_BPS[1]!);
    else if (isSimulcast) simulcastRow(layer, i, out);
    else insideRows(layer, out);
  }
}

/**
 * Fills `out` with frames per second by `spatial * 4 + temporal`, those of the temporal layers
 * below with them; 0 where nothing is known.
 *
 * @param layers A track's streams by spatial layer.
 */
export function layerFrameRates(
  layers: readonly (UpTrackLayer | undefined)[],
  out: Float64Array,
): void {
  let seen: UpTrackLayer | undefined;
  for (let s = 0; s < SPATIAL; s++) {
    // A camera's layers are equally fast as a rule, and those inside one stream always.
    if ((layers[s]?.frameRate.at(TEMPORAL - 1) ?? 0) > 0) seen = layers[s];
    for (let t = 0; t < TEMPORAL; t++) out[s * TEMPORAL + t] = seen?.frameRate.at(t) ?? 0;
  }
}

/** What a stream brings, with all that is in it, bits per second; 0 for one that is not sent. */
export function streamBps(
  layers: readonly (UpTrackLayer | undefined)[],
  spatial: number,
): number {
  const layer = layers[spatial];
  if (layer === undefined || !layer.live) return 0;
  return layer.rates.isKnown ? layer.rates.totalBps : UNMEASURED_BPS[spatial]!;
}

function fillRow(out: Float64Array, spatial: number, bps: number): void {
  for (let t = 0; t < TEMPORAL; t++) out[spatial * TEMPORAL + t] = bps;
}

/** Spatial layers inside a stream of simulcast are not chosen from. */
function simulcastRow({ rates }: UpTrackLayer, spatial: number, out: Float64Array): void {
  let sum = 0;
  for (let t = 0; t < TEMPORAL; t++) {
    for (let s = 0; s < SPATIAL; s++) sum += rates.at(s * TEMPORAL + t);
    out[spatial * TEMPORAL + t] = sum;
  }
}

/** Each spatial layer inside the stream is built on those below it, at the same frame rate. */
function insideRows({ rates }: UpTrackLayer, out: Float64Array): void {
  for (let s = 0; s < SPATIAL; s++) {
    let sum = 0;
    for (let t = 0; t < TEMPORAL; t++) {
      sum += rates.at(s * TEMPORAL + t);
      if (s === 0) out[t] = sum;
      else if (sum > 0) out[s * TEMPORAL + t] = sum + below(out, s, t);
    }
  }
}

/** The nearest lower spatial layer that is sent. */
function below(out: Float64Array, spatial: number, temporal: number): number {
  for (let s = spatial - 1; s >= 0; s--) {
    const bps = out[s * TEMPORAL + temporal]!;
    if (bps > 0) return bps;
  }
  return 0;
}
