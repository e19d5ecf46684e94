/**
 * Which layer a subscriber should get, and whether a key frame of some layer is a good place to
 * switch. Pure functions over small integers.
 *
 * @module
 */

const MAX_LAYERS = 3;
/** No layer. */
export const NO_LAYER = -1;

/**
 * The highest live layer at or below `maxSpatial`; if only higher ones live, the lowest of those,
 * for a picture that is too good beats none.
 *
 * @param liveLayers Bit `1 << spatial` per live layer.
 * @returns The layer, or {@linkcode NO_LAYER} if none lives.
 */
export function wantedLayer(maxSpatial: number, liveLayers: number): number {
  for (let spatial = maxSpatial; spatial >= 0; spatial--) {
    if ((liveLayers & (1 << spatial)) !== 0) return spatial;
  }
  for (let spatial = maxSpatial + 1; spatial < MAX_LAYERS; spatial++) {
    if ((liveLayers & (1 << spatial)) !== 0) return spatial;
  }
  return NO_LAYER;
}

/** Bit `1 << spatial` of each of two layers; {@linkcode NO_LAYER} has none. */
export function layerBits(one: number, other: number): number {
  return (one < 0 ? 0 : 1 << one) | (other < 0 ? 0 : 1 << other);
}

/**
 * Whether to switch at a key frame of `spatial`: to the wanted layer, or to one on the way there.
 *
 * @param current What is being forwarded, or {@linkcode NO_LAYER} when starting or resuming, where
 *   any key frame up to the wanted layer is taken.
 */
export function isStepTowards(spatial: number, current: number, wanted: number): boolean {
  if (spatial === wanted) return true;
  if (current === NO_LAYER) return spatial < wanted;
  return wanted > current
    ? spatial > current && spatial < wanted
    : spatial < current && spatial > wanted;
}
