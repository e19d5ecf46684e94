/**
 * What somebody would have of a track if everything found room on its way, and how much it matters:
 * for whoever shares out what the way between two nodes carries.
 *
 * A small integer, so that it is compared and told cheaply: a bit for each spatial layer that
 * somebody would have, whether it is a shared screen, and the priority.
 *
 * @module
 */
import type { LayerTarget } from "../../base/media_vocabulary.ts";

/** Nothing. */
export const NO_WISH = 0;
/** Bits of any wish. */
export const WISH_BITS = 12;

const LAYERS = 0b111;
const SCREEN = 1 << 3;
const PRIORITY_AT = 4;
const MAX_PRIORITY = 0xff;

/** Of one subscriber, with `spatial` as the layer that it would have. */
export function wishOf({ priority = 0, isScreen = false }: LayerTarget, spatial: number): number {
  const rank = Math.max(0, Math.min(MAX_PRIORITY, priority)) << PRIORITY_AT;
  return (1 << spatial) | (isScreen ? SCREEN : 0) | rank;
}

/** Of both: every layer of either, and what matters more of the rest. */
export function bothWishes(one: number, other: number): number {
  const [a, b] = [priorityOf(one), priorityOf(other)];
  const priority = a === 0 || b === 0 ? a | b : Math.min(a, b);
  return ((one | other) & (LAYERS | SCREEN)) | (priority << PRIORITY_AT);
}

/** The same with `spatial` in place of the layers above it; nothing if that is negative. */
export function wishWithin(wish: number, spatial: number): number {
  if (spatial < 0) return NO_WISH;
  const layers = layersOf(wish);
  const within = layers & ((2 << spatial) - 1);
  return (wish & ~LAYERS) | within | (layers === within ? 0 : 1 << spatial);
}

/** Bit `1 << spatial` of each layer. */
export function layersOf(wish: number): number {
  return wish & LAYERS;
}

/** Whether the track is a shared screen, which comes before cameras. */
export function isOfScreen(wish: number): boolean {
  return (wish & SCREEN) !== 0;
}

/** 1 to 255, 1 first; 0 is unset and behind all others. */
export function priorityOf(wish: number): number {
  return (wish >> PRIORITY_AT) & MAX_PRIORITY;
}
